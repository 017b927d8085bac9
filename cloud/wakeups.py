"""Tells waiting tasks that something changed: PostgreSQL's NOTIFY, or an event of this process on SQLite.

A wake-up says only "look again". It may come once too often and, while the connection to PostgreSQL is down, be missed;
so everything is woken after a reconnect, and who waits also looks by itself now and then.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from cloud.database import KEEPALIVE, POSTGRESQL, Database, kind_of, note
from cloud.events import Event

CHANNEL: Final = "grindvakt"
LONGEST_PAUSE: Final = 10.0

log = structlog.get_logger(__name__)


class Topic(StrEnum):
    """What can have changed."""

    ENTRIES = "entries"
    TABLES = "tables"
    UNITS = "units"


def announce(session: Session, topic: Topic) -> None:
    """Wake who listens to this topic, once this transaction is committed and only then."""
    if kind_of(session) == POSTGRESQL:
        session.execute(select(func.pg_notify(CHANNEL, topic.value)))
    else:
        note(session, topic)


class Listener:
    """Waits for topics in one event loop; wake-ups that come in between count as one. Close it, or use `with`."""

    def __init__(self, wakeups: "Wakeups", topics: Iterable[Topic]) -> None:
        self._wakeups = wakeups
        self.topics = frozenset(topics)
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> bool:
        """Says whether something was announced since the last wait; after `seconds` without, False."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def wake(self) -> None:
        """From any thread: end the wait."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    def close(self) -> None:
        """Listen no more."""
        self._wakeups.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


class Wakeups:
    """Who listens in this process. `run` is a task for as long as the program runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: frozenset[Listener] = frozenset()
        if database.kind != POSTGRESQL:
            database.on_commit(self._wake)

    def listen(self, *topics: Topic) -> Listener:
        """A listener of the running loop."""
        listener = Listener(self, topics)
        self._listeners |= {listener}
        return listener

    def forget(self, listener: Listener) -> None:
        """Take a listener off the list."""
        self._listeners -= {listener}

    async def run(self) -> None:
        """Carry PostgreSQL's notifications to the listeners, for ever; on SQLite there is nothing to carry."""
        if self._database.kind != POSTGRESQL:
            return
        tries = AsyncRetrying(
            retry=retry_if_exception_type(psycopg.OperationalError),
            wait=wait_random_exponential(0.1, max=LONGEST_PAUSE),
            before_sleep=_say_lost,
        )
        while True:
            connection: psycopg.AsyncConnection[Any] = await tries(self._connect)
            async with connection:
                await self._carry(connection)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        url = self._database.url.set(drivername=POSTGRESQL).render_as_string(hide_password=False)
        options: dict[str, Any] = {"application_name": "grindvakt-wakeups", "connect_timeout": 10, **KEEPALIVE}
        connection = await psycopg.AsyncConnection.connect(make_conninfo(url, **options), autocommit=True)
        await connection.execute(f"LISTEN {CHANNEL}")
        return connection

    async def _carry(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Until the connection is lost; what was announced while there was none is made good at once."""
        self._wake(frozenset(Topic))
        try:
            async for notification in connection.notifies():
                self._wake(frozenset({notification.payload}))
        except psycopg.OperationalError as exc:
            log.warning(Event.WAKEUPS_LOST, why=str(exc).strip(), then="connecting again")

    def _wake(self, topics: frozenset[str]) -> None:
        for listener in self._listeners:
            if listener.topics & topics:
                listener.wake()


def _say_lost(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.warning(Event.WAKEUPS_LOST, why=str(reason).strip(), then="connecting again", attempt=state.attempt_number)
