"""What could be read of a damaged ledger: entries with gaps, sent under their own ledger and numbers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from edge.errors import LedgerUnusable
from edge.events import Event
from edge.ledger.drain_schema import MIGRATIONS
from edge.storage import fault_of, open_file
from protocol.entries import decode_payload, genesis
from protocol.errors import TerminalId
from protocol.messages import VERSION, Entries, Receipt

LARGEST_BATCH_BYTES: Final = 512 * 1024

_UNSENT: Final = "SELECT coalesce(sum(last - max(first, ?1 + 1) + 1), 0) FROM stretch WHERE last > ?1"
_NEXT: Final = "SELECT max(first, ?1 + 1), last FROM stretch WHERE last > ?1 ORDER BY first LIMIT 1"
_PAYLOADS: Final = "SELECT bytes FROM payload WHERE seq BETWEEN ? AND ? ORDER BY seq"

_log = structlog.get_logger()


class Drain:
    """Read-only but for the cloud's receipt; used by one thread, once it was read to the end.

    Every method raises LedgerUnusable where the file cannot be read or written, and LedgerDamaged where it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = open_file(path, MIGRATIONS, "NORMAL")
        except sqlite3.Error as exc:
            raise fault_of(path, exc) from exc
        self._execute = self._connection.execute
        with self._translated():
            row = self._execute("SELECT ledger, terminal, receipted FROM origin").fetchone()
            if row is None or row[0] is None:
                self._connection.close()
                raise LedgerUnusable(path, "it does not say which ledger it was read from")
            self.id: bytes = row[0]
            self.terminal = TerminalId(row[1])
            self.receipted: int = row[2]
            if (receipt := self._execute("SELECT upto FROM receipt").fetchone()) is not None:
                self.receipted = receipt[0]
            (last,) = self._execute("SELECT max(last) FROM stretch").fetchone()
            self.last_seq: int = last or 0
        self._saved = self.receipted

    @property
    def unsent(self) -> int:
        """How many entries the cloud has not said it has."""
        with self._translated():
            count: int = self._execute(_UNSENT, (self.receipted,)).fetchone()[0]
        return count

    def batch(self, after: int, most: int) -> Entries | None:
        """The next entries after this number that lie together, ready to send; None where there are none."""
        with self._translated():
            row = self._execute(_NEXT, (after,)).fetchone()
            if row is None:
                return None
            first, last = row[0], min(row[1], row[0] + most - 1)
            payloads: list[bytes] = []
            size = 0
            for (raw,) in self._execute(_PAYLOADS, (first, last)):
                if payloads and size + len(raw) > LARGEST_BATCH_BYTES:
                    break
                payloads.append(raw)
                size += len(raw)
            previous, last_hash = self._hash_at(first - 1), self._hash_at(first + len(payloads) - 1)
        if previous is None or last_hash is None or not payloads:
            raise LedgerUnusable(self.path, f"entries {first} to {last} are not there")
        return Entries(VERSION, self.id, first, previous, tuple(payloads), last_hash)

    def note_receipt(self, receipt: Receipt) -> bool:
        """Take the cloud's word for what it has; of an entry that is lost here, the cloud may know more than we do."""
        with self._translated():
            here = self._hash_at(receipt.upto)
        if receipt.ledger != self.id or here not in {None, receipt.hash}:
            why = "it is for another ledger" if receipt.ledger != self.id else "its hash is not that of the chain here"
            ledger = receipt.ledger.hex()
            _log.warning(Event.RECEIPT_REFUSED, why=why, ledger=ledger, upto=receipt.upto, kept=self.receipted)
            return False
        self.receipted = receipt.upto
        return True

    def save_receipt(self) -> None:
        """Make the newest receipt durable."""
        if self.receipted == self._saved:
            return
        with self._translated():
            self._execute("INSERT OR REPLACE INTO receipt VALUES (1, ?)", (self.receipted,))
        self._saved = self.receipted

    @property
    def oldest_unsent(self) -> int | None:
        """When the first entry without a receipt was registered, in microseconds UTC by the clock of then."""
        with self._translated():
            row = self._execute(_NEXT, (self.receipted,)).fetchone()
            found = row and self._execute(_PAYLOADS, (row[0], row[0])).fetchone()
        return decode_payload(found[0]).registered_at if found else None

    def close(self) -> None:
        """Save what is known of receipts and let the file go."""
        try:
            self.save_receipt()
        finally:
            self._connection.close()

    def _hash_at(self, seq: int) -> bytes | None:
        if seq == 0:
            return genesis(self.terminal, self.id)
        row = self._execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()
        return row[0] if row else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise fault_of(self.path, exc) from exc
