"""Reads what can be read of a ledger that was put aside into a drain, beside the taps, over any restart."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from edge.errors import LedgerUnusable
from edge.ledger.aside import Aside
from edge.ledger.carving import OVERLAP, Carved, carve, carve_ends
from edge.ledger.drain_schema import MIGRATIONS
from edge.ledger.weaving import Found, Woven, weave
from edge.storage import open_file, transaction
from protocol.entries import LEDGER_BYTES, Fact, decode_payload, genesis, link
from protocol.errors import ProtocolError, TerminalId

PIECE: Final = 128 * 1024
BLOCK: Final = 4096  # what is read at a time where the disk fails
ROWS: Final = 200  # woven between two pauses
RANGES_IN_A_FACT: Final = 40  # so that a fact lies within a page

READING, WEAVING, READ, TOLD = "reading", "weaving", "read", "told"

_KEEP_ENTRY: Final = "INSERT INTO entry VALUES (?1, ?2, ?3) ON CONFLICT (seq) DO NOTHING"
_RIVAL_ENTRY: Final = """INSERT OR IGNORE INTO rival_entry
    SELECT ?1, ?2, ?3 FROM entry WHERE seq = ?1 AND (digest <> ?2 OR hash <> ?3)"""
_KEEP_PAYLOAD: Final = "INSERT INTO payload VALUES (?1, ?2) ON CONFLICT (seq) DO NOTHING"
_RIVAL_PAYLOAD: Final = "INSERT OR IGNORE INTO rival_payload SELECT ?1, ?2 FROM payload WHERE seq = ?1 AND bytes <> ?2"
_NUMBERS: Final = (
    "SELECT seq FROM entry WHERE seq > ?1 UNION SELECT seq FROM payload WHERE seq > ?1 ORDER BY 1 LIMIT ?2"
)
_ENTRIES: Final = """SELECT seq, 0, digest, hash FROM entry WHERE seq BETWEEN ?1 AND ?2
    UNION ALL SELECT seq, 1, digest, hash FROM rival_entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY 1, 2"""
_PAYLOADS: Final = """SELECT seq, 0, bytes FROM payload WHERE seq BETWEEN ?1 AND ?2
    UNION ALL SELECT seq, 1, bytes FROM rival_payload WHERE seq BETWEEN ?1 AND ?2 ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far one of the files was read."""

    ask: str
    note: str


_LOG: Final = _Reached("SELECT log FROM progress", "UPDATE progress SET log = ?")
_DATABASE: Final = _Reached("SELECT database FROM progress", "UPDATE progress SET database = ?")


class Stopped(Exception):
    """The daemon ends; the next one goes on from here."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a reading gave: the old ledger's id if that is known, and which of its numbers can still be sent."""

    ledger: bytes | None
    kept: int
    last: int
    lost: tuple[tuple[int, int], ...]

    def declarations(self) -> list[dict[str, str]]:
        """The details of the facts `ledger.lost`: numbers and ranges of numbers."""
        name = self.ledger.hex() if self.ledger else "unknown"
        ranges = [str(first) if first == last else f"{first}-{last}" for first, last in self.lost]
        parts = [ranges[at : at + RANGES_IN_A_FACT] for at in range(0, len(ranges), RANGES_IN_A_FACT)]
        return [{"ledger": name, "numbers": " ".join(part)} for part in parts]

    def summary(self) -> dict[str, str]:
        """The details of the fact `ledger.salvaged`."""
        lost = sum(last - first + 1 for first, last in self.lost)
        name = self.ledger.hex() if self.ledger else "unknown"
        return {"ledger": name, "kept": str(self.kept), "lost": str(lost), "last": str(self.last)}


def stage_of(aside: Aside) -> str:
    """How far the salvage of a ledger has come; READING where it was not begun. Raises LedgerUnusable."""
    if not aside.drain.exists():
        return READING
    with _opened(aside.drain) as drain:
        row = drain.execute("SELECT stage FROM progress").fetchone()
    return row[0] if row else READING


def mark_told(aside: Aside) -> None:
    """Note that the facts about this salvage stand in the new ledger. Raises LedgerUnusable."""
    with _opened(aside.drain) as drain:
        drain.execute("UPDATE progress SET stage = ?", (TOLD,))


