"""A database is brought to the tables of this program, and never used at another version."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text

from cloud import migrate
from cloud.database import Database
from cloud.errors import DatabaseUnmigrated, DatabaseUnusable
from cloud.models import Entry, Model, Project, ProjectPerson, UnitStatus


def test_migrated_tables_are_those_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []


def test_each_step_is_told_and_a_second_time_there_is_nothing_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('new')}/cloud.db")
    told: list[str] = []
    assert migrate.held(database) is None
    assert migrate.upgrade(database, told.append) == STEPS
    assert told[0] == "0001: The tables this product begins with."
    assert told[1].startswith("0002: Declared gaps")
    assert migrate.upgrade(database, told.append) == 0
    assert len(told) == STEPS
    migrate.require(database)
    database.close()


STEPS = len(list((Path(migrate.__file__).parent / "migrations/versions").glob("[0-9]*.py")))
FILLED_AT_0001 = (
    "INSERT INTO customer (id, name, created_at) VALUES ('c', 'Bygg AB', '2025-11-05 07:00:00')",
    "INSERT INTO project (id, customer_id, name, site_id, zone, mode) VALUES ('p', 'c', 'Kvarnen', 'B', 'UTC', 'open')",
    "INSERT INTO company (id, customer_id, name, org_number, country) VALUES ('f', 'c', 'El AB', '1', 'SE')",
    "INSERT INTO person (id, customer_id, name, country) VALUES ('a', 'c', 'Anna', 'SE')",
    "INSERT INTO card (id, customer_id, person_id, company_id, active) VALUES ('k', 'c', 'a', 'f', true)",
    "INSERT INTO project_person (project_id, card_id) VALUES ('p', 'k')",
    "INSERT INTO unit (id, customer_id, kind, name, place, doors) VALUES ('t', 'c', 'terminal', 'T', '', '[]')",
    "INSERT INTO unit_status (unit_id, online, seen_at, nonce, queue_depth, clock_quality, clock_offset_ms, software, "
    "ledger, last_seq, readers, doors, tables) "
    "VALUES ('t', true, '2025-11-05 07:00:00', '', 0, 'held', 0, '', '', 0, '{}', '{}', '[]')",
    "INSERT INTO entry (customer_id, terminal, ledger, seq, digest, hash, payload, kind, occurred_at, registered_at, "
    "received_at, clock_quality) VALUES ('c', 't', '', 1, '', '', '', 'tap', 100, 100, 500, 'held'), "
    "('c', 't', '', 2, '', '', '', 'tap', 900, 900, 500, 'synchronised'), "
    "('c', 't', '', 3, '', '', '', 'tap', 100, 100, 500, 'untrusted')",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def filled_at_0001(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database as the first program left it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('old')}/cloud.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create("filled_at_0001")
    database = Database(url)
    migrate.upgrade(database, to="0001")
    with database.engine.begin() as connection:
        for statement in FILLED_AT_0001:
            connection.exec_driver_sql(statement)
    yield database
    database.close()


def test_what_an_older_program_wrote_is_kept_and_gets_its_place_and_its_defaults(filled_at_0001: Database) -> None:
    assert migrate.upgrade(filled_at_0001) == STEPS - 1
    with filled_at_0001.reading() as session:
        placed = select(Entry.seq, Entry.sorted_at, Entry.subject, Entry.also, Entry.proof).order_by(Entry.seq)
        found = [(seq, at, *none) for seq, at, *none in session.execute(placed)]
        assert found == [(1, 100, None, None, None), (2, 500, None, None, None), (3, 500, None, None, None)]
        assert session.scalars(select(Project.policies)).one() == {}
        assert session.execute(select(ProjectPerson.rights, ProjectPerson.long_access)).one() == (None, False)
        assert session.scalars(select(UnitStatus.conditions)).one() == []


def test_an_empty_database_is_not_served(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('new')}/cloud.db")
    with pytest.raises(DatabaseUnmigrated, match="run `grindvakt-cloud migrate`"):
        migrate.require(database)
    database.close()


def test_a_database_of_a_newer_program_is_neither_served_nor_changed(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnmigrated, match="at 9999"):
        migrate.require(database)
    with pytest.raises(DatabaseUnmigrated, match="newer program"):
        migrate.upgrade(database)
    assert migrate.held(database) == "9999"


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    database = Database("postgresql://somebody:secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnusable, match=r"somebody:\*\*\*@") as caught:
        migrate.held(database)
    assert "secret" not in str(caught.value)
    database.close()
