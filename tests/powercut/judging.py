"""Judges a rebuilt disk: every green of before the cut is in the ledger once, and the ledger is whole.

Like the audit, it imports nothing of the product: it reads the files with sqlite3, and the chain by the written rule.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from tests.powercut.journal import Op, Record
from tests.support.audit import Copy, Row, chain_faults, ledger_copy, recorded_taps

PINS: Final = "pins.log"
LIT: Final = b" green 1\n"
OWN: Final = ("ledger.db", "ledger.reserve", "ledger.running", "tables.db", "pins.log", "daemon.lock")
COMPANIONS: Final = (".new", "-wal", "-shm", "-journal", ".1")
OF_DAMAGE: Final = {"ledger.lost", "ledger.salvaged"}


@dataclass(frozen=True, slots=True)
class Promised:
    """What a ledger must hold from now on: its greens by card, what the cloud has of it, and rows seen on the disk."""

    greens: frozenset[str] = frozenset()
    at_cloud: tuple[bytes, int, bytes] | None = None
    ledger: bytes | None = None
    rows: tuple[Row, ...] = field(default=(), repr=False)

    def after(self, records: Iterable[Record]) -> "Promised":
        """With what these records promised besides: cards that turned the light green, what the cloud was sent."""
        greens, at_cloud, card = set(self.greens), self.at_cloud, ""
        for record in records:
            match record.op, record.name.split():
                case Op.NOTED, ["tap", tapped]:
                    card = tapped
                case Op.NOTED, ["cloud", ledger, upto, last_hash]:
                    at_cloud = bytes.fromhex(ledger), int(upto), bytes.fromhex(last_hash)
                case Op.WRITTEN, [name] if name == PINS and LIT in record.data:
                    assert card, "green before the first tap"
                    greens.add(card)
        return replace(self, greens=frozenset(greens), at_cloud=at_cloud)

    def seen(self, copy: Copy | None) -> "Promised":
        """With the rows that stand on a disk after the power came back: those never go."""
        return self if copy is None else replace(self, ledger=copy.ledger, rows=copy.rows)


def judge(state: Path, promised: Promised) -> tuple[list[str], Copy | None]:
    """Everything that is wrong in a state folder, and the ledger there, if one has begun. Files may be rolled back."""
    wrong = [f"{path.name}: put aside after a mere power cut" for path in state.iterdir() if not _is_own(path.name)]
    copy = None
    try:
        copy = _copy(state / "ledger.db")
    except sqlite3.DatabaseError as fault:
        wrong.append(f"ledger.db: {fault}")
    if copy is None:
        if promised.greens or promised.rows:
            wrong.append(f"the ledger is gone, and with it {len(promised.greens)} greens")
        return wrong, None
    copy = _with_purged(copy, promised)
    unknown = [row.seq for row in copy.rows if not row.payload]
    if unknown:
        return [
            *wrong,
            f"{len(unknown)} payloads are gone that the cloud had no receipt for, from {unknown[0]} on",
        ], copy
    return wrong + list(_faults(copy, promised)), copy


def _with_purged(copy: Copy, promised: Promised) -> Copy:
    """A ledger with the payloads that had been let go after a receipt, as they stood on the disk before."""
    upto = promised.at_cloud[1] if promised.at_cloud is not None else 0
    before = {row.seq: row.payload for row in promised.rows if row.seq <= upto}
    return replace(
        copy, rows=tuple(row if row.payload else replace(row, payload=before.get(row.seq, b"")) for row in copy.rows)
    )


def _is_own(name: str) -> bool:
    for companion in reversed(COMPANIONS):
        name = name.removesuffix(companion)
    return name in OWN


def _copy(path: Path) -> Copy | None:
    """The ledger in a file; None where it has not been begun: no file, no table, or no name yet."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"ledger", "entry", "payload"} <= tables or not file.execute("SELECT 1 FROM ledger").fetchone():
            return None
        (verdict,) = file.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        return ledger_copy(path)


def _faults(copy: Copy, promised: Promised) -> Iterator[str]:
    yield from chain_faults(copy)
    if promised.ledger is not None and copy.ledger != promised.ledger:
        yield f"another ledger has begun: {copy.ledger.hex()}, and it was {promised.ledger.hex()}"
    if copy.rows[: len(promised.rows)] != promised.rows:
        yield f"what stood on the disk has changed: {len(promised.rows)} entries, of {len(copy.rows)} now"
    taps = recorded_taps(copy)
    times = Counter(tap.card for tap in taps if tap.granted)
    lost = sorted(promised.greens - times.keys())
    if lost:
        yield f"{len(lost)} of {len(promised.greens)} greens are lost: {', '.join(lost[:5])}"
    twice = [card for card, count in times.items() if count > 1]
    if twice:
        yield f"{len(twice)} taps are there twice: {', '.join(sorted(twice)[:5])}"
    if promised.at_cloud is not None:
        yield from _behind_cloud(copy, *promised.at_cloud)
    subjects = _subjects(copy)
    yield from (f"a fact says {subject} after a mere power cut" for subject in subjects if subject in OF_DAMAGE)
    if subjects.count("ledger.opened") > 1:
        yield "the ledger was begun twice"


def _behind_cloud(copy: Copy, ledger: bytes, upto: int, last_hash: bytes) -> Iterator[str]:
    if copy.ledger != ledger or len(copy.rows) < upto or copy.rows[upto - 1].hash != last_hash:
        yield f"the cloud has {upto} entries, and they are not all here: {len(copy.rows)}"


def _subjects(copy: Copy) -> list[str]:
    decoded: Sequence[list[object]] = [msgspec.msgpack.decode(row.payload) for row in copy.rows]
    return [str(fields[7]) for fields in decoded if fields[0] == "fact"]
