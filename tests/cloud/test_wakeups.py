"""Who waits is woken by a commit, by that only, also after the connection to the server was lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from cloud.database import Database
from cloud.wakeups import Topic, Wakeups, announce

SOON = 10.0  # seconds that a test waits for what must come
NOT = 0.3  # seconds that it waits for what must not


@contextlib.asynccontextmanager
async def running(database: Database) -> AsyncIterator[Wakeups]:
    """Wake-ups being carried; begins once they are."""
    wakeups = Wakeups(database)
    task = asyncio.create_task(wakeups.run())
    if database.kind == "postgresql":
        with wakeups.listen(Topic.UNITS) as listener:
            assert await listener.wait(SOON), "everything is woken when the connection stands"
    try:
        yield wakeups
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def tell(database: Database, *topics: Topic) -> None:
    with database.transaction() as session:
        for topic in topics:
            announce(session, topic)


def test_a_commit_wakes_who_listens_to_its_topic_and_nobody_else(database: Database) -> None:
    async def story() -> None:
        async with running(database) as wakeups:
            with wakeups.listen(Topic.ENTRIES, Topic.UNITS) as both, wakeups.listen(Topic.TABLES) as tables:
                await asyncio.to_thread(tell, database, Topic.ENTRIES)
                assert await both.wait(SOON)
                assert not await tables.wait(NOT)
                await asyncio.to_thread(tell, database, Topic.TABLES, Topic.UNITS)
                assert await both.wait(SOON)
                assert await tables.wait(SOON)

    asyncio.run(story())


def test_what_is_rolled_back_wakes_nobody(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            announce(session, Topic.TABLES)
            raise LookupError

    async def story() -> None:
        async with running(database) as wakeups:
            with wakeups.listen(Topic.TABLES) as listener:
                with pytest.raises(LookupError):
                    await asyncio.to_thread(fail)
                assert not await listener.wait(NOT)

    asyncio.run(story())


def test_many_announcements_are_one_wake_up(database: Database) -> None:
    async def story() -> None:
        async with running(database) as wakeups:
            with wakeups.listen(Topic.TABLES) as listener, wakeups.listen(Topic.UNITS) as last:
                for _ in range(5):
                    await asyncio.to_thread(tell, database, Topic.TABLES)
                await asyncio.to_thread(tell, database, Topic.UNITS)
                assert await last.wait(SOON)
                assert await listener.wait(SOON)
                assert not await listener.wait(NOT)

    asyncio.run(story())


def test_a_closed_listener_is_forgotten(database: Database) -> None:
    async def story() -> None:
        async with running(database) as wakeups:
            listener = wakeups.listen(Topic.TABLES)
            listener.close()
            await asyncio.to_thread(tell, database, Topic.TABLES)
            assert not await listener.wait(NOT)

    asyncio.run(story())


def test_a_lost_connection_is_made_again_and_everybody_looks(database: Database) -> None:
    """What was announced meanwhile was missed, so all are woken."""

    def cut() -> None:
        with database.transaction() as session:
            if database.kind == "postgresql":
                session.execute(text(CUT))

    async def story() -> None:
        async with running(database) as wakeups:
            with wakeups.listen(Topic.TABLES) as listener:
                await asyncio.to_thread(cut)
                if database.kind == "postgresql":
                    assert await listener.wait(SOON)
                await asyncio.to_thread(tell, database, Topic.TABLES)
                assert await listener.wait(SOON)

    asyncio.run(story())


CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'grindvakt-wakeups' AND datname = current_database()"
)
