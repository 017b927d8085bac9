"""Opens the terminal's SQLite files: begins a new one, brings an older one up to date, refuses a newer one."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge.errors import FileTooNew

if TYPE_CHECKING:
    from sqlite_utils import Database

Migration = Callable[["Database"], None]
"""Brings a file from one `user_version` to the next. It may meet its own work half done, after a power cut."""


def open_file(
    path: Path, migrations: Sequence[Migration], synchronous: Literal["FULL", "NORMAL"], *, threads: bool = False
) -> sqlite3.Connection:
    """Open for writing, in WAL mode, without transactions of Python's making.

    `threads`: the caller sees to it that only one thread uses the connection at a time.
    Raises FileTooNew, sqlite3.Error.
    """
    is_new = not path.exists()
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=not threads)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA recursive_triggers = ON")
        _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    if is_new:
        path.chmod(0o600)
        _sync_folder(path.parent)
    return connection


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


def _sync_folder(folder: Path) -> None:
    """Make the new file's name durable, which its own fsync does not (fsync(2))."""
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
