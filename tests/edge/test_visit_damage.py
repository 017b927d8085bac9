"""What is left of a damaged ledger is shown, at once, and it is said what is not."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.ledger.aside import put_aside
from edge.ledger.salvage import mark_told, salvage
from edge.visit.asking import Asked, View
from protocol.clock import MICROSECONDS
from tests.support.gate import TERMINAL
from tests.support.visited import ANNA, BORIS, BYGG, EL, IN, OUT, Visited, at, brief, denied, history, tap

NOW = at("2026-06-12 12:00:00")


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    return found


def scribble(path: Path, page: int) -> None:
    """Overwrite a page as a failing card does."""
    with path.open("r+b") as file:
        file.seek(page * 1024)
        file.write(b"\xa5" * 1024)


def test_what_lies_on_other_pages_than_the_damaged_one_is_shown(visited: Visited) -> None:
    begins = at("2026-06-10 00:00:00")
    visited.record(*(denied(ANNA, BYGG, begins + n * MICROSECONDS) for n in range(400)))
    path = visited.state / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    scribble(path, pages // 2)
    kept = visited.read(history("2026-06-10", denied=True), NOW)
    assert 300 < len(kept.rows) < 400
    assert any("kan inte läsas" in note for note in kept.notes)
    assert "kan inte läsas" in kept.lines["Kedja"]
    done = visited.inspect("history", "--from", "2026-06-10", "--all")
    assert done.returncode == 1
    assert done.stdout.count("nekad:") == len(kept.rows)


def test_a_changed_entry_is_shown_as_it_stands_and_marked(visited: Visited) -> None:
    visited.record(tap(ANNA, BYGG, IN, NOW - MICROSECONDS), tap(BORIS, EL, IN, NOW - MICROSECONDS))
    path = visited.state / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER payload_never_changes")
        (raw,) = connection.execute("SELECT bytes FROM payload WHERE seq = 2").fetchone()
        connection.execute("UPDATE payload SET bytes = ? WHERE seq = 2", (raw.replace(ANNA.encode(), BORIS.encode()),))
        connection.commit()
    kept = visited.read(history(), NOW)
    assert kept.rows[0].remarks == ("in: posten är inte den som registrerades",)
    assert kept.lines["Kedja"] == "BRUTEN vid post 2: posten är inte den som registrerades"
    done = visited.inspect("history")
    assert done.returncode == 1
    assert "Liggaren: kedjan är BRUTEN vid post 2" in done.stdout


@pytest.mark.parametrize("is_salvaged", [False, True])
def test_a_pass_over_a_ledger_that_was_put_aside_is_one(visited: Visited, is_salvaged: bool) -> None:
    """With what was read of it, and before the daemon has got to that."""
    visited.record(tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")))
    aside = put_aside(visited.state / "ledger.db", "a page is damaged")
    if is_salvaged:
        salvage(aside, TERMINAL, lambda: False)
        mark_told(aside)
    visited.record(tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00")))
    kept = visited.read(history("2026-06-10"), NOW)
    (row,) = kept.rows
    assert brief(row) == ("Anna Åkesson", "2026:06:10 07:00:00", "2026:06:10 15:00:00")
    assert (row.began and row.began.entry, row.ended and row.ended.entry) == ("1:2", "2")
    assert any("En skadad liggare ligger undan (nr 1: a page is damaged)" in note for note in kept.notes)
    assert "Undanlagd liggare 1" in kept.lines


def test_a_file_that_is_no_ledger_is_said_and_what_the_cloud_told_is_shown(visited: Visited) -> None:
    (visited.state / "ledger.db").write_bytes(b"not a database, but long enough to look at" * 100)
    visited.tell(ANNA, BYGG, IN, NOW - 3600 * MICROSECONDS)
    kept = visited.read(Asked(View.PRESENT), NOW)
    assert [row.person for row in kept.rows] == ["Anna Åkesson"]
    assert any("Liggaren (ledger.db) kan inte läsas" in note for note in kept.notes)


def test_without_any_ledger_it_is_said_that_there_is_none(visited: Visited) -> None:
    done = visited.inspect()
    assert done.returncode == 1
    assert "här finns ingen liggare än" in done.stdout
    assert "INTE REGISTRERAD" in done.stdout
    assert not (visited.state / "ledger.db").exists()


def test_tables_that_cannot_be_read_leave_the_ledger_to_be_shown(visited: Visited) -> None:
    visited.record(tap(ANNA, BYGG, IN, NOW - MICROSECONDS))
    shutil.copy(visited.config, visited.state / "tables.db")
    kept = visited.read(history(), NOW)
    assert [row.person_number for row in kept.rows] == [f"id {ANNA}"]
    assert any(note.startswith("Det som molnet har berättat kan inte läsas") for note in kept.notes)


def test_what_was_purged_is_said(visited: Visited) -> None:
    visited.record(*(tap(ANNA, BYGG, (IN, OUT)[n % 2], at("2026-06-10 07:00:00") + n) for n in range(10)))
    with closing(sqlite3.connect(visited.state / "ledger.db")) as connection:
        connection.execute("INSERT INTO receipt VALUES (1, 8, x'00')")
        connection.execute("DELETE FROM payload WHERE seq <= 5")
        connection.commit()
    kept = visited.read(history("2026-06-10"), NOW)
    assert any("post 1 till 5 gallrat" in note for note in kept.notes)
    assert len(kept.rows) == 3


def test_looking_keeps_the_log_of_an_empty_file(visited: Visited) -> None:
    """SQLite throws it away at the first look, also where it only reads; the entries in it are all there is left."""
    visited.record(tap(ANNA, BYGG, IN, NOW - MICROSECONDS))
    for name in ("ledger.db", "ledger-1.damaged"):
        (visited.state / name).write_bytes(b"")
        (visited.state / f"{name}-wal").write_bytes(b"entries")
    kept = visited.read(history(), NOW)
    done = visited.inspect("history")
    assert done.returncode == 1
    assert any("its file is empty" in note for note in kept.notes)
    for name in ("ledger.db", "ledger-1.damaged"):
        assert (visited.state / f"{name}-wal").read_bytes() == b"entries"
