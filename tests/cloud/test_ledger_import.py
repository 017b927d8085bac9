"""A ledger is taken in from a file as from the wire: whole, once, in order, or not at all."""

import base64
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from cloud.attendance.models import Entry
from cloud.audit.models import Audit
from cloud.audit.service import NOBODY, Action
from cloud.cli import main
from cloud.database import Database
from cloud.errors import LedgerFileUnusable, LedgerIncomplete, NotFound
from cloud.scope import Scope
from cloud.sync.batches import Batch
from cloud.sync.importing import Import, Imported
from cloud.sync.ingest import Ingest
from edge.ledger.ledger import Ledger
from protocol.entries import decode_payload, follow, genesis
from protocol.errors import TerminalId
from protocol.exports import Exported, Heading, Lost, end_line, entry_line, header_line, lost_line
from tests.cloud.chains import Chain, add_terminal
from tests.cloud.test_gaps import declare, held, kept_aside
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.moved_clock import MovedClock

TERMINAL = TerminalId("kvarnen-1")
STAFF = Scope(NOBODY, None)


@pytest.fixture
def ingest(database: Database, clock: MovedClock) -> Ingest:
    """The wire's way into a database that knows the terminal."""
    add_terminal(database, clock.now(), TERMINAL)
    return Ingest(database, clock)


@pytest.fixture
def importing(database: Database, clock: MovedClock, ingest: Ingest) -> Import:
    return Import(database, clock, STAFF, lambda _what, _done, _total: None)


def exported(path: Path, chain: Chain, first: int = 1, last: int = 0, purged: int = 0) -> Path:
    """A file as the terminal exports it; up to `purged` the payloads are forgotten."""
    last = last or len(chain.payloads)
    heading = Heading(chain.terminal, chain.ledger, first, last, chain.hash_at(first - 1), purged)
    lines = [header_line(heading), *lines_of(chain, first, last, purged)]
    path.write_bytes(b"".join([*lines, end_line(last - first + 1, chain.hash_at(last))]))
    return path


def lines_of(chain: Chain, first: int, last: int, purged: int = 0) -> list[bytes]:
    """The lines of these entries."""
    followed = follow(genesis(chain.terminal, chain.ledger), 1, chain.payloads)
    return [
        entry_line(Exported(seq, *links, None if seq <= purged else payload), {"card": "…"})
        for seq, (links, payload) in enumerate(zip(followed, chain.payloads, strict=True), 1)
        if first <= seq <= last
    ]


def counts(found: Imported) -> tuple[int, int, int]:
    return found.new, found.held, found.aside


@pytest.mark.feature("F19")
def test_a_file_is_taken_in_once_and_a_second_time_there_is_nothing_new(
    importing: Import, database: Database, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(1203)
    file = exported(tmp_path / "export", chain)
    assert counts(importing.run(file)) == (1203, 0, 0)
    assert counts(importing.run(file)) == (0, 1203, 0)
    with database.reading() as session:
        rows = session.execute(select(Entry.payload, Entry.hash).order_by(Entry.seq)).all()
        audited = session.execute(select(Audit.subject, Audit.details).where(Audit.action == Action.LEDGER_IMPORTED))
        assert [(subject, details["new"], details["held"]) for subject, details in audited] == [
            (TERMINAL, 1203, 0),
            (TERMINAL, 0, 1203),
        ]
    assert [payload for payload, _ in rows] == chain.payloads
    assert rows[-1].hash == chain.hash_at(1203)


def test_what_the_terminal_had_sent_is_here_already(importing: Import, ingest: Ingest, tmp_path: Path) -> None:
    chain = Chain(TERMINAL).tap(30)
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 12))])
    assert counts(importing.run(exported(tmp_path / "export", chain))) == (18, 12, 0)
    assert ingest.held(TERMINAL, chain.ledger).hash == chain.hash_at(30)


def test_a_dry_run_says_the_same_and_changes_nothing(
    importing: Import, ingest: Ingest, database: Database, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(30)
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 12))])
    assert counts(importing.run(exported(tmp_path / "export", chain), dry=True)) == (18, 12, 0)
    assert held(database, chain.ledger) == list(range(1, 13))
    with database.reading() as session:
        assert session.scalars(select(Audit).where(Audit.action == Action.LEDGER_IMPORTED)).all() == []


def test_a_part_of_a_ledger_goes_on_where_the_cloud_is(importing: Import, ingest: Ingest, tmp_path: Path) -> None:
    chain = Chain(TERMINAL).tap(30)
    file = exported(tmp_path / "export", chain, 11, 20)
    with pytest.raises(LedgerIncomplete, match="entries 1 to 10 are neither in it nor here"):
        importing.run(file)
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 15))])
    assert counts(importing.run(file)) == (5, 5, 0)


