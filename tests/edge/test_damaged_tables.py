"""Tables whose values are not what was written are begun anew, at start and at a tap, and never end the daemon."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.tables.tables import Tables
from tests.bench.gate import cards, furnish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tables.db"
    with closing(Tables.open(path)) as tables:
        furnish(tables, cards(3))
    return path


def damage(path: Path, statement: str) -> None:
    """Write what no cloud would have sent."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE held SET name = 'diary' WHERE name = 'roster'",
        "UPDATE binding SET value = x'c1'",
        "ALTER TABLE held RENAME COLUMN scope TO place",
    ],
)
def test_what_a_start_cannot_take_in_is_begun_anew(path: Path, statement: str) -> None:
    damage(path, statement)
    with closing(Tables.open(path)) as tables:
        assert tables.binding is None
        assert tables.enrolment(cards(1)[0]) is None
    assert path.with_name("tables.db.damaged").exists()


@pytest.mark.parametrize("statement", ["UPDATE roster SET value = x'91'", "DROP TABLE roster"])
def test_a_person_who_cannot_be_read_at_a_tap_is_nobody_and_the_file_is_begun_anew(path: Path, statement: str) -> None:
    damage(path, statement)
    with closing(Tables.open(path)) as tables:
        assert [table.name for table in tables.held()] == ["binding", "roster", "blocklist"]
        assert tables.enrolment(cards(1)[0]) is None
        assert not tables.held()
    assert path.with_name("tables.db.damaged").exists()
