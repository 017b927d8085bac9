"""What the cloud's tests get: the same migrated database on SQLite and on a real PostgreSQL, and a clock to move."""

import shutil
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cloud import migrate
from cloud.database import Database
from tests.support.moved_clock import MovedClock
from tests.support.postgres import PostgresServer

TEMPLATE = "migrated"
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server with a migrated database to copy; rows need not outlive the machine, so it does without fsync."""
    with PostgresServer.temporary(fsync=False) as server:
        database = Database(server.create(TEMPLATE))
        migrate.upgrade(database)
        database.close()
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "cloud.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database of this test's own; every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "cloud.db")
        database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
        yield database
        database.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    database = Database(server.create(name, TEMPLATE))
    yield database
    database.close()
    server.drop(name)


@pytest.fixture
def clock() -> MovedClock:
    """A clock that stands at 2025-11-05 07:00 UTC until it is moved."""
    return MovedClock()