def test_entries_that_the_terminal_forgot_are_passed_over_where_the_cloud_has_them(
    importing: Import, ingest: Ingest, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(30)
    file = exported(tmp_path / "export", chain, purged=10)
    with pytest.raises(LedgerIncomplete, match="1 to 10"):
        importing.run(file)
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 10))])
    found = importing.run(file)
    assert (counts(found), found.purged) == ((20, 0, 0), 10)


@pytest.mark.feature("F19")
def test_what_was_declared_lost_and_stands_in_a_copy_is_found(
    importing: Import, ingest: Ingest, database: Database, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(30)
    declare(ingest, chain.ledger, "11-20")
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 10)), Batch.open(TERMINAL, chain.packed(21, 30))])
    assert counts(importing.run(exported(tmp_path / "export", chain))) == (10, 20, 0)
    assert held(database, chain.ledger) == list(range(1, 31))


def test_the_export_of_a_damaged_ledger_is_taken_in_where_its_gap_was_declared(
    importing: Import, ingest: Ingest, database: Database, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(9)
    heading = Heading(TERMINAL, chain.ledger, 1, 9, chain.hash_at(0))
    before, after = lines_of(chain, 1, 3), lines_of(chain, 7, 9)
    lines = [header_line(heading), *before, lost_line(Lost(4, 6)), *after, end_line(6, chain.hash_at(9))]
    file = tmp_path / "export"
    file.write_bytes(b"".join(lines))
    with pytest.raises(LedgerIncomplete, match="4 to 6"):
        importing.run(file)
    declare(ingest, chain.ledger, "4-6")
    found = importing.run(file)
    assert (counts(found), found.lost) == ((6, 0, 0), 3)
    assert ingest.held(TERMINAL, chain.ledger).hash == chain.hash_at(9)
    assert counts(importing.run(file)) == (0, 6, 0)
    assert kept_aside(database) == []


def test_another_branch_is_kept_aside_and_counted(
    importing: Import, ingest: Ingest, database: Database, tmp_path: Path
) -> None:
    chain = Chain(TERMINAL).tap(5)
    clone = chain.branch().tap(5)
    chain.tap(3)
    ingest.take([Batch.open(TERMINAL, chain.packed(1, 8))])
    file = exported(tmp_path / "export", clone)
    assert counts(importing.run(file, dry=True)) == (0, 5, 5)
    assert counts(importing.run(file)) == (0, 5, 5)
    assert kept_aside(database) == [(seq, "fork") for seq in range(6, 11)]


def broken_in(lines: list[bytes], how: str) -> list[bytes]:
    """The lines of an export, damaged."""
    middle = json.loads(lines[5])
    match how:
        case "cut off":
            return [*lines[:7], lines[7][:40]]
        case "without an end":
            return lines[:-1]
        case "an entry less":
            return lines[:5] + lines[6:]
        case "another payload":
            middle["payload"] = base64.b64encode(b"something else").decode()
        case "another hash":
            middle["hash"] = "00" * 32
        case "a long line":
            middle["entry"] = {"x": "y" * 100_000}
        case "rubbish":
            return [*lines[:5], b"\xff\x00\n", *lines[6:]]
        case "nothing":
            return []
        case "no export":
            return [b"seq;card\n", *lines]
    return [*lines[:5], json.dumps(middle).encode() + b"\n", *lines[6:]]


DAMAGES = ("cut off", "without an end", "an entry less", "another payload", "another hash", "a long line", "rubbish")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is wrong shows before any database
@pytest.mark.parametrize("how", [*DAMAGES, "nothing", "no export"])
def test_of_a_damaged_file_nothing_is_taken_in(importing: Import, database: Database, tmp_path: Path, how: str) -> None:
    file = exported(tmp_path / "export", Chain(TERMINAL).tap(1200))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(broken_in(lines, how)))
    with pytest.raises(LedgerFileUnusable, match="nothing was taken in"):
        importing.run(file)
    with database.reading() as session:
        assert session.scalars(select(Entry)).all() == []


def test_an_unknown_terminal_and_another_customers_are_not_found(
    database: Database, clock: MovedClock, importing: Import, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="stranger"):
        importing.run(exported(tmp_path / "export", Chain(TerminalId("stranger")).tap()))
    theirs = Import(database, clock, Scope("a", "another"), lambda *_: None)
    with pytest.raises(NotFound):
        theirs.run(exported(tmp_path / "export", Chain(TERMINAL).tap()))


