"""Reads a ledger from outside, while the daemon writes it: its end for people, and the whole chain link by link."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sqlite_utils import Database

from edge.errors import LedgerUnusable
from protocol.entries import Payload, check_link, decode_payload, genesis
from protocol.errors import ChainBroken, TerminalId

REPORT_EVERY: Final = 1000

_CHAIN: Final = """
    SELECT entry.seq, entry.digest, entry.hash, payload.bytes FROM entry LEFT JOIN payload USING (seq)
    ORDER BY entry.seq"""


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that holds: how many entries, how many of their payloads are purged, and the hash it ends in."""

    entries: int
    purged: int
    last_hash: bytes


class LedgerInspection:
    """A ledger's file, opened for reading only. Raises LedgerUnusable where that is not possible."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        except sqlite3.Error as exc:
            raise LedgerUnusable(path, str(exc)) from exc
        try:
            self._database = Database(self._connection, recursive_triggers=False, execute_plugins=False)
            (identity,) = self._database["ledger"].rows
        except (sqlite3.Error, ValueError) as exc:
            self._connection.close()
            raise LedgerUnusable(path, f"it is no ledger ({exc})") from exc
        self.id: bytes = identity["id"]
        self.terminal = TerminalId(identity["terminal"])
        self.receipted, self._receipted_hash = self._receipt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def tail(self, most: int) -> list[tuple[int, Payload]]:
        """The newest entries, oldest first. Raises LedgerUnusable, ProtocolError."""
        try:
            rows = list(self._database["payload"].rows_where(order_by="seq desc", limit=most))
        except sqlite3.Error as exc:
            raise LedgerUnusable(self.path, str(exc)) from exc
        return [(row["seq"], decode_payload(row["bytes"])) for row in reversed(rows)]

    def verify(self, progress: Callable[[int, int], None]) -> Verified:
        """Check every link in one reading, `progress` being told (checked, all). Raises ChainBroken, LedgerUnusable."""
        try:
            return self._verify(progress)
        except sqlite3.Error as exc:
            raise LedgerUnusable(self.path, str(exc)) from exc

    def _verify(self, progress: Callable[[int, int], None]) -> Verified:
        every = self._database["entry"].count
        checked, purged, previous = 0, 0, genesis(self.terminal, self.id)
        self._check_receipt(checked, previous)
        for seq, payload_digest, entry_hash, raw in self._database.execute(_CHAIN):
            if seq != checked + 1:
                raise ChainBroken(checked + 1, "it is missing")
            if raw is None and seq > self.receipted:
                raise ChainBroken(seq, "its payload is missing and no receipt covers it")
            check_link(previous, seq, payload_digest, entry_hash, raw)
            checked, previous, purged = seq, entry_hash, purged + (raw is None)
            self._check_receipt(checked, previous)
            if checked % REPORT_EVERY == 0:
                progress(checked, every)
        if checked < self.receipted:
            raise ChainBroken(checked + 1, f"it is missing, and the cloud has entries up to {self.receipted}")
        progress(checked, checked)
        return Verified(checked, purged, previous)

    def _check_receipt(self, seq: int, entry_hash: bytes) -> None:
        if seq == self.receipted and self._receipted_hash not in {None, entry_hash}:
            raise ChainBroken(seq, "its hash is not the one that the cloud has receipted")

    def _receipt(self) -> tuple[int, bytes | None]:
        for row in self._database["receipt"].rows:
            return row["upto"], row["hash"]
        return 0, None
