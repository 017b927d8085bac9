"""The ledger: every entry of this terminal, durable before anybody sees green, chained and never changed (DESIGN 7)."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from structlog.typing import FilteringBoundLogger

from edge.clock.clock import Clock
from edge.errors import LedgerDamaged, LedgerFault, LedgerUnusable
from edge.events import Event
from edge.ledger.facts import fact
from edge.ledger.looking_back import first_since, taps_from
from edge.ledger.opening import ENTRIES_FROM, check_end, identity, settle
from edge.ledger.remnant import remnant
from edge.ledger.schema import MIGRATIONS
from edge.storage import READING_FAILED, fault_of, log_left_alone, open_file, primary_code
from protocol.entries import Payload, Tap, decode_payload, digest, encode_payload, follow, genesis, link
from protocol.errors import TerminalId
from protocol.messages import VERSION as MESSAGE_VERSION
from protocol.messages import Entries, Receipt

if TYPE_CHECKING:
    from edge.ledger.inspection import Verified

LARGEST_BATCH_BYTES: Final = 512 * 1024
CACHE_KIB: Final = 256  # entries are added at the end, and what was written long ago is hardly ever looked at
PAGE_SIZE: Final = 1024  # bytes; a tap writes little more than half of what it does with 4096 (docs/performance.md)

_PERHAPS_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}

_log: FilteringBoundLogger = structlog.get_logger()
Details = Callable[[], dict[str, str]]

_PAYLOAD: Final = "SELECT coalesce(cast(bytes AS BLOB), x'') FROM payload WHERE seq = ?"
_NEWEST: Final = """
    SELECT cast(seq AS INTEGER), coalesce(cast(hash AS BLOB), x'') FROM entry ORDER BY seq DESC LIMIT 1"""
_NEWEST_BELOW: Final = """
    SELECT cast(seq AS INTEGER), coalesce(cast(bytes AS BLOB), x'') FROM payload
    WHERE seq < ? ORDER BY seq DESC LIMIT ?"""
_OLDEST_FROM: Final = """
    SELECT cast(seq AS INTEGER), coalesce(cast(bytes AS BLOB), x'') FROM payload WHERE seq >= ? ORDER BY seq LIMIT ?"""


class Ledger:
    """One terminal's ledger, used by one thread. What `append` returned survives a power cut.

    Every method that reads or writes the file raises LedgerUnusable where that is not possible at the moment, and
    LedgerDamaged where what stands there is not what was written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, terminal: TerminalId) -> None:
        self.path = path
        self.terminal = terminal
        self.on_damage: Callable[[LedgerDamaged], None] = lambda _: None
        """Told of damage before it is raised; whoever ends the daemon hangs itself in here."""
        self.make_room: Callable[[], bool] = lambda: False
        """Asked when the disk is full; after True the entry is tried once more."""
        self._connection = connection
        self._execute = connection.execute
        self.is_short = False
        """Whether the disk is full, and entries go into what was kept in reserve."""
        self.failures = 0
        """How many entries could not be recorded since the last that was."""
        self._inode = path.stat().st_ino
        self.id = identity(self._execute, path, terminal)
        self.last_seq, self.last_hash = 0, genesis(terminal, self.id)
        self._read_end()
        row = self._execute("SELECT cast(upto AS INTEGER) FROM receipt").fetchone()
        self.receipted: int = row[0] or 0 if row else 0
        self._saved = self.receipted

    @classmethod
    def open(
        cls, path: Path, terminal: TerminalId, clock: Clock, followed: Details = dict, *, starts: bool = True
    ) -> "Ledger":
        """Open or begin a ledger, check the end of its chain, and record that the terminal started, where it `starts`.

        `followed` tells a new one what it follows. Raises LedgerFault, ChainBroken.
        """
        try:
            connection = open_file(path, MIGRATIONS, "FULL", page_size=PAGE_SIZE)
        except READING_FAILED as exc:
            raise fault_of(path, exc, at_start=True) from exc
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            ledger = cls(path, connection, terminal)
            check_end(ledger._execute, ledger.last_seq, ledger.receipted, ledger.hash_at)
            ledger._regain()
            settle(ledger._execute)
            if not ledger.last_seq:
                ledger.append(fact(clock, "ledger.opened", {"ledger": ledger.id.hex(), **followed()}))
            if starts:
                ledger.append(fact(clock, "terminal.started", {}))
        except BaseException as exc:
            with log_left_alone(path):
                connection.close()
            if isinstance(exc, READING_FAILED):
                raise fault_of(path, exc, at_start=True) from exc
            raise
        return ledger

    def append(self, payload: Payload) -> int:
        """Record something; its number is returned when it is durable. Raises LedgerFault: no green then."""
        return self.record(encode_payload(payload))

    def record(self, raw: bytes) -> int:
        """The same for a payload that is encoded already."""
        try:
            return self._write(raw)
        except sqlite3.Error as exc:
            self._abandon()
            if primary_code(exc) not in _PERHAPS_FULL or not self.make_room():
                raise self._fault(exc) from exc
        self.is_short = True
        try:
            return self._write(raw)
        except sqlite3.Error as exc:
            self._abandon()
            raise self._fault(exc) from exc

    def hash_at(self, seq: int) -> bytes:
        """The chain's hash at an entry that is here; 0 is the beginning."""
        if seq == self.last_seq:
            return self.last_hash
        if seq == 0:
            return genesis(self.terminal, self.id)
        row = self._execute("SELECT coalesce(cast(hash AS BLOB), x'') FROM entry WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise self._damage(f"entry {seq} is missing")
        found: bytes = row[0]
        return found

    @property
    def unsent(self) -> int:
        """How many entries the cloud has not said it has."""
        return self.last_seq - self.receipted

    def note_receipt(self, receipt: Receipt) -> bool:
        """Take the cloud's word for what it has, if it speaks of this very chain; less than before counts too.

        Kept in memory until `save_receipt`: a receipt that is forgotten only makes entries travel twice.
        """
        objection = self._objection(receipt)
        if objection is None:
            self.receipted = receipt.upto
            return True
        _log.warning(
            Event.RECEIPT_REFUSED, why=objection, ledger=receipt.ledger.hex(), upto=receipt.upto, kept=self.receipted
        )
        return False

    def save_receipt(self) -> None:
        """Make the newest receipt durable: from then on, what it covers may be purged."""
        upto = self.receipted
        if upto == self._saved:
            return
        with self._translated():
            self._execute("INSERT OR REPLACE INTO receipt VALUES (1, ?, ?)", (upto, self.hash_at(upto)))
        self._saved = upto

    def batch(self, after: int, most: int) -> Entries | None:
        """The entries that follow `after`, ready to send, or None where there are none. What is damaged is not sent."""
        if after >= self.last_seq:
            return None
        with self._translated():
            rows = self._execute(ENTRIES_FROM, (max(after, 1), most + (after > 0))).fetchall()
        previous = rows.pop(0)[2] if after else genesis(self.terminal, self.id)
        payloads: list[bytes] = []
        size, last_hash = 0, previous
        for _, _, entry_hash, raw in rows:
            if raw is None or (payloads and size + len(raw) > LARGEST_BATCH_BYTES):
                break
            payloads.append(raw)
            size += len(raw)
            last_hash = entry_hash
        if not payloads:
            return None
        if follow(previous, after + 1, payloads)[-1][1] != last_hash:
            raise self._damage(f"entries {after + 1} to {after + len(payloads)} are not those that were recorded")
        return Entries(MESSAGE_VERSION, self.id, after + 1, previous, tuple(payloads), last_hash)

    @property
    def oldest_unsent(self) -> int | None:
        """When the first entry without a receipt was registered, in microseconds UTC by the clock of then."""
        if self.receipted >= self.last_seq:
            return None
        with self._translated():
            row = self._execute(_PAYLOAD, (self.receipted + 1,)).fetchone()
        return decode_payload(row[0]).registered_at if row else None

    def tail(self, most: int) -> list[tuple[int, Payload]]:
        """The newest entries, oldest first. Raises ProtocolError."""
        return [(seq, decode_payload(raw)) for seq, raw in reversed(self._below(self.last_seq + 1, most))]

    def taps_since(self, utc: int) -> Iterator[Tap]:
        """The taps at or after a time, and those between them that no clock can place, in the order of the ledger.

        Looking back ends at an older entry whose clock was trusted: what an untrusted one says ends nothing.
        """
        return taps_from(self._onward, first_since(self._below, self.last_seq + 1, utc), utc)

    def verify(self, progress: Callable[[int, int], None]) -> "Verified":
        """Check the whole chain over a connection of its own, so that another thread may do it. Raises ChainBroken."""
        from edge.ledger.inspection import LedgerInspection  # brings sqlite-utils, which a start does without

        with LedgerInspection(self.path) as inspection:
            return inspection.verify(progress)

    def close(self) -> None:
        """Save what is known of receipts and let the file go."""
        try:
            self.save_receipt()
        finally:
            self._connection.close()

    def _below(self, seq: int, most: int) -> list[tuple[int, bytes]]:
        with self._translated():
            return self._execute(_NEWEST_BELOW, (seq, most)).fetchall()

    def _onward(self, seq: int, most: int) -> list[tuple[int, bytes]]:
        with self._translated():
            return self._execute(_OLDEST_FROM, (seq, most)).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except READING_FAILED as exc:
            raise self._fault(exc) from exc

    def _write(self, raw: bytes) -> int:
        seq = self.last_seq + 1
        payload_digest = digest(raw)
        hashed = link(self.last_hash, seq, payload_digest)
        execute = self._execute
        self._check_place()
        if self._connection.in_transaction:  # one that could not even be abandoned
            execute("ROLLBACK")
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO entry VALUES (?, ?, ?)", (seq, payload_digest, hashed))
        execute("INSERT INTO payload VALUES (?, ?)", (seq, raw))
        execute("COMMIT")
        self.last_seq, self.last_hash, self.failures = seq, hashed, 0
        return seq

    def _check_place(self) -> None:
        """What is written into a file that has no name any more is gone with this process."""
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116  # half the time of Path.stat, with each tap
        except OSError as exc:
            raise self._damage(f"its file is gone ({exc.strerror})") from exc
        if inode != self._inode:
            raise self._damage("another file lies in its place")

    def _read_end(self) -> None:
        row = self._execute(_NEWEST).fetchone()
        self.last_seq, self.last_hash = row or (0, genesis(self.terminal, self.id))

    def _regain(self) -> None:
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            regained = remnant(log, self.last_seq, self.last_hash)
        except OSError as exc:
            raise LedgerUnusable(log, str(exc)) from exc
        if regained is not None:
            _log.warning(Event.LEDGER_REGAINED, seq=self.record(regained))

    def _fault(self, exc: sqlite3.Error | UnicodeDecodeError | MemoryError) -> LedgerFault:
        fault = fault_of(self.path, exc)
        return self._damage(str(exc)) if isinstance(fault, LedgerDamaged) else fault

    def _damage(self, why: str) -> LedgerDamaged:
        damage = LedgerDamaged(self.path, why)
        self.on_damage(damage)
        return damage

    def _abandon(self) -> None:
        """Leave a failed transaction, ready for the next; what stands in the file counts."""
        self.failures += 1
        try:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            self._read_end()
        except sqlite3.Error as exc:
            _log.error(Event.LEDGER_FAILED, why=str(exc), then="the next entry is tried all the same")

    def _objection(self, receipt: Receipt) -> str | None:
        if receipt.ledger != self.id:
            return "it is for another ledger"
        if receipt.upto > self.last_seq:
            self._damage(f"the cloud has entries up to {receipt.upto}, and here it ends at {self.last_seq}")
            return "it covers entries that are not here"
        with self._translated():
            expected = self.hash_at(receipt.upto)
        return None if receipt.hash == expected else "its hash is not that of the chain here"
