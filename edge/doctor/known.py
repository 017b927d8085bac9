"""Reads from the tables' file what the terminal was told, where no daemon runs to be asked."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.storage import READING_FAILED
from protocol.decision import Binding
from protocol.errors import ProtocolError
from protocol.tables import decode_binding

SHOWN = ("project_name", "place", "mode", "ended", "doors", "card_authentication")


@dataclass(frozen=True, slots=True)
class Known:
    """The binding in the form of the daemon's status, the versions held, and the tables that have not come yet.

    `why` says what kept us from reading; then the rest is empty.
    """

    binding: Mapping[str, Any] | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    why: str = ""


def read_known(folder: Path) -> Known:
    """Read the file without leaving anything beside it."""
    path = folder / "tables.db"
    if not os.access(path, os.F_OK):
        denied = os.access(folder, os.F_OK) and not os.access(folder, os.X_OK)
        return Known(why=os.strerror(13)) if denied else Known()
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection:
            held = dict(connection.execute("SELECT name, version FROM held").fetchall())
            row = connection.execute("SELECT value FROM binding WHERE key = x''").fetchone()
        binding = decode_binding(row[0]) if row else None
    except (*READING_FAILED, ProtocolError, TypeError, ValueError) as fault:
        return Known(why=str(fault) or type(fault).__name__)
    return Known(_shown(binding), held, tuple(_lacking(binding, held)))


def _shown(binding: Binding | None) -> dict[str, Any] | None:
    return None if binding is None else {name: getattr(binding, name) for name in SHOWN}


def _lacking(binding: Binding | None, held: Mapping[str, int]) -> list[str]:
    return [] if binding is None else [named.name for named in binding.tables if named.name not in held]
