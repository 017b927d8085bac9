"""The doctor looks at real parts: ports, pcscd, disks, ledgers and papers, and leaves each as it was (F20)."""

import os
import pty
import subprocess
import sys
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from edge.doctor import Verdict, worst
from edge.doctor.accounts import Account, account_of_daemon, account_of_process
from edge.doctor.board import look_at_supply
from edge.doctor.certificate import judge_papers, look_at_papers
from edge.doctor.chips import look_at_chips
from edge.doctor.disk import judge_disk, look_at_disk
from edge.doctor.examination import Broken, Late, Look, examine
from edge.doctor.known import read_known
from edge.doctor.ledger import Book, judge_ledger, look_at_ledger
from edge.doctor.ports import judge_port, look_at_port
from edge.doctor.readers import judge_readers, look_at_readers
from edge.doctor.smartcards import judge_smartcards, look_at_smartcards
from edge.readers.pcsc.virtual_reader import SOCKET_VARIABLE, VirtualReader, reader_name
from edge.settings import LinkSettings, ReaderSettings, TerminalSettings
from protocol.clock import ClockQuality
from protocol.errors import TerminalId
from tests.edge.test_tls import clock
from tests.support.certificates import CertificateAuthority
from tests.support.gate import TERMINAL, gate
from tests.support.pcscd import free_port_pairs, running_pcscd
from tests.support.small_disk import SmallDisk

NOBODY: Final = 65534
SETTINGS: Final = TerminalSettings(id=TERMINAL)


def told_nobody(waiting: list[str]) -> None:
    """Nobody is told what is waited for."""


@contextmanager
def as_nobody() -> Iterator[None]:
    """What a user sees who is nobody here; root may open everything."""
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


def contents(folder: Path) -> Mapping[str, tuple[int, int, bytes]]:
    """Every file with its size, its time and what is in it."""
    return {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.iterdir())
    }


# --- the looks themselves -------------------------------------------------------------------------------------------


def test_a_look_that_hangs_is_left_behind_and_the_others_are_told() -> None:
    never = Event()
    outcomes = examine({"slow": Look(0.2, never.wait), "quick": Look(60, lambda: True)}, told_nobody)
    assert outcomes == {"slow": Late(0.2), "quick": True}
    never.set()


def test_a_look_that_fails_is_named_with_its_place_and_prints_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = examine(
        {"broken": Look(60, lambda: look_at_ledger(None, runs=False)), "fine": Look(60, Book)},  # type: ignore[arg-type]
        told_nobody,
    )
    broken = outcomes["broken"]
    assert isinstance(broken, Broken)
    assert broken.why.startswith("TypeError: ")
    assert "ledger.py:" in broken.why
    assert outcomes["fine"] == Book()
    assert capsys.readouterr().err == ""


def test_who_waits_is_told_for_what() -> None:
    told: list[list[str]] = []
    go_on = Event()

    def tell(waiting: list[str]) -> None:
        told.append(waiting)
        go_on.set()

    assert examine({"a": Look(60, lambda: go_on.wait(60)), "b": Look(60, lambda: go_on.wait(60))}, tell)
    assert told[0] == ["a", "b"]


# --- accounts -------------------------------------------------------------------------------------------------------


