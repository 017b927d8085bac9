"""Reads a ledger from outside, while the daemon writes it or long after: its end, its entries, its whole chain."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

from sqlite_utils import Database

from edge.errors import LedgerUnusable
from edge.storage import READING_FAILED
from protocol.clock import ClockQuality
from protocol.entries import Payload, check_link, decode_payload, digest, genesis
from protocol.errors import ChainBroken, ProtocolError, TerminalId

PAGE: Final = 1000
"""Entries of one reading: a reader that holds on for longer would keep the write-ahead log from beginning anew."""

_IDENTITY: Final = """
    SELECT id, terminal, coalesce(receipt.upto, 0), receipt.hash FROM ledger LEFT JOIN receipt ON receipt.only = 1"""
_ORIGIN: Final = "SELECT coalesce(ledger, x''), terminal, receipted, receipted_hash FROM origin"
LARGEST_SEQ: Final = 2**63 - 1
_T = TypeVar("_T")
_Row = tuple[int, bytes, bytes, bytes | None]

_ENTRIES: Final = """
    SELECT entry.seq, coalesce(cast(entry.digest AS BLOB), x''), coalesce(cast(entry.hash AS BLOB), x''),
    cast(payload.bytes AS BLOB) FROM entry LEFT JOIN payload USING (seq)
    WHERE entry.seq BETWEEN ? AND ? ORDER BY entry.seq LIMIT ?"""
_NEWEST_BELOW: Final = """
    SELECT seq, coalesce(cast(bytes AS BLOB), x'') FROM payload WHERE seq < ? ORDER BY seq DESC LIMIT ?"""
MOST_GAPS: Final = 100
_NAME_IT: Final = "name the ledger.db of a terminal, or a copy of one"

Progress = Callable[[int, int], None]
"""Is told (done, all)."""


class Stored(NamedTuple):
    """An entry as it stands in the file; `payload` is None where it was purged."""

    seq: int
    digest: bytes
    hash: bytes
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that holds: how many entries, how many of their payloads are purged, and the hash it ends in.

    `receipted`: up to where the cloud has said that it has them, with the hash it named there. `lost`: how many are
    missing where that is allowed, in what was read of a damaged ledger; `gaps` has the first of them, both ends in it.
    """

    entries: int
    purged: int
    last_hash: bytes
    first: int = 1
    receipted: int = 0
    receipted_hash: bytes | None = None
    lost: int = 0
    gaps: tuple[tuple[int, int], ...] = ()


