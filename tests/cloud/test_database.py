"""One way to the database: what is committed stays, what is raised leaves nothing, times keep their zone."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, StatementError

from cloud.customers.models import Customer
from cloud.database import Database, new_id
from cloud.errors import DatabaseUnusable
from cloud.sync.tables import put
from protocol.tables import Table
from tests.cloud.conftest import TEMPLATE
from tests.support.moved_clock import START
from tests.support.postgres import PostgresServer


def add(database: Database, name: str) -> None:
    with database.transaction() as session:
        session.add(Customer(name=name, created_at=START))


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Customer.name).order_by(Customer.name)))


def test_a_transaction_is_there_whole_or_not_at_all(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            session.add(Customer(name="Gone AB", created_at=START))
            session.flush()
            raise LookupError

    add(database, "Bygg AB")
    with pytest.raises(LookupError):
        fail()
    assert names(database) == ["Bygg AB"]


def test_times_come_back_in_utc_with_their_zone(database: Database) -> None:
    summer = datetime(2025, 7, 1, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with database.transaction() as session:
        session.add(Customer(name="Bygg AB", created_at=summer))
    with database.reading() as session:
        stored = session.scalars(select(Customer.created_at)).one()
    assert stored == summer
    assert stored.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a zone"), database.transaction() as session:
        session.add(Customer(name="Bygg AB", created_at=datetime(2025, 7, 1)))  # noqa: DTZ001


def test_two_writers_at_once_wait_for_each_other(database: Database) -> None:
    """Pitfall 8: "database is locked"."""
    start = threading.Barrier(4)

    def write(number: int) -> None:
        start.wait()
        for turn in range(10):
            with database.transaction() as session:
                session.scalars(select(Customer)).all()
                put(session, Table.ROSTER, "project", {b"%d-%d" % (number, turn): b"x"})
                session.add(Customer(name=f"{number}-{turn}", created_at=START))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 40


def test_reading_does_not_wait_for_a_writer(database: Database) -> None:
    add(database, "Bygg AB")
    with database.transaction() as session:
        session.add(Customer(name="Coming AB", created_at=START))
        session.flush()
        assert names(database) == ["Bygg AB"]


def test_a_file_is_durable_at_commit_and_keeps_its_references(database: Database) -> None:
    """Pitfall 1: what is receipted must survive a power cut."""
    with database.engine.connect() as connection:
        if database.kind == "sqlite":
            pragmas = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in PRAGMAS}
            assert pragmas == PRAGMAS
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15_000}


def test_reading_is_held_to_reading_by_the_server(postgres: PostgresServer) -> None:
    """On SQLite nothing holds it; but every test runs on both."""
    database = Database(postgres.create("held_to_reading", TEMPLATE))
    with database.reading() as session:
        session.add(Customer(name="Bygg AB", created_at=START))
        with pytest.raises(DBAPIError, match="read-only"):
            session.flush()
    database.close()
    postgres.drop("held_to_reading")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x@y/z", "sqlite://", "sqlite:///:memory:", "http://x"])
def test_an_address_of_another_product_is_refused_at_once(url: str) -> None:
    with pytest.raises(DatabaseUnusable):
        Database(url)


def test_the_shown_address_has_no_password() -> None:
    assert Database("postgresql://me:secret@db.example/grind").shown == "postgresql+psycopg://me:***@db.example/grind"


def test_ids_are_sixteen_hexadecimal_digits() -> None:
    assert len({new_id() for _ in range(100)}) == 100
    assert len(new_id()) == 16
    int(new_id(), 16)