def is_named(aside: Aside) -> bool:
    """Whether it is known which ledger it was: without a name nothing of it can be sent. Raises LedgerUnusable."""
    with _opened(aside.drain) as drain:
        row = drain.execute("SELECT ledger FROM origin").fetchone()
    return row is not None and row[0] is not None


def salvage(aside: Aside, terminal: TerminalId, pause: Callable[[], bool]) -> Salvaged:
    """Read everything that can be read. `pause` lets taps through; when it gives True the daemon ends.

    Raises Stopped, LedgerUnusable.
    """
    try:
        with _opened(aside.drain) as drain:
            return _Salvage(aside, terminal, drain, pause).run()
    except (sqlite3.Error, OSError) as exc:
        raise LedgerUnusable(aside.drain, str(exc)) from exc


class _Salvage:
    def __init__(
        self, aside: Aside, terminal: TerminalId, drain: sqlite3.Connection, pause: Callable[[], bool]
    ) -> None:
        self._aside = aside
        self._terminal = terminal
        self._execute = drain.execute
        self._drain = drain
        self._pause = pause
        if drain.execute("SELECT 1 FROM progress").fetchone() is None:
            self._begin()

    def run(self) -> Salvaged:
        (stage,) = self._execute("SELECT stage FROM progress").fetchone()
        if stage == READING:
            self._read(_LOG, self._aside.log)  # the newest of a page lies there, and what comes first is preferred
            self._read(_DATABASE, self._aside.database)
            self._set_stage(WEAVING)
            stage = WEAVING
        if stage == WEAVING:
            self._weave(self._name())
            self._check_receipt()
            self._set_stage(READ)
        return self._salvaged()

    def _begin(self) -> None:
        """A disk that has no room for a second copy gets one of what the cloud may not have."""
        ends = self._ends()
        standing = {(seq, entry_hash) for seq, _, entry_hash in ends.entries}
        proven = [upto for upto, upto_hash in ends.receipts if (upto, upto_hash) in standing]
        size = self._aside.database.stat().st_size if self._aside.database.exists() else 0
        has_room = shutil.disk_usage(self._aside.folder).free > 2 * size
        after = proven[-1] - 1 if proven and not has_room else 0
        with transaction(self._drain):
            self._execute("INSERT INTO origin VALUES (1, NULL, ?, 0, NULL, ?)", (self._terminal, after))
            self._execute("INSERT INTO progress VALUES (1, ?, 0, 0)", (READING,))

    def _read(self, reached: _Reached, path: Path) -> None:
        (offset,) = self._execute(reached.ask).fetchone()
        (after,) = self._execute("SELECT after FROM origin").fetchone()
        if not path.exists():
            return
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while offset < size:
                carved = carve(_piece(file.fileno(), offset))
                offset += PIECE
                with transaction(self._drain):
                    self._keep(_KEEP_ENTRY, _RIVAL_ENTRY, sorted(row for row in carved.entries if row[0] > after))
                    self._keep(_KEEP_PAYLOAD, _RIVAL_PAYLOAD, sorted(row for row in carved.payloads if row[0] > after))
                    self._execute(reached.note, (offset,))
                self._let_taps_through()

    def _keep(self, keep: str, rival: str, rows: Sequence[tuple[Any, ...]]) -> None:
        before = self._drain.total_changes
        self._drain.executemany(keep, rows)
        if self._drain.total_changes - before < len(rows):
            self._drain.executemany(rival, rows)

    def _name(self) -> bytes | None:
        """Which ledger it was: the one whose chain begins as this one does, if the first entry is there."""
        named = [ledger for ledger, _ in self._ends().ledgers]
        row = self._execute("SELECT bytes FROM payload WHERE seq = 1").fetchone()
        if row and (opened := _ledger_opened(row[0])) is not None:
            named.append(opened)
        first = self._execute("SELECT digest, hash FROM entry WHERE seq = 1").fetchone()
        proven = [name for name in named if first and link(genesis(self._terminal, name), 1, first[0]) == first[1]]
        chosen = next(iter([*proven, *reversed(named)]), None)
        self._execute("UPDATE origin SET ledger = ?", (chosen,))
        return chosen

    def _weave(self, ledger: bytes | None) -> None:
        self._execute("DELETE FROM stretch")
        held: dict[int, Found] = {}
        first = last = 0
        for row in weave(self._found(held), genesis(self._terminal, ledger) if ledger else None):
            seq = row if isinstance(row, int) else row.seq
            self._put_right(row, held.pop(seq))
            if isinstance(row, Woven) and row.follows and row.payload is not None:
                if seq != last + 1 or not first:
                    self._stretch(first, last)
                    first = seq
                last = seq
        self._stretch(first, last)

    def _found(self, held: dict[int, Found]) -> Iterator[Found]:
        after = 0
        while numbers := [seq for (seq,) in self._execute(_NUMBERS, (after, ROWS))]:
            within = (numbers[0], numbers[-1])
            entries, payloads = (
                _by_number(self._execute(_ENTRIES, within)),
                _by_number(self._execute(_PAYLOADS, within)),
            )
            for seq in numbers:
                rows = tuple((row[2], row[3]) for row in entries.get(seq, ()))
                held[seq] = found = Found(seq, rows, tuple(row[2] for row in payloads.get(seq, ())))
                yield found
            after = numbers[-1]
            self._let_taps_through()

    def _put_right(self, row: Woven | int, held: Found) -> None:
        """Change in the drain what another copy of a row proved wrong, and take out what nothing proves."""
        if isinstance(row, int):
            self._execute("DELETE FROM entry WHERE seq = ?", (row,))
        elif held.entries[:1] != ((row.digest, row.hash),):
            self._execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", (row.seq, row.digest, row.hash))
        if isinstance(row, int) or (row.payload is None and held.payloads):
            self._execute("DELETE FROM payload WHERE seq = ?", (held.seq,))
        elif row.payload is not None and held.payloads[0] != row.payload:
            self._execute("UPDATE payload SET bytes = ? WHERE seq = ?", (row.payload, row.seq))

    def _stretch(self, first: int, last: int) -> None:
        if first:
            self._execute("INSERT INTO stretch VALUES (?, ?)", (first, last))

    def _check_receipt(self) -> None:
        """The newest receipt whose hash is that of the chain; one that nothing proves would keep entries from going."""
        for upto, upto_hash in sorted(self._ends().receipts, reverse=True):
            row = self._execute("SELECT hash FROM entry WHERE seq = ?", (upto,)).fetchone()
            if row == (upto_hash,):
                self._execute("UPDATE origin SET receipted = ?, receipted_hash = ?", (upto, upto_hash))
                return

    def _salvaged(self) -> Salvaged:
        ledger, receipted = self._execute("SELECT ledger, receipted FROM origin").fetchone()
        (kept,) = self._execute("SELECT count(*) FROM payload").fetchone()
        (last,) = self._execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
        lost: list[tuple[int, int]] = []
        reached = receipted
        for first, end in self._execute("SELECT first, last FROM stretch WHERE last > ? ORDER BY first", (receipted,)):
            if first > reached + 1:
                lost.append((reached + 1, first - 1))
            reached = end
        return Salvaged(ledger, kept, last, tuple(lost))

    def _ends(self) -> Carved:
        return carve_ends(self._aside.database, self._aside.log)

    def _set_stage(self, stage: str) -> None:
        self._execute("UPDATE progress SET stage = ?", (stage,))

    def _let_taps_through(self) -> None:
        if self._pause():
            raise Stopped


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_file(path, MIGRATIONS, "NORMAL")) as drain:
            yield drain
    except sqlite3.Error as exc:
        raise LedgerUnusable(path, str(exc)) from exc


def _piece(file: int, offset: int) -> bytes:
    """A piece and what reaches over its end; blocks that the disk does not give count as nothing."""
    try:
        return os.pread(file, PIECE + OVERLAP, offset)
    except OSError:
        return b"".join(_block(file, at) for at in range(offset, offset + PIECE + OVERLAP, BLOCK))


def _block(file: int, offset: int) -> bytes:
    try:
        return os.pread(file, BLOCK, offset)
    except OSError:
        return bytes(BLOCK)


def _by_number(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    return {seq: list(group) for seq, group in groupby(rows, itemgetter(0))}


def _ledger_opened(raw: bytes) -> bytes | None:
    """The name that a ledger's first entry tells."""
    try:
        first = decode_payload(raw)
        name = bytes.fromhex(first.details["ledger"]) if isinstance(first, Fact) else b""
    except (ProtocolError, KeyError, ValueError):
        return None
    return name if len(name) == LEDGER_BYTES else None
