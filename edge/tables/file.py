"""The rebuildable file under the tables: a connection that writes, one that looks, a new file for a damaged one."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger

from edge.errors import FileTooNew, TablesUnusable
from edge.events import Event
from edge.storage import open_file, primary_code, set_aside
from edge.tables.schema import MIGRATIONS
from protocol.errors import UNREADABLE

WILD_VALUES: Final = (*UNREADABLE, ValueError, TypeError, MemoryError)
"""What a damaged file raises where its values are taken in; a ProtocolError is a ValueError."""

WRITING_CACHE_KIB: Final = 32 * 1024  # a snapshot of a million rows is written once, not page by page over and over

_log: FilteringBoundLogger = structlog.get_logger()


class TablesFile:
    """Open for as long as its object lives. `loaded` is called with every file that is opened, the first included.

    Whoever uses `writer` holds `lock`; `look` is for one other thread. Raises TablesUnusable.
    """

    def __init__(self, path: Path, loaded: Callable[["TablesFile"], None]) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._loaded = loaded
        try:
            self._connect()
        except (FileTooNew, sqlite3.DatabaseError, *WILD_VALUES) as exc:
            self._begin_anew(self._damage(exc))

    def look(self, statement: str, *values: bytes | int) -> Any:
        """The first row that is found, or None; a file that is damaged is begun anew. Raises TablesUnusable."""
        try:
            return self._reader.execute(statement, values).fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError) as exc:
            self.discard(self._damage(exc))
        return None

    def _damage(self, exc: Exception) -> str:
        """What is damaged; SQLITE_ERROR says that a table is not there. Raises TablesUnusable for any other trouble."""
        if isinstance(exc, sqlite3.OperationalError) and primary_code(exc) != sqlite3.SQLITE_ERROR:
            raise TablesUnusable(self.path, str(exc)) from exc
        return str(exc) or type(exc).__name__

    def look_at_all(self, statement: str, *values: bytes | int) -> Iterator[Any]:
        """Every row that a statement finds. Raises TablesUnusable."""
        try:
            yield from self._reader.execute(statement, values)
        except sqlite3.Error as exc:
            raise TablesUnusable(self.path, str(exc)) from exc

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written within counts as a whole or not at all."""
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.writer.execute("COMMIT")
        except BaseException:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Faults of SQLite within become TablesUnusable."""
        try:
            yield
        except sqlite3.Error as exc:
            raise TablesUnusable(self.path, str(exc)) from exc

    def settle(self) -> None:
        """After much was written: put it where lookups find it in place, and give the memory back."""
        with self.translated():
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.writer.execute("PRAGMA shrink_memory")

    def check(self) -> str | None:
        """What is wrong with the file, if anything: a second's work, for a thread beside the one that looks."""
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as exc:
            raise TablesUnusable(self.path, str(exc)) from exc
        except sqlite3.DatabaseError as exc:
            return str(exc)
        return None if verdict == "ok" else str(verdict)

    def discard(self, why: str) -> None:
        """Begin the file anew; for the thread that looks. Raises TablesUnusable."""
        with self.lock:
            self.close()
            self._begin_anew(why)

    def close(self) -> None:
        """Let the file go."""
        with self.lock:
            self._reader.close()
            self.writer.close()

    def _connect(self) -> None:
        with ExitStack() as undo:
            self.writer = open_file(self.path, MIGRATIONS, "NORMAL", threads=True)
            undo.callback(self.writer.close)
            self._reader = open_file(self.path, MIGRATIONS, "NORMAL", threads=True)
            undo.callback(self._reader.close)
            self.writer.execute(f"PRAGMA cache_size = -{WRITING_CACHE_KIB}")
            self._loaded(self)
            undo.pop_all()

    def _begin_anew(self, why: str) -> None:
        """Put a damaged file aside: unbound from now on, until the cloud has sent everything again."""
        aside = set_aside(self.path)
        _log.error(
            Event.TABLES_DISCARDED, why=why, kept_as=str(aside), then="unbound until the cloud has sent them again"
        )
        try:
            self._connect()
        except sqlite3.Error as exc:
            raise TablesUnusable(self.path, str(exc)) from exc
