"""A report goes to a USB stick whole, or it is said why not and nothing on the stick looks whole."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import StickFault
from edge.visit.carrying import carry
from edge.visit.sticks import Stick, chosen, mounted, sticks
from protocol.clock import MICROSECONDS
from tests.support.plugged import Plugged, pull_out
from tests.support.small_disk import SmallDisk
from tests.support.visited import ANNA, BYGG, IN, OUT, Visited, at, denied, history, tap, unseen

NOW = at("2026-06-12 12:00:00")
FILES = ["las-mig.txt", "liggare.jsonl", "personalliggare.csv", "personalliggare.pdf"]


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path / "terminal")
    found.bind()
    found.record(tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")), tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00")))
    return found


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[Plugged]:
    with Plugged(tmp_path / "machine") as machine:
        yield machine


def only_stick(plugged: Plugged, visited: Visited) -> Stick:
    return chosen(sticks(plugged.machine, visited.state), None)


def carried(visited: Visited, place: Path) -> Path:
    report = visited.report(history(), NOW)
    with closing(report.told), closing(report.sources):
        return carry(report, place, unseen)[0]


def read_back(loop: str, folder: Path) -> dict[str, bytes]:
    """Every file of a stick, as another machine finds it after it was taken out."""
    folder.mkdir()
    subprocess.run(["mount", "-o", "ro", loop, str(folder)], check=True)
    try:
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_stick_that_is_not_mounted_is_mounted_written_and_let_go(
    visited: Visited, plugged: Plugged, tmp_path: Path
) -> None:
    loop = plugged.plug("sdx")
    stick = only_stick(plugged, visited)
    assert (stick.name, stick.mounted_at, stick.words) == ("sdx1", None, "sdx1 (Stick, 0.0 GB)")
    with mounted(stick) as place:
        assert place.parent.stat().st_mode & 0o077 == 0  # nobody else gets there
        folder = carried(visited, place)
    assert folder.name == "personalliggare-2026-06-12-120000"
    assert not place.parent.exists()
    files = read_back(loop, tmp_path / "elsewhere")
    assert sorted(files) == [f"{folder.name}/{name}" for name in FILES]
    assert files[f"{folder.name}/personalliggare.pdf"].startswith(b"%PDF-")
    (row,) = csv.DictReader(files[f"{folder.name}/personalliggare.csv"].decode("utf-8-sig").splitlines(), delimiter=";")
    assert row["person"] == "Anna Åkesson"
    read_me = files[f"{folder.name}/las-mig.txt"].decode()
    assert "Identifikationsnummer: A1B2C3D4E5F67" in read_me
    assert "liggaren, post 1 till 3" in read_me


def test_anybody_can_check_the_entries_on_the_stick(visited: Visited, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "stick", 8) as disk:
        folder = carried(visited, disk.folder)
        command = [sys.executable, "-m", "edge.cli", "ledger", "verify", str(folder / "liggare.jsonl")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_of_several_sticks_one_has_to_be_named(visited: Visited, plugged: Plugged) -> None:
    for name in ("sdx", "sdy"):
        plugged.plug(name)
    found = sticks(plugged.machine, visited.state)
    with pytest.raises(StickFault, match=r"flera USB-minnen.*sdx1.*sdy1.*--usb sdx1"):
        chosen(found, None)
    assert chosen(found, "sdy").name == "sdy1"
    assert chosen(found, "/dev/sdy1").name == "sdy1"
    with pytest.raises(StickFault, match="sdz är inget USB-minne"):
        chosen(found, "sdz")


def test_without_a_stick_it_is_said_what_to_do(visited: Visited, plugged: Plugged) -> None:
    with pytest.raises(StickFault, match="inget USB-minne hittas; sätt i ett"):
        only_stick(plugged, visited)


def test_the_machines_own_disks_are_no_sticks(visited: Visited, plugged: Plugged) -> None:
    """Neither what it started from, though it be on USB, nor the disk with the ledger, an empty slot or a hard disk."""
    root, state = (path.stat().st_dev for path in (Path("/"), visited.state))
    plugged.tell("sda", "1", f"{os.major(root)}:{os.minor(root)}", 1 << 30)
    plugged.tell("sdb", "1", f"{os.major(state)}:{os.minor(state)}", 1 << 30)
    plugged.tell("sdc", "", "8:32", 0)
    plugged.tell("sdd", "1", "8:49", 1 << 30, removable=False)
    plugged.tell("sr0", "", "11:0", 1 << 30)
    assert sticks(plugged.machine, visited.state) == []


def test_one_that_is_mounted_already_is_used_where_it_is(visited: Visited, plugged: Plugged, tmp_path: Path) -> None:
    loop = plugged.plug("sdx", part="")
    place = tmp_path / "a place with spaces"
    place.mkdir()
    subprocess.run(["mount", loop, str(place)], check=True)
    stick = only_stick(plugged, visited)
    assert (stick.name, stick.mounted_at) == ("sdx", place)
    with mounted(stick) as found:
        folder = carried(visited, found)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert place.is_mount()
    assert carried(visited, place).name == "personalliggare-2026-06-12-120000-2"  # the same second again


def test_a_full_stick_is_said_and_nothing_half_is_left(visited: Visited, tmp_path: Path) -> None:
    visited.record(*(denied(ANNA, BYGG, at("2026-06-10 08:00:00") + n * MICROSECONDS) for n in range(500)))
    with SmallDisk(tmp_path / "stick", 1) as disk:
        disk.fill(leave=100_000)
        with pytest.raises(StickFault, match="det är fullt"):
            carried(visited, disk.folder)
        assert [path.name for path in disk.folder.iterdir()] == ["filler"]


def test_a_write_protected_stick_is_said(visited: Visited, plugged: Plugged, tmp_path: Path) -> None:
    plugged.plug("sdx", read_only=True)
    with pytest.raises(StickFault, match="sdx1 är skrivskyddat"), mounted(only_stick(plugged, visited)):
        raise AssertionError("it was mounted")
    with SmallDisk(tmp_path / "stick", 1) as disk:
        disk.make_read_only(on=True)
        with pytest.raises(StickFault, match="det är skrivskyddat"):
            carried(visited, disk.folder)


def test_a_stick_without_a_file_system_is_said(visited: Visited, plugged: Plugged, tmp_path: Path) -> None:
    plugged.plug("sdx")
    (tmp_path / "machine" / "sdx.img").write_bytes(bytes(8 << 20))
    with pytest.raises(StickFault, match=r"sdx1 kan inte monteras .*FAT32"), mounted(only_stick(plugged, visited)):
        raise AssertionError("it was mounted")


def test_a_stick_pulled_out_in_the_middle_leaves_nothing_that_looks_whole(
    visited: Visited, plugged: Plugged, tmp_path: Path
) -> None:
    loop = plugged.plug("sdx")
    stick = only_stick(plugged, visited)
    places: list[Path] = []

    def write_while_it_is_pulled() -> None:
        report = visited.report(history(), NOW)
        with mounted(stick) as place, closing(report.told), closing(report.sources):
            places.append(place)
            carry(report, place, lambda *_: pull_out(place))

    with pytest.raises(StickFault, match="det slutade svara eller drogs ut"):
        write_while_it_is_pulled()
    assert not places[0].parent.exists()
    left = read_back(loop, tmp_path / "elsewhere")
    assert not any("/" in name and ".part/" not in name for name in left)


def test_what_was_left_unfinished_goes_at_the_next_time(visited: Visited, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "stick", 8) as disk:
        unfinished = disk.folder / "personalliggare-2026-06-11-080000.part"
        unfinished.mkdir()
        (unfinished / "personalliggare.pdf").write_text("half")
        (disk.folder / "holiday.jpg").write_text("not ours")
        folder = carried(visited, disk.folder)
        assert sorted(path.name for path in disk.folder.iterdir()) == ["holiday.jpg", folder.name]


def test_only_root_can_mount_and_that_is_said(visited: Visited, plugged: Plugged) -> None:
    plugged.plug("sdx")
    stick = only_stick(plugged, visited)
    os.seteuid(65534)
    try:
        with pytest.raises(StickFault, match="bara root får montera; kör kommandot med sudo"), mounted(stick):
            raise AssertionError("it was mounted")
    finally:
        os.seteuid(0)


def test_the_command_names_the_stick_that_is_not_there_and_shows_nothing(visited: Visited) -> None:
    done = visited.inspect("--usb", "sdz9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "inget är sparat på ett USB-minne" in done.stderr
    assert visited.facts() == []
