"""What the cloud's tests get: the same migrated database on SQLite and on a real PostgreSQL, and a clock to move."""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from cloud import migrate
from cloud.accounts import sessions
from cloud.accounts.models import Account
from cloud.config import Settings
from cloud.database import Database
from cloud.portal.web import build_web
from cloud.wakeups import Wakeups
from tests.house.repository import ROOT
from tests.support.moved_clock import START, MovedClock
from tests.support.portal_site import Site, furnish
from tests.support.postgres import PostgresServer
from tests.support.visitor import Visitor

TEMPLATE = "migrated"
FURNISHED = "furnished"
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


# --- the portal -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def furnished_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Site]:
    """A furnished file to copy: passwords take long to hash, so it is done once."""
    path = tmp_path_factory.mktemp("furnished") / "cloud.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    site = furnish(database, START)
    database.close()
    return path, site


@pytest.fixture(scope="session")
def furnished_postgres(postgres: PostgresServer) -> Site:
    """A furnished database to copy."""
    database = Database(postgres.create(FURNISHED, TEMPLATE))
    site = furnish(database, START)
    database.close()
    return site


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A furnished database of this test's own, on both kinds."""
    if request.param == "sqlite":
        path, furnished = request.getfixturevalue("furnished_sqlite")
        shutil.copy(path, tmp_path / "cloud.db")
        database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
        yield replace(furnished, database=database, chains={})
        database.close()
        return
    furnished = request.getfixturevalue("furnished_postgres")
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"site_{next(_numbers)}"
    database = Database(server.create(name, FURNISHED))
    yield replace(furnished, database=database, chains={})
    database.close()
    server.drop(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a portal that is reached by http."""
    return Settings(state_dir=tmp_path, node_modules=ROOT / "node_modules")


@pytest.fixture
def wakeups(site: Site) -> Wakeups:
    """The wake-ups of the furnished site."""
    return Wakeups(site.database)


@pytest.fixture
def web(site: Site, clock: MovedClock, settings: Settings, wakeups: Wakeups) -> FastAPI:
    """The portal of the furnished site."""
    return build_web(settings, site.database, wakeups, clock)


@pytest.fixture
def visitor(web: FastAPI) -> Visitor:
    """Somebody who has not logged in."""
    return Visitor(TestClient(web))


@pytest.fixture
def karin(web: FastAPI, site: Site, clock: MovedClock) -> Visitor:
    """An account of the customer, logged in without the time a password takes."""
    with site.database.transaction() as rows:
        account = rows.scalars(select(Account.id).where(Account.login == "karin")).one()
        token = sessions.begin(rows, account, clock.now(), 30)
    return Visitor(TestClient(web, cookies={"grindvakt-session": token}))