class LedgerInspection:
    """A ledger's file, or what was read of a damaged one, opened for reading only.

    `at_rest`: nobody writes it, so that looking need leave nothing beside it either. Raises LedgerUnusable where
    reading is not possible.
    """

    def __init__(self, path: Path, *, at_rest: bool = False) -> None:
        self.path = path
        self._connection = _opened(path, at_rest=at_rest)
        try:
            with self._translated():
                self._database = Database(self._connection, recursive_triggers=False, execute_plugins=False)
                self.has_gaps = self._database["origin"].exists()
                self._identify()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @property
    def last_seq(self) -> int:
        """The number of the newest entry, 0 where there is none. Raises LedgerUnusable."""
        with self._translated():
            (newest,) = self._database.execute("SELECT max(seq) FROM entry").fetchone()
        return newest or 0

    def tail(self, most: int) -> list[tuple[int, Payload]]:
        """The newest entries, oldest first. Raises LedgerUnusable, ProtocolError."""
        with self._translated():
            rows = self._database.execute(_NEWEST_BELOW, (LARGEST_SEQ, most)).fetchall()
        return [(seq, decode_payload(raw)) for seq, raw in reversed(rows)]

    def entries(self, first: int, last: int) -> Iterator[Stored]:
        """Entries in order. Raises LedgerUnusable, naming how far it came."""
        for page in self._pages(first, last):
            yield from map(Stored._make, page)

    def _pages(self, first: int, last: int) -> Iterator[list[_Row]]:
        at = first
        while at <= last:
            try:
                rows = self._database.execute(_ENTRIES, (at, last, PAGE)).fetchall()
            except READING_FAILED as exc:
                raise LedgerUnusable(self.path, f"{exc}, after entry {at - 1}") from exc
            if not rows:
                return
            yield rows
            at = rows[-1][0] + 1

    def hash_before(self, seq: int) -> bytes | None:
        """The hash that entry `seq` continues; None where the entry before it is not there. Raises LedgerUnusable."""
        if seq == 1:
            return genesis(self.terminal, self.id)
        for entry in self.entries(seq - 1, seq - 1):
            return entry.hash
        return None

    def first_since(self, utc: int) -> int:
        """The first entry after the newest one that is older than a time (microseconds UTC) by a clock that knew it.

        What was registered by an untrusted clock ends nothing: rather a few too many than one too few.
        """
        first = self.last_seq + 1
        for seq, payload in self._backwards(first):
            if payload and payload.registered_at < utc and payload.clock_quality is not ClockQuality.UNTRUSTED:
                break
            first = seq
        return first

    def verify(self, progress: Progress) -> Verified:
        """Check every link in one reading, `progress` being told (checked, all). Raises ChainBroken, LedgerUnusable."""
        last = self.last_seq
        walk = _Walk(self)
        for page in self._pages(0, last):
            walk.take(page)
            progress(walk.seq, last)
        if walk.seq < self.receipted and not self.has_gaps:
            raise ChainBroken(walk.seq + 1, f"it is missing, and the cloud has entries up to {self.receipted}")
        progress(walk.seq, walk.seq)
        return walk.found()

    def _identify(self) -> None:
        """Learn whose it is, and up to where the cloud has it."""
        query = _ORIGIN if self.has_gaps else _IDENTITY
        identity = self._database.execute(query).fetchone()
        if identity is None:
            raise LedgerUnusable(self.path, "it is no ledger: nothing says whose it is", _NAME_IT)
        ledger, terminal, upto, upto_hash = identity
        self.id = self._expected(ledger, bytes)
        self.terminal = TerminalId(self._expected(terminal, str))
        self.receipted = self._expected(upto, int)
        self.receipted_hash = None if upto_hash is None else self._expected(upto_hash, bytes)

    def _expected(self, value: object, kind: type[_T]) -> _T:
        """A value of the type that stands in the schema, which a damaged file does not keep. Raises LedgerUnusable."""
        if not isinstance(value, kind):
            raise LedgerUnusable(self.path, "what says whose it is, and what the cloud has of it, is damaged")
        return value

    def _backwards(self, below: int) -> Iterator[tuple[int, Payload | None]]:
        """Newest first, purged ones left out; None for what this program cannot read."""
        while True:
            with self._translated():
                rows = self._database.execute(_NEWEST_BELOW, (below, PAGE)).fetchall()
            if not rows:
                return
            for seq, raw in rows:
                payload = None
                with suppress(ProtocolError):
                    payload = decode_payload(raw)
                yield seq, payload
            below = rows[-1][0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except READING_FAILED as exc:
            raise _unusable(self.path, exc) from exc


class _Walk:
    """Follows a chain from its beginning; `take` raises ChainBroken."""

    def __init__(self, ledger: LedgerInspection) -> None:
        self._ledger = ledger
        self._previous: bytes | None = genesis(ledger.terminal, ledger.id)
        self._entries, self._purged, self._lost = 0, 0, 0
        self._gaps: list[tuple[int, int]] = []
        self._receipted = ledger.receipted
        self.seq = 0
        if not self._receipted:
            self._check_receipt(genesis(ledger.terminal, ledger.id))

    def take(self, page: list[_Row]) -> None:
        """The next entries."""
        seq, previous, receipted = self.seq, self._previous, self._receipted
        for row in page:
            if row[0] == seq + 1 != receipted and previous and row[3]:
                check_link(previous, *row)
                seq, previous = row[0], row[2]
                continue
            self.seq, self._previous = seq, previous
            self._take_special(*row)
            seq, previous = self.seq, self._previous
        self.seq, self._previous = seq, previous
        self._entries += len(page)

    def _take_special(self, seq: int, payload_digest: bytes, entry_hash: bytes, payload: bytes | None) -> None:
        """An entry after a gap, a purged one, or the newest that the cloud has."""
        if seq != self.seq + 1:
            self._miss(seq)
        if payload is None:
            self._purge(seq)
        if self._previous is not None:
            check_link(self._previous, seq, payload_digest, entry_hash, payload)
        elif payload is not None and digest(payload) != payload_digest:
            raise ChainBroken(seq, "its payload is not the one that was recorded")
        self.seq, self._previous = seq, entry_hash
        if seq == self._receipted:
            self._check_receipt(entry_hash)

    def found(self) -> Verified:
        """What the walk has seen."""
        ledger = self._ledger
        receipt = (ledger.receipted, ledger.receipted_hash)
        last_hash = self._previous or genesis(ledger.terminal, ledger.id)
        return Verified(self._entries, self._purged, last_hash, 1, *receipt, self._lost, tuple(self._gaps))

    def _miss(self, seq: int) -> None:
        """Entries before this one are missing."""
        if not self._ledger.has_gaps or seq <= self.seq:
            raise ChainBroken(self.seq + 1, "it is missing")
        self._lost += seq - self.seq - 1
        if len(self._gaps) < MOST_GAPS:
            self._gaps.append((self.seq + 1, seq - 1))
        self._previous = None

    def _purge(self, seq: int) -> None:
        """A payload is not there."""
        if seq > self._receipted:
            raise ChainBroken(seq, "its payload is missing and no receipt covers it")
        self._purged += 1

    def _check_receipt(self, entry_hash: bytes) -> None:
        if self._ledger.receipted_hash not in {None, entry_hash}:
            raise ChainBroken(self.seq, "its hash is not the one that the cloud has receipted")


def _opened(path: Path, *, at_rest: bool) -> sqlite3.Connection:
    """A connection that changes nothing, also where nothing can be changed. Raises LedgerUnusable."""
    if not path.is_file():
        raise LedgerUnusable(path, "there is no such file", _NAME_IT)
    if not path.stat().st_size:  # even reading, SQLite would throw away the log beside it
        raise LedgerUnusable(path, "its file is empty", _NAME_IT)
    log = path.with_name(f"{path.name}-wal")
    is_fixed = not os.access(path.parent, os.W_OK)
    has_log = log.exists() and log.stat().st_size > 0
    how = "immutable=1" if (is_fixed and not has_log) or (at_rest and not log.exists()) else "mode=ro"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5)
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except READING_FAILED as exc:
        if is_fixed and has_log and path.with_name(f"{path.name}-shm").exists() is False:
            raise LedgerUnusable(
                path,
                f"its newest entries are in {log.name} beside it, which cannot be read where nothing can be written",
                f"copy {path.name} and {log.name} into a folder that can be written, and name the copy",
            ) from exc
        raise _unusable(path, exc) from exc
    return connection


def _unusable(path: Path, exc: sqlite3.Error | UnicodeDecodeError | MemoryError) -> LedgerUnusable:
    """What to do about an error; one whose own words come damaged from the file is a UnicodeDecodeError."""
    if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return LedgerUnusable(path, f"it is no ledger ({exc})", _NAME_IT)
    return LedgerUnusable(path, str(exc) or type(exc).__name__)
