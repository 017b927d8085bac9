"""Gathers the parts of large snapshots out of the sight of lookups, until all are there and their checksum holds."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from protocol.errors import MessageMalformed, MessageTooLarge, ProtocolError
from protocol.messages import TableChange
from protocol.tables import Table

LARGEST_SNAPSHOT: Final = 64 * 1024 * 1024

_CREATE: Final = "CREATE TEMP TABLE shadow (name TEXT, number INTEGER, rows BLOB, PRIMARY KEY (name, number))"
_COUNTED: Final = "SELECT count(*), sum(length(rows)) FROM shadow WHERE name = ?"
_PARTS: Final = "SELECT rows FROM shadow WHERE name = ? ORDER BY number"


class Shadow:
    """Parts that came so far. They lie in a temporary table: after a restart the cloud is asked again anyway."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._execute(_CREATE)
        self._coming: dict[Table, TableChange] = {}

    def will_bring(self, table: Table, epoch: bytes, version: int) -> bool:
        """Whether a snapshot that reaches this version is coming in."""
        coming = self._coming.get(table)
        return coming is not None and coming.epoch == epoch and coming.to_version >= version

    def take(self, table: Table, change: TableChange) -> Iterable[bytes] | None:
        """Add a part; gives the packed rows of all of them when it was the last to come.

        Raises MessageMalformed, MessageTooLarge.
        """
        if change.chunk >= change.chunks or (change.chunks > 1 and change.from_version):
            raise MessageMalformed(f"a change of table {table}", "only a snapshot has parts, and they count from 0")
        if change.chunks == 1:
            _check(table, change, [change.rows])
            return [change.rows]
        coming = self._coming.get(table)
        if coming is None or _whole(coming) != _whole(change):
            if coming is not None and coming.epoch == change.epoch and coming.to_version > change.to_version:
                return None
            self.forget(table)
            self._coming[table] = change
        self._execute("INSERT OR REPLACE INTO shadow VALUES (?, ?, ?)", (table, change.chunk, change.rows))
        return self._all_parts(table, change)

    def forget(self, table: Table) -> None:
        """Let go of what came for a table."""
        self._coming.pop(table, None)
        self._execute("DELETE FROM shadow WHERE name = ?", (table,))

    def _all_parts(self, table: Table, change: TableChange) -> Iterable[bytes] | None:
        parts, size = self._execute(_COUNTED, (table,)).fetchone()
        try:
            if size > LARGEST_SNAPSHOT:
                raise MessageTooLarge(f"a snapshot of table {table}", LARGEST_SNAPSHOT)
            if parts < change.chunks:
                return None
            _check(table, change, self._parts(table))
            return self._parts(table)
        except ProtocolError:
            self.forget(table)
            raise

    def _parts(self, table: Table) -> Iterator[bytes]:
        for (packed,) in self._execute(_PARTS, (table,)):
            yield packed


def _whole(change: TableChange) -> tuple[str, bytes, int, int, bytes]:
    """What the parts of one snapshot have in common."""
    return change.scope, change.epoch, change.to_version, change.chunks, change.checksum


def _check(table: Table, change: TableChange, parts: Iterable[bytes]) -> None:
    checksum = hashlib.sha256()
    for packed in parts:
        checksum.update(packed)
    if checksum.digest() != change.checksum:
        raise MessageMalformed(f"a change of table {table}", "its checksum is not that of its rows")
