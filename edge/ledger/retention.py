"""Lets payloads go that the cloud has and whose time is over, when disk or capacity demands it; never another one."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from edge.events import Event
from edge.storage import fault_of, transaction
from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.entries import decode_payload
from protocol.errors import ProtocolError

CAPACITY: Final = 5_000_000  # entries whose payload is kept
LEAST_FREE: Final = 256 * 1024 * 1024  # bytes of the disk
BATCH: Final = 200
LOOKED_AHEAD: Final = 20_000  # entries among which one with a trusted clock proves the age of those before it
DAY: Final = 86_400 * MICROSECONDS

_OLDEST: Final = "SELECT seq, bytes FROM payload WHERE seq <= ? ORDER BY seq LIMIT ?"
_ENDS: Final = "SELECT (SELECT min(seq) FROM payload), (SELECT max(seq) FROM payload)"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a ledger's room is in use: entries with their payload, of how many, and bytes free on its disk."""

    entries: int
    capacity: int
    free: int

    @property
    def percent(self) -> float:
        """Of the capacity, in use."""
        return round(100 * self.entries / self.capacity, 1)

    @property
    def is_short(self) -> bool:
        """Whether something must go, if anything may."""
        return self.entries > self.capacity or self.free < LEAST_FREE


class Retention:
    """Works over a connection of its own, in small transactions; for a thread beside the taps."""

    def __init__(self, path: Path, retain_days: int, capacity: int = CAPACITY, least_free: int = LEAST_FREE) -> None:
        self._path = path
        self._retain = retain_days * DAY
        self._capacity = capacity
        self._least_free = least_free

    def purge_some(self, now: ClockReading) -> int:
        """Let the oldest payloads go that may and must go, at most BATCH of them; how many went. Raises LedgerFault.

        An untrusted clock judges nothing, neither the one of now nor that of an entry: what lies before an entry
        whose clock was trusted is older than that, whatever its own clock said.
        """
        if now.quality is ClockQuality.UNTRUSTED:
            return 0
        try:
            with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as connection:
                excess = self._excess(connection)
                upto = self._purgeable(connection, now.utc - self._retain, excess) if excess > 0 else 0
                if not upto:
                    return 0
                connection.execute("PRAGMA synchronous = FULL")
                with transaction(connection):
                    gone = connection.execute("DELETE FROM payload WHERE seq <= ?", (upto,)).rowcount
        except sqlite3.Error as exc:
            raise fault_of(self._path, exc) from exc
        _log.info(Event.LEDGER_PURGED, entries=gone, upto=upto)
        return gone

    def _excess(self, connection: sqlite3.Connection) -> int:
        """How many payloads must go."""
        kept = kept_payloads(connection)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
        if shutil.disk_usage(self._path.parent).free < self._least_free and unused <= pages // 50:
            return BATCH  # the file grows no further while it has pages to use again
        return min(kept - self._capacity, BATCH)

    def _purgeable(self, connection: sqlite3.Connection, before: int, most: int) -> int:
        """The last of the oldest `most` payloads that may go; 0 where none may."""
        row = connection.execute("SELECT upto FROM receipt").fetchone()
        oldest = connection.execute("SELECT min(seq) FROM payload").fetchone()[0]
        last = 0 if oldest is None or row is None else min(row[0], oldest + most - 1)
        proven = 0
        for seq, raw in connection.execute(_OLDEST, (row[0] if row else 0, LOOKED_AHEAD)):
            registered_at = _trusted_time(raw)
            if registered_at is not None and registered_at >= before:
                break
            if registered_at is not None:
                proven = seq
            if proven >= last:
                break
        return min(proven, last)


def _trusted_time(raw: bytes) -> int | None:
    """When an entry was registered, if its clock could be trusted and this program can read it."""
    try:
        payload = decode_payload(raw)
    except ProtocolError:
        return None
    return None if payload.clock_quality is ClockQuality.UNTRUSTED else payload.registered_at


def room(path: Path, capacity: int = CAPACITY) -> Room:
    """How full a ledger is. Raises LedgerFault."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            return Room(kept_payloads(connection), capacity, shutil.disk_usage(path.parent).free)
    except sqlite3.Error as exc:
        raise fault_of(path, exc) from exc


def kept_payloads(connection: sqlite3.Connection) -> int:
    """How many payloads are kept: the oldest go first, so that both ends tell."""
    oldest, newest = connection.execute(_ENDS).fetchone()
    return 0 if oldest is None else newest - oldest + 1
