"""The one way to the database, SQLite or PostgreSQL: engine, sessions, transactions and what all models share."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    FromClause,
    Integer,
    MetaData,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from cloud.errors import DatabaseUnusable

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
BUSY_MS: Final = 15_000  # SQLite has one writer: the others wait this long for their turn
KEEPALIVE: Final = {"keepalives": 1, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
_READS: Final = "grindvakt_reads"
_ANNOUNCED: Final = "announced"

BigNumber = BigInteger().with_variant(Integer, SQLITE)
"""A 64-bit number that can also be a key that counts up by itself: SQLite does that for INTEGER only."""


class Moment(TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite keeps no zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: nobody can say what it means."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone was given to the database")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC, on both databases."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Model(DeclarativeBase):
    """What all tables of the cloud descend from. Constraints have names, so that a migration can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment}  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute


def new_id() -> str:
    """A row's id: 16 hexadecimal digits of chance."""
    return secrets.token_hex(8)


class Database:
    """Sessions of one database. `transaction` writes, `reading` only reads; nobody commits anywhere else."""

    def __init__(self, url: str) -> None:
        """Raises DatabaseUnusable for an address that is none. Nothing is connected yet."""
        self.url: URL = checked_url(url)
        self.kind: str = self.url.get_backend_name()
        self.engine: Engine = _engine(self.url)
        reads = self.engine.execution_options(**{_READS: True}, **_read_options(self.kind))
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        self._reading = sessionmaker(reads, expire_on_commit=False, autoflush=False)
        self._told: list[Callable[[frozenset[str]], None]] = []

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back if anything is raised."""
        with self._writing() as session:
            yield session
            session.commit()
            announced = frozenset(session.info.pop(_ANNOUNCED, ()))
        if announced:
            self._tell(announced)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state and changes nothing: on SQLite it never waits for a writer."""
        with self._reading() as session:
            yield session

    def on_commit(self, told: Callable[[frozenset[str]], None]) -> None:
        """Have `told` called, in the committing thread, with what `note` collected. For `cloud.wakeups` on SQLite."""
        self._told.append(told)

    def check(self) -> None:
        """Raises DatabaseUnusable where the database does not answer."""
        try:
            with self.engine.connect():
                pass
        except (DatabaseError, InterfaceError) as exc:
            raise DatabaseUnusable(self.shown, str(exc.orig)) from exc

    @property
    def shown(self) -> str:
        """The address for people and logs, without a password."""
        return self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _tell(self, announced: frozenset[str]) -> None:
        for told in self._told:
            told(announced)


def note(session: Session, topic: str) -> None:
    """Remember what to tell after the commit."""
    session.info.setdefault(_ANNOUNCED, set()).add(topic)


def kind_of(session: Session) -> str:
    """`sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def insert_into(session: Session, model: type[Model] | FromClause) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, which both databases write alike."""
    if kind_of(session) == POSTGRESQL:
        return postgresql.insert(model)  # type: ignore[arg-type]
    return sqlite.insert(model)  # type: ignore[arg-type]


def checked_url(url: str) -> URL:
    """Read a database's address. Raises DatabaseUnusable for one that is none, or of another product."""
    try:
        read = make_url(url)
        backend = read.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise DatabaseUnusable(url.partition("://")[0], "it is not an address of a database") from exc
    if backend == POSTGRESQL:
        return read.set(drivername="postgresql+psycopg")
    if backend != SQLITE or not read.database or read.database == ":memory:":
        shown = read.render_as_string(hide_password=True)
        raise DatabaseUnusable(shown, "only a file of SQLite and PostgreSQL are supported")
    return read


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == POSTGRESQL:
        arguments = {"connect_timeout": 10, "application_name": "grindvakt-cloud", **KEEPALIVE}
        return create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True, connect_args=arguments)
    engine = create_engine(url, pool_size=10, max_overflow=30, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _read_options(kind: str) -> dict[str, Any]:
    return {"postgresql_readonly": True} if kind == POSTGRESQL else {}


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own comes too late to hold off other writers
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
