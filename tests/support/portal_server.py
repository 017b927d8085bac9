"""The portal alone, on a real server in a thread, on a port it keeps when it is stopped and started again."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import uvicorn

from cloud import migrate
from cloud.clock import Clock
from cloud.config import Settings
from cloud.database import Database
from cloud.portal.web import build_web
from cloud.wakeups import Wakeups
from tests.house.repository import ROOT
from tests.support.moved_clock import START, MovedClock
from tests.support.portal_site import Site, furnish
from tests.support.postgres import free_port
from tests.support.waiting import until

PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Furnished:
    """A furnished file of SQLite to copy: hashing passwords takes long, so it is done once."""

    file: Path
    site: Site

    @classmethod
    def made(cls, folder: Path) -> "Furnished":
        """Furnish a new file."""
        database = Database(f"sqlite:///{folder / 'furnished.db'}")
        migrate.upgrade(database)
        site = furnish(database, START)
        database.close()
        return cls(folder / "furnished.db", site)


class PortalServer:
    """A furnished site on SQLite, and the portal that shows it. The clock stands until it is moved."""

    def __init__(self, folder: Path, furnished: Furnished) -> None:
        self.clock: Final = MovedClock()
        self.port = free_port()
        self._settings = Settings(state_dir=folder, node_modules=ROOT / "node_modules", session_minutes=30)
        shutil.copy(furnished.file, folder / "cloud.db")
        self.database = Database(f"sqlite:///{folder / 'cloud.db'}")
        self.site: Site = replace(furnished.site, database=self.database, chains={})
        self._running: _Running | None = None

    @classmethod
    @contextmanager
    def started(cls, folder: Path, furnished: Furnished) -> Iterator["PortalServer"]:
        """One that serves until the block is left."""
        server = cls(folder, furnished)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            server.database.close()

    @property
    def address(self) -> str:
        """What is typed into a browser."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and come back when a browser would be answered."""
        self._running = _Running(self._settings, self.database, self.clock, self.port)

    def stop(self) -> None:
        """Stop as the cloud does: the live pages first, then the server."""
        if self._running is not None:
            self._running.stop()
            self._running = None


class _Running:
    """One run of the server."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, port: int) -> None:
        self._web = build_web(settings, database, Wakeups(database), clock)
        config = uvicorn.Config(self._web, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="portal")
        self._thread.start()
        until(lambda: self._server.started, PATIENCE, "the portal answers")

    def stop(self) -> None:
        """End, in order."""
        self._loop.call_soon_threadsafe(self._web.state.portal.streams.close)
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._listener.close()
        assert not self._thread.is_alive(), "the portal does not stop"

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve([self._listener]))
