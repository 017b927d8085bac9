"""What terminals' own facts tell: that a ledger was damaged and what is lost of it, and when a clock was put right."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry, LedgerGap, Refused
from cloud.portal.moments import from_microseconds
from cloud.scope import Scope
from cloud.sync.decoding import LATEST, RefusedBecause
from protocol.entries import Fact, decode_payload
from protocol.errors import ProtocolError

OPENED: Final = "ledger.opened"
SALVAGED: Final = "ledger.salvaged"
CLOCK_SET: Final = "clock.set"
MOST_FACTS: Final = 200
MOST_RANGES: Final = 1_000
RANGES_AT_ONCE: Final = 100
LONGEST_WHY: Final = 300

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)

Span = tuple[int, int]
"""Numbers of entries, both ends in it."""

Boot = tuple[str, str]
"""A terminal, and the id of one of its boots as hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A ledger that was damaged, and what is known of its entries by now.

    `noticed_at`: when the next one began. `kept`: how many could be read, None while they are being read. `lost`: the
    numbers that could not, as ranges. `lost_count`: how many those are; `here`: how many of them the cloud has.
    """

    noticed_at: datetime
    why: str
    kept: int | None
    lost: tuple[Span, ...]
    lost_count: int
    here: int


def damages(rows: Session, scope: Scope, terminal: str) -> list[Damage]:
    """The damaged ledgers of a terminal, the newest first; one query where there are none."""
    told = _facts(rows, scope, [terminal], (OPENED, SALVAGED))
    kept = {
        fact.details.get("ledger", ""): _number(fact.details, "kept") for _, fact in told if fact.subject == SALVAGED
    }
    followed = [(row, fact.details) for row, fact in told if fact.subject == OPENED and "after" in fact.details]
    if not followed:
        return []
    lost = _lost(rows, terminal)
    found = []
    for row, details in followed:
        ledger = details["after"]
        gone = lost.get(ledger, ())
        count = sum(last - first + 1 for first, last in gone)
        here = _found(rows, terminal, ledger, gone)
        why = details.get("why", "")[:LONGEST_WHY]
        found.append(Damage(from_microseconds(row.sorted_at), why, kept.get(ledger), gone, count, here))
    return found


def boots(rows: Session, scope: Scope, terminals: Iterable[str]) -> dict[Boot, int]:
    """When each boot of these terminals began, in microseconds UTC, where a clock was put right later; one query."""
    began: dict[Boot, int] = {}
    for row, fact in _facts(rows, scope, terminals, (CLOCK_SET,)):
        at = began_at(fact)
        if at is not None:
            began.setdefault((row.terminal, boot_of(fact)), at)
    return began


def boot_of(fact: Fact) -> str:
    """The boot whose clock was put right, as hexadecimal digits."""
    return fact.details.get("boot", "")


def began_at(fact: Fact) -> int | None:
    """When that boot began, in microseconds UTC; None where the fact cannot be read."""
    return _number(fact.details, "began_at")


def true_time(began: Mapping[Boot, int], terminal: str, payload: bytes) -> int | None:
    """When an entry of a boot really occurred, in microseconds UTC; None where that is not known."""
    try:
        entry = decode_payload(payload)
    except ProtocolError:
        return None
    start = began.get((terminal, entry.boot_id.hex()))
    if start is None:
        return None
    at = start + entry.monotonic // 1000
    return at if 0 <= at <= LATEST else None


def _facts(
    rows: Session, scope: Scope, terminals: Iterable[str], subjects: tuple[str, ...]
) -> list[tuple[Entry, Fact]]:
    """The newest facts about something, newest first."""
    found = select(Entry).where(Entry.terminal.in_(list(terminals)), Entry.subject.in_(subjects))
    found = scope.narrow(found, Entry.customer_id).order_by(Entry.id.desc()).limit(MOST_FACTS)
    read = ((row, decode_payload(row.payload)) for row in rows.scalars(found))
    return [(row, fact) for row, fact in read if isinstance(fact, Fact)]


def _lost(rows: Session, terminal: str) -> dict[str, tuple[Span, ...]]:
    """What was declared lost, by ledger, without overlaps."""
    found = select(LedgerGap.ledger, LedgerGap.first, LedgerGap.last).where(LedgerGap.terminal == terminal)
    merged: dict[str, list[Span]] = {}
    for ledger, first, last in rows.execute(found.order_by(LedgerGap.ledger, LedgerGap.first).limit(MOST_RANGES)):
        ranges = merged.setdefault(ledger.hex(), [])
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
        else:
            ranges.append((first, last))
    return {ledger: tuple(ranges) for ledger, ranges in merged.items()}


def _found(rows: Session, terminal: str, ledger: str, lost: Sequence[Span]) -> int:
    """How many of the numbers that were declared lost are here all the same."""
    here = 0
    for at in range(0, len(lost), RANGES_AT_ONCE):
        for table in (Entry, Refused):
            among = or_(*(table.seq.between(*span) for span in lost[at : at + RANGES_AT_ONCE]))
            found = select(func.count(func.distinct(table.seq))).where(among)
            found = found.where(table.terminal == terminal, table.ledger == bytes.fromhex(ledger))
            if table is Refused:
                found = found.where(Refused.reason != RefusedBecause.FORK.value)
            here += rows.scalar(found) or 0
    return here


def _number(details: Mapping[str, str], name: str) -> int | None:
    text = details.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None