# --- the file of a card ---------------------------------------------------------------------------------------------


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The ledger of a terminal whose power went: what it wrote last stands in the log beside it."""
    lying = tmp_path / "box"
    lying.mkdir()
    with closing(Ledger.open(lying / "ledger.db", TERMINAL, HandClock())) as ledger:
        for number in range(40):
            ledger.append(tap(number))
        shutil.copytree(lying, tmp_path / "card")
    return tmp_path / "card" / "ledger.db"


@pytest.mark.feature("F19")
def test_the_ledger_of_a_surviving_card_is_taken_in_with_what_stands_in_its_log(
    importing: Import, database: Database, card: Path
) -> None:
    assert card.with_name("ledger.db-wal").stat().st_size > 0
    found = importing.run(card)
    assert counts(found) == (found.heading.last, 0, 0)
    assert found.heading.last > 40
    with database.reading() as session:
        payloads = session.scalars(select(Entry.payload).order_by(Entry.seq)).all()
    taps = [decode_payload(raw) for raw in payloads][-40:]
    assert [getattr(each, "card", "") for each in taps] == [f"uid:{number:08X}" for number in range(40)]


DAMAGE = {
    "a changed payload": "UPDATE payload SET bytes = x'00' WHERE seq = 20",
    "a missing entry": "DELETE FROM entry WHERE seq = 20",
    "a missing payload": "DELETE FROM payload WHERE seq = 20",
    "a text for a payload": "UPDATE payload SET bytes = 'text' WHERE seq = 20",
    "a short hash": "UPDATE entry SET hash = x'00' WHERE seq = 20",
    "an endless payload": "UPDATE payload SET bytes = zeroblob(10000000) WHERE seq = 20",
    "another's name": "UPDATE ledger SET terminal = 'kvarnen-2'",
    "no name": "DELETE FROM ledger",
    "a bad name": "UPDATE ledger SET terminal = 'A B'",
    "no table": "DROP TABLE entry",
    "a newer program": "PRAGMA user_version = 2",
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is wrong shows before any database
@pytest.mark.parametrize("how", DAMAGE)
def test_of_a_damaged_card_nothing_is_taken_in(importing: Import, database: Database, card: Path, how: str) -> None:
    with closing(sqlite3.connect(card)) as file:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {trigger}")
        for table in ("payload", "entry"):  # without STRICT, so that anything can be planted
            file.execute(f"ALTER TABLE {table} RENAME TO was")
            file.execute(f"CREATE TABLE {table} AS SELECT * FROM was")  # noqa: S608 - our own names
            file.execute("DROP TABLE was")
        file.execute(DAMAGE[how])
        file.commit()
    with pytest.raises((LedgerFileUnusable, NotFound)):
        importing.run(card)
    with database.reading() as session:
        assert session.scalars(select(Entry)).all() == []


def test_what_is_no_ledger_at_all_is_said(importing: Import, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as file:
        file.execute("CREATE TABLE x (y)")
        file.commit()
    for name in ("other.db", "missing", "."):
        with pytest.raises(LedgerFileUnusable):
            importing.run(tmp_path / name)


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings of a cloud that knows the terminal; afterwards the log goes where it went before."""
    for name in [name for name in os.environ if name.startswith("GRINDVAKT_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    path = tmp_path / "cloud.toml"
    path.write_text('state_dir = "state"\n', encoding="utf-8")
    assert main(["migrate", "--config", str(path)]) == 0
    database = Database(f"sqlite:///{tmp_path / 'state' / 'cloud.db'}")
    add_terminal(database, MovedClock().now(), TERMINAL)
    database.close()
    yield path
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def test_the_command_says_what_was_new_and_ends_with_a_status_for_each_case(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(TERMINAL).tap(700)
    file = str(exported(tmp_path / "export", chain))
    said = []
    for more in (["--dry-run"], [], []):
        assert main(["ledger", "import", file, *more, "--config", str(config)]) == 0
        said.append(capsys.readouterr().out)
    assert "700 would be new, 0 here already" in said[0]
    assert "nothing was changed" in said[0]
    assert "700 new, 0 here already" in said[1]
    assert "0 new, 700 here already" in said[2]

    clone = Chain(TERMINAL, chain.ledger, chain.payloads[:600]).tap(3)
    assert main(["ledger", "import", str(exported(tmp_path / "clone", clone)), "--config", str(config)]) == 3
    assert "3 kept aside" in capsys.readouterr().out

    Path(file).write_bytes(Path(file).read_bytes()[:-200])
    assert main(["ledger", "import", file, "--config", str(config)]) == 1
    assert "cut off after entry" in capsys.readouterr().err


def test_a_first_entry_of_another_terminal_is_no_beginning(importing: Import, tmp_path: Path) -> None:
    chain = Chain(TERMINAL).tap(3)
    file = exported(tmp_path / "export", chain)
    other = genesis(TerminalId("kvarnen-2"), chain.ledger).hex().encode()
    file.write_bytes(file.read_bytes().replace(chain.hash_at(0).hex().encode(), other))
    with pytest.raises(LedgerFileUnusable, match="does not begin where"):
        importing.run(file)
