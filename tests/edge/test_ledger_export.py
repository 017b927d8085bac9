"""A ledger written out is the same ledger: complete, checkable by anybody, and never half a file."""

import csv
import io
import json
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from edge.cli.__main__ import main
from edge.ledger import drain_schema
from edge.ledger.inspection import LedgerInspection
from edge.ledger.ledger import Ledger
from edge.storage import open_file
from protocol.clock import ClockQuality
from protocol.entries import Payload, encode_payload, follow, genesis
from protocol.errors import TerminalId
from protocol.exports import Exported, ExportReader
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock

ROOT: Final = Path(__file__).parents[2]
TERMINAL: Final = TerminalId("gate-1")
TAPS: Final = 7
LAST: Final = TAPS + 2
"""Beside the taps: that the ledger was opened, and the terminal started."""

HOUR: Final = 3_600_000_000

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of some taps, one an hour, the last at noon."""
    return made(
        tmp_path / "ledger.db", [tap(number, at=NOON - (TAPS - number) * HOUR) for number in range(1, TAPS + 1)]
    )


def made(path: Path, payloads: list[Payload]) -> Path:
    with closing(Ledger.open(path, TERMINAL, HandClock())) as ledger:
        for payload in payloads:
            ledger.append(payload)
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `grindvakt ledger …`: exit status, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["ledger", *map(str, words)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def entries_in(export: Path) -> list[Exported]:
    with export.open("rb") as file:
        return [entry for entry in ExportReader(file.readline) if isinstance(entry, Exported)]


def changed(line: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(line) | fields).encode() + b"\n"


def tampered(path: Path, *statements: str) -> None:
    """Change the file as somebody does who takes the guards away first."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for (trigger,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            other.execute(statement)


