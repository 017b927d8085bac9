"""A database is brought to the tables of this program, and never used at another version."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from cloud import migrate
from cloud.database import Database
from cloud.errors import DatabaseUnmigrated, DatabaseUnusable
from cloud.models import Model


def test_migrated_tables_are_those_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []


def test_each_step_is_told_and_a_second_time_there_is_nothing_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('new')}/cloud.db")
    told: list[str] = []
    assert migrate.held(database) is None
    assert migrate.upgrade(database, told.append) == 1
    assert told == ["0001: The tables this product begins with."]
    assert migrate.upgrade(database, told.append) == 0
    assert len(told) == 1
    migrate.require(database)
    database.close()


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
