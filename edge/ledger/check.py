"""Checks the whole ledger while the daemon writes it: the file by SQLite's own check, then the chain link by link."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.errors import LedgerDamaged, LedgerUnusable
from edge.storage import DAMAGE, primary_code
from protocol.entries import check_link, genesis
from protocol.errors import ChainBroken, TerminalId

ROWS: Final = 100  # between two pauses: a millisecond's work, so that a tap waits no longer than that

_ROWS: Final = """SELECT entry.seq, entry.digest, entry.hash, payload.bytes FROM entry LEFT JOIN payload USING (seq)
    WHERE entry.seq > ? ORDER BY entry.seq LIMIT ?"""


class LedgerCheck:
    """One check, over a connection of its own that can write nothing; for a thread beside the taps."""

    def __init__(self, path: Path, terminal: TerminalId, upto: int) -> None:
        self._path = path
        self._terminal = terminal
        self._upto = upto
        self._connection: sqlite3.Connection | None = None

    def run(self, pause: Callable[[], bool]) -> int | None:
        """Check entries up to the one that was newest at the beginning; how many were purged of their payload.

        None: `pause` said that the daemon ends. Raises LedgerDamaged, LedgerUnusable.
        """
        try:
            connection = self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=5, check_same_thread=False
            )
            try:
                return self._run(connection, pause)
            finally:
                self._connection = None
                connection.close()
        except sqlite3.Error as exc:
            if primary_code(exc) == sqlite3.SQLITE_INTERRUPT:
                return None
            kind = LedgerDamaged if primary_code(exc) in DAMAGE else LedgerUnusable
            raise kind(self._path, str(exc)) from exc
        except (ChainBroken, TypeError, UnicodeDecodeError, MemoryError) as exc:  # values and sizes may be any
            raise LedgerDamaged(self._path, str(exc)) from exc

    def stop(self) -> None:
        """Let it end soon; for another thread."""
        if self._connection is not None:
            self._connection.interrupt()

    def _run(self, connection: sqlite3.Connection, pause: Callable[[], bool]) -> int | None:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise LedgerDamaged(self._path, verdict)
        (ledger,) = connection.execute("SELECT id FROM ledger").fetchone()
        checked, purged, previous = 0, 0, genesis(self._terminal, ledger)
        while checked < self._upto:
            row = connection.execute("SELECT upto FROM receipt").fetchone()
            receipted = row[0] if row else 0
            rows = connection.execute(_ROWS, (checked, ROWS)).fetchall()
            if not rows:
                raise ChainBroken(checked + 1, "it is missing")
            for seq, payload_digest, entry_hash, raw in rows:
                if seq != checked + 1:
                    raise ChainBroken(checked + 1, "it is missing")
                if raw is None and seq > receipted:
                    raise ChainBroken(seq, "its payload is missing and no receipt covers it")
                check_link(previous, seq, payload_digest, entry_hash, raw)
                checked, previous, purged = seq, entry_hash, purged + (raw is None)
            if pause():
                return None
        return purged
