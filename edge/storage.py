"""Opens the terminal's SQLite files: begins a new one, brings an older one up to date, refuses a newer one."""

import fcntl
import os
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from edge.errors import FileTooNew, LedgerDamaged, LedgerFault, LedgerUnusable

if TYPE_CHECKING:
    from sqlite_utils import Database

DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# at start also: a table is gone, a type is wrong, or Python's own module found text that is none
DAMAGE_AT_START: Final = {*DAMAGE, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT, None}
READING_FAILED: Final = (sqlite3.Error, UnicodeDecodeError, MemoryError)
"""What a damaged file raises: the words of an error come from the file and may be no text, and sizes may be any."""

SHARED_LOCK: Final = (0x40000002, 510)  # first byte and length (Database File Format: what locks a file is no content)
PRIMARY: Final = 0xFF  # the part of a result code that is not its detail

Migration = Callable[["Database"], None]
"""Brings a file from one `user_version` to the next. It may meet its own work half done, after a power cut."""


def open_file(
    path: Path,
    migrations: Sequence[Migration],
    synchronous: Literal["FULL", "NORMAL"],
    *,
    threads: bool = False,
    page_size: int = 4096,
) -> sqlite3.Connection:
    """Open for writing, in WAL mode, without transactions of Python's making.

    `page_size` is that of a new file; one that is there keeps its own. `threads`: the caller sees to it that only one
    thread uses the connection at a time.
    Raises FileTooNew, sqlite3.Error, OSError.
    """
    if not path.exists():
        _make(path, migrations, page_size)
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=not threads)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA recursive_triggers = ON")
        _migrate(connection, path, migrations)
    except BaseException:
        with log_left_alone(path):
            connection.close()
        raise
    return connection


def to_look_at(path: Path) -> str:
    """The URI by which a file is opened for looking only: as it lies where nothing can be written beside it.

    On a disk that is read-only now, SQLite could not make what it needs to share a file with a writer.
    """
    log = path.with_name(f"{path.name}-wal")
    is_fixed = not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{path.absolute().as_uri()}?{'immutable=1' if is_fixed else 'mode=ro'}"


def _make(path: Path, migrations: Sequence[Migration], page_size: int) -> None:
    """Make a new file under another name first: after a power cut it is there whole, or not at all."""
    new = path.with_name(f"{path.name}.new")
    for companion in ("", "-journal", "-wal", "-shm"):
        new.with_name(new.name + companion).unlink(missing_ok=True)
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, new, migrations)
    new.chmod(0o600)
    new.rename(path)
    sync_folder(path.parent)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise FileTooNew(path, version, len(migrations))
    if version == len(migrations):
        return
    from sqlite_utils import Database  # 49 ms and 15 MiB that a start without a migration does without

    for number, migration in enumerate(migrations[version:], version + 1):
        migration(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything in here is written or nothing is. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, which a file's own fsync does not (fsync(2)). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used; an earlier one put aside under that name goes."""
    aside = path.with_name(f"{path.name}.damaged")
    if path.exists():
        path.replace(aside)
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    return aside


@contextmanager
def log_left_alone(path: Path) -> Iterator[None]:
    """In here no connection that closes moves the write-ahead log into the file and deletes it.

    A lock of the open file description stands in the way of SQLite's own, also within one process (fcntl(2)).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # without a file there is nothing to move anything into
        yield
        return
    try:
        with suppress(OSError):
            request = struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, *SHARED_LOCK, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
        yield
    finally:
        os.close(descriptor)


def fault_of(
    path: Path, exc: sqlite3.Error | UnicodeDecodeError | MemoryError, *, at_start: bool = False
) -> LedgerFault:
    """What an error of SQLite means for a ledger: its file is damaged, or cannot be used at the moment."""
    if isinstance(exc, MemoryError):
        why = "SQLite asks for more memory than there is"
        return LedgerDamaged(path, why) if at_start else LedgerUnusable(path, why)
    if isinstance(exc, UnicodeDecodeError):
        return LedgerDamaged(path, "not even the error that SQLite found is text")
    damaged = primary_code(exc) in DAMAGE
    if at_start:
        damaged = primary_code(exc) in DAMAGE_AT_START or exc.sqlite_errorcode == sqlite3.SQLITE_IOERR_READ
    return LedgerDamaged(path, str(exc)) if damaged else LedgerUnusable(path, str(exc))


def primary_code(exc: sqlite3.Error) -> int | None:
    """SQLite's result code without its detail; None for what Python's own module found wrong."""
    code: int | None = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & PRIMARY
