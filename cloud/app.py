"""Builds everything one process of the cloud runs, and runs it: portal, sync and, where none is named, a broker."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from cloud import migrate
from cloud.clock import Clock
from cloud.config import Settings
from cloud.database import SQLITE, Database
from cloud.errors import AddressTaken
from cloud.events import Event
from cloud.joining.authority import Authority, signing_key
from cloud.people.names import tell_everybody
from cloud.portal.web import build_web
from cloud.sync.broker import EmbeddedBroker, Listener
from cloud.sync.client import Address
from cloud.sync.worker import Worker
from cloud.units.service import renew_every_binding
from cloud.wakeups import Wakeups
from protocol.signatures import Signer

PAGES_END_WITHIN: Final = 5  # seconds that a request under way is given at the end

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn without its own ideas about signals: the whole program ends in order, not the web alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


async def serve(settings: Settings, clock: Clock) -> None:
    """Run until SIGTERM or SIGINT. Raises CloudError, perhaps in a group, for what keeps it from starting."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = open_database(settings)
    try:
        await _run(settings, clock, database, stop)
    finally:
        database.close()


async def _run(settings: Settings, clock: Clock, database: Database, stop: asyncio.Event) -> None:
    """Start everything, wait for the end, stop everything in reverse."""
    wakeups = Wakeups(database)
    app = build_web(settings, database, wakeups, clock)
    signer = Signer(load_signing_key(settings))
    broker, address = _broker(settings, clock)
    worker = Worker(database, wakeups, signer, address, clock)
    server = Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=PAGES_END_WITHIN
        )
    )
    with listening(settings.listen.host, settings.listen.port) as listener:
        try:
            async with asyncio.TaskGroup() as tasks:
                if broker is not None:
                    await broker.start()
                    supervised = tasks.create_task(broker.run())
                carried = tasks.create_task(wakeups.run())
                synced = tasks.create_task(worker.run())
                served = tasks.create_task(server.serve([listener]))
                log.info(Event.CLOUD_STARTED, portal=settings.base_url, database=database.shown, broker=str(address))
                await stop.wait()
                await _end_pages(server, app, served)
                synced.cancel()
                carried.cancel()
                if broker is not None:
                    supervised.cancel()
        finally:
            if broker is not None:
                await broker.stop()
    log.info(Event.CLOUD_STOPPED)


def open_database(settings: Settings) -> Database:
    """The database at this program's version: a file of SQLite is brought there, a server's must have been.

    Raises DatabaseUnusable, DatabaseUnmigrated.
    """
    database = Database(settings.database_url)
    try:
        if database.kind == SQLITE:
            Path(database.url.database or "").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            bring_up_to_date(database)
        else:
            migrate.require(database)
    except BaseException:
        database.close()
        raise
    return database


def bring_up_to_date(database: Database, told: Callable[[str], None] = lambda _step: None) -> int:
    """Run the missing steps, and tell the terminals what this program says that the last one did not.

    Returns how many steps there were. Raises DatabaseUnusable, DatabaseUnmigrated.
    """
    steps = migrate.upgrade(database, told)
    if steps:
        with database.transaction() as session:
            tell_everybody(session)
            renew_every_binding(session)
    return steps


def load_signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key that terminals know this cloud by; made at the first start. Raises KeyUnusable."""
    return signing_key(settings.signing_key or settings.state_dir / "signing.key")


def open_authority(settings: Settings, clock: Clock) -> Authority:
    """The installation's certificate authority; made at the first start. Raises KeyUnusable."""
    return Authority.open(settings.state_dir / "authority", clock.now())


def _broker(settings: Settings, clock: Clock) -> tuple[EmbeddedBroker | None, Address]:
    """The broker to run, if any, and where the one to use is."""
    if settings.broker is not None:
        own = settings.broker
        return None, Address(own.host, own.port, own.ca, own.certificate, own.key)
    authority = open_authority(settings, clock)
    wildcard = settings.broker_host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    reached_by = "127.0.0.1" if wildcard else settings.broker_host
    names = tuple(dict.fromkeys((*settings.broker_names, reached_by)))
    listener = Listener(
        settings.broker_host, settings.broker_port, authority.ca, authority.server("broker", names, clock.now())
    )
    ours = authority.cloud(clock.now())
    address = Address(reached_by, settings.broker_port, authority.ca, ours.certificate, ours.key)
    return EmbeddedBroker(settings.state_dir / "broker", listener), address


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, before anything else is started. Raises AddressTaken."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(found[4][:2], family=found[0], backlog=512)
    except OSError as exc:
        raise AddressTaken(host, port, exc.strerror or str(exc)) from exc
    with listener:
        yield listener


async def _end_pages(server: Server, app: FastAPI, served: asyncio.Task[None]) -> None:
    """Live pages would hold the server up for ever: they end first."""
    app.state.portal.streams.close()
    server.should_exit = True
    await served