def test_an_account_may_what_owner_group_and_mode_say(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.touch()
    os.chown(file, 1000, 20)
    file.chmod(0o640)
    kept = file.stat()
    owner, member = Account("owner", 1000, frozenset()), Account("member", 1001, frozenset({20}))
    stranger, root = Account("stranger", 1002, frozenset()), Account("root", 0, frozenset())
    assert owner.may(kept, os.R_OK | os.W_OK)
    assert member.may(kept, os.R_OK)
    assert not member.may(kept, os.W_OK)
    assert not stranger.may(kept, os.R_OK)
    assert root.may(kept, os.R_OK | os.W_OK)


def test_the_daemon_s_account_is_that_of_its_process_else_of_its_folder(tmp_path: Path) -> None:
    own = account_of_process(os.getpid())
    assert own is not None
    assert own.uid == os.geteuid()
    assert account_of_daemon(tmp_path, os.getpid()) == own
    os.chown(tmp_path, NOBODY, NOBODY)
    owner = account_of_daemon(tmp_path, None)
    assert owner is not None
    assert owner.uid == NOBODY
    assert account_of_process(2**22 + 1) is None


# --- readers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[tuple[Path, int]]:
    """A serial line: its name, and the end where the reader would be."""
    reader, line = pty.openpty()
    tty.setraw(line)
    name = Path(os.ttyname(line))
    os.close(line)
    yield name, reader
    os.close(reader)


def test_a_port_is_found_free_then_held_by_whom_and_then_gone(port: tuple[Path, int]) -> None:
    name, _ = port
    root = Account("root", 0, frozenset())
    found = look_at_port(name, root)
    assert (found.is_there, found.is_port, found.may_open, found.holders) == (True, True, True, ())
    assert judge_port(found, None) is None
    held = os.open(name, os.O_RDWR | os.O_NOCTTY)
    try:
        trouble = judge_port(look_at_port(name, root), None)
        assert trouble is not None
        assert f"({os.getpid()})" in trouble[1]
        assert judge_port(look_at_port(name, root), os.getpid()) is None
    finally:
        os.close(held)
    assert judge_port(look_at_port(Path("/dev/serial/by-id/usb-nowhere"), root), None) is not None


def test_a_port_that_the_daemon_s_account_may_not_open_names_group_and_command(port: tuple[Path, int]) -> None:
    name, _ = port
    name.chmod(0o600)
    trouble = judge_port(look_at_port(name, Account("grindvakt", NOBODY, frozenset())), None)
    assert trouble is not None
    assert trouble[0] is Verdict.BAD
    assert "grindvakt may not open" in trouble[1]
    assert "crw------- root" in trouble[1]
    assert "`usermod -aG dialout grindvakt`" in trouble[2]


def test_a_file_is_no_port(tmp_path: Path) -> None:
    trouble = judge_port(look_at_port(tmp_path, None), None)
    assert trouble is not None
    assert "is no serial port" in trouble[1]


PORTS: Final = free_port_pairs(2)


@pytest.fixture(scope="module")
def pcscd() -> Iterator[VirtualReader]:
    with running_pcscd(PORTS) as running:
        yield running


def reader(name: str, pcsc: str | None = None) -> ReaderSettings:
    return ReaderSettings(name=name, kind="pcsc", pcsc=pcsc)


def test_readers_of_pcscd_are_there_missed_and_found_unconfigured(pcscd: VirtualReader) -> None:
    one, other = (f"{reader_name(port)} 00 00" for port in PORTS)
    assert judge_smartcards(look_at_smartcards()) is None
    told = {name: {"there": name == "in", "kind": "pcsc", "why": None, "tampered": False} for name in ("in", "out")}
    seen = look_at_readers([reader("in", one), reader("out", "ACS")], told, None, None)
    there, lost, *strangers = judge_readers(seen)
    assert there.verdict is Verdict.GOOD
    assert lost.verdict is Verdict.BAD
    assert "lost: pcscd has no reader called 'ACS'" in lost.found
    assert other in lost.advice
    assert any(f"{other} is plugged in and stands in no settings" in each.found for each in strangers)
    assert not any(one in each.found for each in strangers)
    assert worst(strangers) is Verdict.DOUBTFUL


def test_without_a_daemon_a_reader_that_could_be_reached_is_unknown(pcscd: VirtualReader) -> None:
    found, *_ = judge_readers(look_at_readers([reader("in")], None, None, None))
    assert found.verdict is Verdict.UNKNOWN
    assert "nobody talks to it while the daemon does not run" in found.found


def test_a_reader_that_was_opened_and_one_that_is_lost_for_another_reason_are_bad(
    pcscd: VirtualReader, port: tuple[Path, int]
) -> None:
    serial = ReaderSettings(name="in", kind="serial", device=port[0])
    state = {"there": True, "kind": "serial", "why": None, "tampered": True}
    opened, *_ = judge_readers(look_at_readers([serial], {"in": state}, None, None))
    assert (opened.verdict, opened.advice) == (Verdict.BAD, "go and look at it")
    state = {"there": False, "kind": "serial", "why": "it says nothing", "tampered": False}
    lost, *_ = judge_readers(look_at_readers([serial], {"in": state}, None, None))
    assert (lost.verdict, lost.found) == (Verdict.BAD, "lost: it says nothing")


# --- disk and ledger ------------------------------------------------------------------------------------------------


def test_a_disk_in_memory_that_fills_up_and_turns_read_only(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 16) as small:
        seen = look_at_disk(small.folder / "state")
        assert seen.folder == small.folder
        assert seen.is_memory
        assert "lies in memory" in judge_disk(seen).found
        small.fill(leave=4096)
        assert judge_disk(look_at_disk(small.folder)).found.startswith("full: 0 of 16 MiB free")
        small.free()
        small.make_read_only(on=True)
        verdict = judge_disk(look_at_disk(small.folder))
        assert (verdict.verdict, "read-only" in verdict.found) == (Verdict.BAD, True)


def test_a_durable_write_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    seen = look_at_disk(tmp_path)
    assert seen.took is not None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_we_may_not_write_gives_no_time(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        with suppress(PermissionError):
            above.chmod(above.stat().st_mode | 0o005)
    with as_nobody():
        seen = look_at_disk(tmp_path)
    assert (seen.took, seen.unwritten) == (None, "Permission denied")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder whose ledger has a few entries, and whose daemon has ended."""
    with gate(tmp_path) as here:
        here.cloud.bind()
        for _ in range(5):
            here.tap()
    return tmp_path


def test_a_ledger_is_read_to_its_end_and_nothing_is_left_beside_it(state: Path) -> None:
    before = contents(state)
    (finding,) = judge_ledger(look_at_ledger(state, runs=False), SETTINGS, None)
    assert finding.verdict is Verdict.GOOD
    assert "entries, 0 of them receipted" in finding.found
    known = read_known(state)
    assert known.binding is not None
    assert known.binding["project_name"] == "Kvarnen"
    assert known.lacking == ("roster", "blocklist", "presence")
    assert contents(state) == before


def test_a_ledger_of_another_terminal_and_one_that_is_no_ledger_are_bad(state: Path) -> None:
    other = TerminalSettings(id=TerminalId("gate-2"))
    (finding,) = judge_ledger(look_at_ledger(state, runs=False), other, None)
    assert "belongs to terminal gate-1, and this one is gate-2" in finding.found
    (state / "ledger.db").write_bytes(b"not SQLite" * 1000)
    (finding,) = judge_ledger(look_at_ledger(state, runs=False), SETTINGS, None)
    assert finding.verdict is Verdict.BAD


def test_an_entry_that_somebody_changed_breaks_the_chain(state: Path) -> None:
    path = state / "ledger.db"
    raw = path.read_bytes()
    assert raw.count(b"both") >= 5
    last = raw.rindex(b"both")
    path.write_bytes(raw[:last] + b"back" + raw[last + 4 :])
    (finding,) = judge_ledger(look_at_ledger(state, runs=False), SETTINGS, None)
    assert finding.verdict is Verdict.BAD
    assert "its chain does not hold" in finding.found


def test_a_ledger_that_is_put_aside_says_why(state: Path) -> None:
    (state / "ledger-1.damaged").touch()
    (state / "ledger-1.why").write_text("the disk image is malformed", encoding="utf-8")
    _, aside = judge_ledger(look_at_ledger(state, runs=False), SETTINGS, None)
    assert "the last because: the disk image is malformed" in aside.found


def test_who_may_not_look_is_told_and_no_more(state: Path) -> None:
    state.chmod(0o700)
    with as_nobody():
        (finding,) = judge_ledger(look_at_ledger(state, runs=True), SETTINGS, None)
        assert read_known(state).why == "Permission denied"
    assert (finding.verdict, finding.advice) == (Verdict.UNKNOWN, "ask as root")


def test_before_the_first_start_there_is_no_ledger_and_that_is_no_fault(tmp_path: Path) -> None:
    (finding,) = judge_ledger(look_at_ledger(tmp_path / "state", runs=False), SETTINGS, None)
    assert (finding.verdict, "begins with the daemon's first start" in finding.found) == (Verdict.UNKNOWN, True)
    assert read_known(tmp_path / "state").binding is None


# --- papers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def link(tmp_path: Path) -> LinkSettings:
    own = CertificateAuthority(tmp_path / "authority").issue("gate-1")
    return LinkSettings(
        host="localhost", ca=own.ca, certificate=own.certificate, key=own.key, signing_keys=(bytes(range(32)),)
    )


def judged(link: LinkSettings, account: Account | None = None) -> list[tuple[Verdict, str]]:
    now = clock(ClockQuality.SYNCHRONISED, 0).read()
    findings = judge_papers(look_at_papers(link, account), "gate-1", link.key, now)
    return [(each.verdict, each.found) for each in findings]


def test_papers_of_seven_days_are_soon_too_old(link: LinkSettings) -> None:
    ((verdict, found),) = judged(link)
    assert verdict is Verdict.DOUBTFUL
    assert found.startswith("gate-1, valid until ")


def test_papers_that_do_not_belong_together_are_told_apart(link: LinkSettings, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path / "other", "other")
    assert judged(replace(link, ca=other.certificate)) == [
        (Verdict.BAD, "the authority in `ca` did not sign the certificate")
    ]
    assert judged(replace(link, key=other.issue("gate-1").key)) == [
        (Verdict.BAD, "the key is not that of the certificate")
    ]
    old = CertificateAuthority(tmp_path / "old").issue("gate-1", days=(-9, -2))
    ((verdict, found),) = judged(replace(link, ca=old.ca, certificate=old.certificate, key=old.key))
    assert verdict is Verdict.BAD
    assert found.startswith("expired on ")


def test_papers_that_are_none_are_bad(link: LinkSettings) -> None:
    link.certificate.write_text("hello", encoding="ascii")
    ((verdict, found),) = judged(link)
    assert verdict is Verdict.BAD
    assert "cannot be read" in found
    link.certificate.unlink()
    assert judged(link) == [(Verdict.BAD, f"not there: {link.certificate}")]


def test_a_key_that_others_may_read_or_the_daemon_may_not_is_told(link: LinkSettings) -> None:
    link.key.chmod(0o644)
    assert (Verdict.DOUBTFUL, f"others may read the key {link.key} (-rw-r--r--)") in judged(link)
    link.key.chmod(0o600)
    daemon = Account("grindvakt", NOBODY, frozenset({NOBODY}))
    assert (Verdict.BAD, f"grindvakt may not read the key {link.key}") in judged(link, daemon)


def test_a_signing_key_that_is_none_is_told(link: LinkSettings, tmp_path: Path) -> None:
    key = tmp_path / "cloud.pub"
    key.write_text("not base64!", encoding="ascii")
    assert any(f"signing key {key}" in found for _, found in judged(replace(link, signing_key_files=(key,))))


# --- what this machine has ------------------------------------------------------------------------------------------


def test_looking_for_pins_and_supply_fails_on_no_machine() -> None:
    """Here there are none; on a Pi there are."""
    assert all(chip.label or chip.why for chip in look_at_chips())
    supply = look_at_supply()
    assert supply.celsius is None or -40 < supply.celsius < 150


def test_without_pcscd_the_doctor_says_how_to_start_it(tmp_path: Path) -> None:
    """libpcsclite looks up its socket once in a process, so this one asks from another."""
    script = (
        "from edge.doctor.smartcards import *\n"
        "seen = look_at_smartcards()\nprint(judge_smartcards(seen)[1], '|', judge_smartcards(seen)[2])\n"
    )
    environment = {**os.environ, SOCKET_VARIABLE: str(tmp_path / "nowhere")}
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment)
    assert "pcscd does not answer: Service not available." in answer.stdout
    assert "systemctl enable --now pcscd.socket" in answer.stdout