# --- JSON lines -------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F17")
def test_an_export_holds_every_entry_as_it_stands_in_the_ledger(path: Path, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.jsonl"
    status, out, _ = command("export", path, "--output", target)
    assert (status, out) == (0, f"entries 1 to {LAST} are in {target}: {LAST} of them\n")
    with LedgerInspection(path) as ledger:
        assert [tuple(entry) for entry in ledger.entries(1, LAST)] == [
            (entry.seq, entry.digest, entry.hash, entry.payload) for entry in entries_in(target)
        ]
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_export_says_each_entry_in_words(path: Path, tmp_path: Path, command: Command) -> None:
    command("export", path, "--output", tmp_path / "out.jsonl", "--from", LAST)
    header, entry, end = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert (header["first"], header["last"]) == (LAST, LAST)
    words = entry["entry"]
    assert (words["kind"], words["card"], words["reader"]) == ("tap", tap(TAPS).card, "in")
    assert words["occurred_at"].endswith("+00:00")
    assert end == {"end": True, "entries": 1, "last_hash": entry["hash"]}


@pytest.mark.parametrize(("first", "last"), [(1, 3), (4, LAST), (5, 5)])
def test_a_part_can_be_checked_by_itself(path: Path, tmp_path: Path, command: Command, first: int, last: int) -> None:
    target = tmp_path / "part.jsonl"
    assert command("export", path, "--output", target, "--from", first, "--to", last)[0] == 0
    assert [entry.seq for entry in entries_in(target)] == list(range(first, last + 1))
    assert command("verify", target)[0] == 0


def test_a_part_since_a_time_begins_after_the_newest_entry_that_is_surely_older(
    path: Path, tmp_path: Path, command: Command
) -> None:
    with closing(Ledger.open(path, TERMINAL, HandClock())) as ledger:
        ledger.append(tap(50, at=0, quality=ClockQuality.UNTRUSTED))
        ledger.append(tap(51, at=NOON + HOUR))
    moment = datetime.fromtimestamp((NOON - 3 * HOUR // 2) / 1e6, UTC).isoformat()
    assert command("export", path, "--output", tmp_path / "a.jsonl", "--since", moment)[0] == 0
    tap_an_hour_before_noon = LAST - 1
    assert [entry.seq for entry in entries_in(tmp_path / "a.jsonl")] == list(range(tap_an_hour_before_noon, LAST + 4))
    status, _, err = command("export", path, "--output", tmp_path / "b.jsonl", "--from", 99)
    assert (status, "its newest entry is" in err) == (1, True)


def test_purged_payloads_are_exported_without_and_the_chain_still_holds(
    path: Path, tmp_path: Path, command: Command
) -> None:
    with closing(Ledger.open(path, TERMINAL, HandClock())) as ledger:
        ledger.note_receipt(Receipt(VERSION, ledger.id, 4, ledger.hash_at(4)))
        receipted = ledger.hash_at(4)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM payload WHERE seq <= 3")
    assert command("export", path, "--output", tmp_path / "out.jsonl")[0] == 0
    for file in (path, tmp_path / "out.jsonl"):
        status, out, _ = command("verify", file)
        assert status == 0
        assert "3 payloads purged after their receipt" in out
        assert f"the cloud has entries up to 4, with the hash {receipted.hex()}" in out
    status, out, _ = command("verify", tmp_path / "out.jsonl", "--json")
    answer = json.loads(out)
    assert (answer["purged"], answer["receipted"], answer["receipted_hash"]) == (3, 4, receipted.hex())


@pytest.mark.feature("F17")
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE payload SET bytes = (SELECT bytes FROM payload WHERE seq = 6) WHERE seq = 4", "its payload is not"),
        ("DELETE FROM entry WHERE seq = 4", "it is missing"),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 4", "its hash does not continue"),
    ],
)
def test_a_chain_that_does_not_hold_is_exported_as_it_is_and_said(
    path: Path, tmp_path: Path, command: Command, statement: str, why: str
) -> None:
    tampered(path, statement)
    target = tmp_path / "out.jsonl"
    status, out, _ = command("export", path, "--output", target)
    assert status == 1
    assert f"the chain breaks at entry 4: {why}" in out
    with LedgerInspection(path) as ledger:
        there = [entry.seq for entry in ledger.entries(1, LAST)]
    listed = [json.loads(line).get("seq") for line in target.read_text(encoding="utf-8").splitlines()[1:-1]]
    assert [seq for seq in listed if seq] == there
    status, _, err = command("verify", path)
    assert status == 1
    assert f"the chain breaks at entry 4: {why}" in err
    assert "entries up to 3 are as written" in err


@pytest.mark.feature("F17")
def test_an_export_that_was_changed_or_cut_off_is_found(path: Path, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.jsonl"
    command("export", path, "--output", target)
    lines = target.read_bytes().splitlines(keepends=True)
    target.write_bytes(b"".join(lines[:5]))
    status, _, err = command("verify", target)
    assert status == 1
    assert f"it was cut off after entry 4 of {LAST}" in err
    other = json.loads(lines[5])["payload"]
    target.write_bytes(b"".join([*lines[:4], changed(lines[4], payload=other), *lines[5:]]))
    status, out, _ = command("verify", target, "--json")
    assert (status, json.loads(out)["entry"]) == (1, 4)


def test_the_twenty_lines_of_the_page_find_what_was_changed(path: Path, tmp_path: Path, command: Command) -> None:
    """docs/ledger.md gives anybody a check that needs no program of ours; these are exactly its lines."""
    page = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    target = tmp_path / "out.jsonl"
    command("export", path, "--output", target)

    def check() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-c", program, str(target)]
        return subprocess.run(words, check=False, capture_output=True, text=True)

    said = check()
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(f"{LAST} entries are as written")
    lines = target.read_bytes().splitlines(keepends=True)
    for spoiled, why in (
        (lines[:-1], "it was cut off"),
        (lines[:4] + lines[5:], "entry 4 is missing"),
        ([*lines[:4], changed(lines[4], payload="AAAA"), *lines[5:]], "entry 4 was changed"),
        ([lines[0].replace(b"gate-1", b"gate-2"), *lines[1:]], "does not begin"),
    ):
        target.write_bytes(b"".join(spoiled))
        said = check()
        assert said.returncode == 1
        assert why in said.stderr


# --- the table --------------------------------------------------------------------------------------------------------


def table(export: Path) -> list[dict[str, str]]:
    raw = export.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_a_table_opens_in_a_swedish_spreadsheet(path: Path, tmp_path: Path, command: Command) -> None:
    assert command("export", path, "--output", tmp_path / "out.csv", "--format", "csv")[0] == 0
    rows = table(tmp_path / "out.csv")
    assert [row["seq"] for row in rows] == [str(seq) for seq in range(1, LAST + 1)]
    assert (rows[0]["subject"], rows[-1]["card"], rows[-1]["direction"]) == ("ledger.opened", tap(TAPS).card, "in")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", rows[-1]["occurred_at"])
    status, _, err = command("verify", tmp_path / "out.csv")
    assert (status, "export it as jsonl" in err) == (1, True)


@pytest.mark.parametrize("word", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(tmp_path: Path, command: Command, word: str) -> None:
    path = made(tmp_path / "ledger.db", [msgspec.structs.replace(tap(), reader=word, person=f'{word};"x"')])
    command("export", path, "--output", tmp_path / "out.csv", "--format", "csv")
    row = table(tmp_path / "out.csv")[-1]
    assert (row["reader"], row["person"]) == (f"'{word}", f'\'{word};"x"')


def test_a_time_that_no_calendar_has_stays_a_number(tmp_path: Path, command: Command) -> None:
    path = made(tmp_path / "ledger.db", [tap(at=2**62)])
    for form in ("csv", "jsonl"):
        assert command("export", path, "--output", tmp_path / form, "--format", form)[0] == 0
    assert table(tmp_path / "csv")[-1]["occurred_at"] == str(2**62)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_written_over_only_when_told(path: Path, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("something dear", encoding="utf-8")
    status, _, err = command("export", path, "--output", target)
    assert (status, "say --force" in err) == (1, True)
    assert target.read_text(encoding="utf-8") == "something dear"
    assert command("export", path, "--output", target, "--force")[0] == 0
    assert len(entries_in(target)) == LAST
    assert command("export", path, "--output", tmp_path, "--force")[0] == 1
    assert command("export", path, "--output", "/dev/null", "--force")[0] == 1
    assert Path("/dev/null").is_char_device()


@contextmanager
def largest_files(size: int) -> Iterator[None]:
    """No file may grow beyond this: what a full disk does to a write, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_an_export_that_fails_leaves_nothing_behind_and_what_was_there_before(tmp_path: Path, command: Command) -> None:
    path, target = grown(tmp_path / "ledger", 300), tmp_path / "new" / "out.jsonl"
    status, _, err = command("export", path, "--output", target)
    assert (status, "No such file or directory" in err) == (1, True)
    target.parent.mkdir()
    target.write_text("the one of yesterday", encoding="utf-8")
    with largest_files(100_000):
        status, _, err = command("export", path, "--output", target, "--force")
    assert (status, "was not written" in err) == (1, True)
    assert [each.name for each in target.parent.iterdir()] == ["out.jsonl"]
    assert target.read_text(encoding="utf-8") == "the one of yesterday"


def mounted(folder: Path, mount: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `grindvakt ledger …` in a mount namespace of its own, after this was mounted there."""
    unshare = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    program = [sys.executable, "-m", "edge.cli", "ledger", *map(str, words)]
    return subprocess.run([*unshare, *program], check=False, capture_output=True, text=True, cwd=folder, timeout=60)


def test_an_export_does_not_fill_the_disk(path: Path, tmp_path: Path) -> None:
    """It may be the disk that the ledger is on, and then nobody would be let in."""
    (tmp_path / "small").mkdir()
    said = mounted(tmp_path, "mount -t tmpfs -o size=16m none small", "export", path, "--output", "small/out.jsonl")
    assert said.returncode == 1
    assert "No space left on device; give it more room" in said.stderr


READ_ONLY: Final = "mount --bind card card && mount -o remount,bind,ro card"


@pytest.mark.feature("F17")
def test_a_ledger_on_a_medium_that_cannot_be_written_is_read(path: Path, tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    shutil.copy(path, tmp_path / "card" / "ledger.db")
    said = mounted(tmp_path, READ_ONLY, "verify", "card/ledger.db")
    assert (said.returncode, said.stderr) == (0, "")
    assert f"all {LAST} entries are as written" in said.stdout
    assert [each.name for each in (tmp_path / "card").iterdir()] == ["ledger.db"]


def test_entries_in_a_log_that_cannot_be_read_in_place_are_not_passed_over(
    path: Path, tmp_path: Path, command: Command
) -> None:
    """The card of a terminal that lost power: its newest entries are in the log only."""
    card = tmp_path / "card"
    card.mkdir()
    with closing(Ledger.open(path, TERMINAL, HandClock())) as ledger:
        newest = ledger.append(tap(9))
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copy(tmp_path / name, card / name)
    said = mounted(tmp_path, READ_ONLY, "verify", "card/ledger.db")
    assert said.returncode == 1
    assert "copy ledger.db and ledger.db-wal into a folder that can be written" in said.stderr
    status, out, _ = command("verify", card / "ledger.db")
    assert (status, f"all {newest} entries are as written" in out) == (0, True)


def test_what_is_no_ledger_is_said(tmp_path: Path, command: Command) -> None:
    (tmp_path / "notes.txt").write_text("milk, bread", encoding="utf-8")
    (tmp_path / "thing.json").write_text("{}\n", encoding="utf-8")
    (tmp_path / "empty.db").touch()
    for name, why in (
        ("notes.txt", "it is no ledger"),
        ("absent.db", "there is no such file"),
        ("empty.db", "cannot be used"),
        ("thing.json", "not the first line of an exported ledger"),
    ):
        status, out, err = command("verify", tmp_path / name)
        assert (status, out) == (1, "")
        assert why in err


# --- what was read of a damaged ledger --------------------------------------------------------------------------------


@pytest.fixture
def drain(tmp_path: Path) -> Path:
    """Entries 3 to 5 and 9 to 12 of a ledger."""
    identity = bytes(range(16))
    raw = [encode_payload(tap(number)) for number in range(12)]
    chained = follow(genesis(TERMINAL, identity), 1, raw)
    path = tmp_path / "ledger-1.drain"
    with closing(open_file(path, drain_schema.MIGRATIONS, "FULL")) as connection:
        connection.execute("INSERT INTO origin VALUES (1, ?, ?, 2, ?, 2)", (identity, TERMINAL, chained[1][1]))
        for seq in (3, 4, 5, 9, 10, 11, 12):
            connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (seq, *chained[seq - 1]))
            connection.execute("INSERT INTO payload VALUES (?, ?)", (seq, raw[seq - 1]))
    return path


def test_what_was_read_of_a_damaged_ledger_is_verified_and_exported_with_its_gaps(
    drain: Path, tmp_path: Path, command: Command
) -> None:
    assert command("export", drain, "--output", tmp_path / "out.jsonl")[0] == 0
    for file in (drain, tmp_path / "out.jsonl"):
        status, out, _ = command("verify", file)
        assert status == 0
        assert "all 7 entries are as written" in out
        assert "5 are lost: 1-2, 6-8; the chain begins again after each gap" in out
    with closing(sqlite3.connect(drain, isolation_level=None)) as other:
        other.execute("UPDATE payload SET bytes = zeroblob(9) WHERE seq = 10")
    status, _, err = command("verify", drain)
    assert (status, "the chain breaks at entry 10" in err) == (1, True)


# --- size -------------------------------------------------------------------------------------------------------------


def peak(act: Callable[[], Any]) -> int:
    """Bytes that an act held at most."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_ledger(tmp_path: Path, command: Command) -> None:
    few, many = (grown(tmp_path / str(count), count) for count in (3_000, 9_000))
    target = tmp_path / "out.jsonl"
    for verb, *words in (["verify"], ["export", "--force", "--output", target]):
        used = [peak(partial(command, verb, path, *words)) for path in (few, few, many)]
        assert used[2] < 1.2 * used[1]


def grown(folder: Path, count: int) -> Path:
    """A ledger of so many taps, written in one transaction."""
    folder.mkdir()
    path = made(folder / "ledger.db", [])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        seq, previous = other.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        raw = [encode_payload(tap(number)) for number in range(count)]
        other.execute("BEGIN")
        other.executemany(
            "INSERT INTO entry VALUES (?, ?, ?)",
            ((at, *links) for at, links in enumerate(follow(previous, seq + 1, raw), seq + 1)),
        )
        other.executemany("INSERT INTO payload VALUES (?, ?)", enumerate(raw, seq + 1))
        other.execute("COMMIT")
    return path
