"""What terminals declared lost of a damaged ledger: read from the fact `ledger.lost`, and asked when a batch comes."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.attendance.models import LedgerGap
from cloud.database import insert_into
from cloud.events import Event
from cloud.sync.batches import LedgerKey
from protocol.entries import Fact, decode_payload

SUBJECT: Final = "ledger.lost"
MOST_RANGES: Final = 100
MOST_LOOKED_AT: Final = 10_000
"""Ranges that one question looks at: who declares more has a batch refused that lies beyond them, and no one else."""
LARGEST: Final = 2**63 - 1
RANGE: Final = re.compile(r"([1-9][0-9]{0,18})(?:-([1-9][0-9]{0,18}))?", re.ASCII)
LEDGER: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

log = structlog.get_logger(__name__)


class Range(NamedTuple):
    """Numbers of entries, both ends in it."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "Range | None":
        """Read `501-520` or `533`; None for anything else."""
        match = RANGE.fullmatch(text)
        if match is None:
            return None
        found = cls(int(match[1]), int(match[2] or match[1]))
        return found if found.first <= found.last <= LARGEST else None


class Declared(NamedTuple):
    """Which numbers of which ledger a fact declares lost."""

    ledger: bytes
    ranges: tuple[Range, ...]

    @classmethod
    def parse(cls, details: dict[str, str]) -> "Declared | None":
        """Read the details of a fact; None where they are not what they should be: then nothing is declared."""
        ledger, words = details.get("ledger", ""), details.get("numbers", "").split(" ", MOST_RANGES)
        ranges = [Range.parse(word) for word in words]
        if not LEDGER.fullmatch(ledger) or len(ranges) > MOST_RANGES:
            return None
        known = tuple(each for each in ranges if each is not None)
        return cls(bytes.fromhex(ledger), known) if len(known) == len(ranges) else None


class Gaps:
    """The declarations in the database, and those that come with the transaction under way."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._new: list[dict[str, Any]] = []

    def declare(self, here: LedgerKey, seq: int, payload: bytes) -> None:
        """Heed the fact that is entry `seq` of a ledger; a declaration that cannot be read changes nothing."""
        fact = decode_payload(payload)
        declared = Declared.parse(fact.details) if isinstance(fact, Fact) else None
        if declared is None:
            log.warning(
                Event.ENTRY_UNHEEDED,
                terminal=here.terminal,
                ledger=here.ledger.hex(),
                seq=seq,
                why="it does not say which numbers of which ledger are lost",
            )
            return
        by = {"terminal": here.terminal, "ledger": declared.ledger, "declared_in": here.ledger, "declared_by": seq}
        self._new += [{**by, "first": each.first, "last": each.last} for each in declared.ranges]

    def cover(self, key: LedgerKey, first: int, last: int) -> bool:
        """Says whether every one of these numbers was declared lost."""
        reached = first - 1
        for lost in self.within(key, first, last):
            if lost.first > reached + 1:
                return False
            reached = max(reached, lost.last)
        return reached >= last

    def within(self, key: LedgerKey, first: int, last: int) -> list[Range]:
        """What was declared lost of these numbers, in order; ranges may overlap."""
        found = select(LedgerGap.first, LedgerGap.last).where(
            LedgerGap.terminal == key.terminal,
            LedgerGap.ledger == key.ledger,
            LedgerGap.first <= last,
            LedgerGap.last >= first,
        )
        rows = self._session.execute(found.order_by(LedgerGap.first).limit(MOST_LOOKED_AT))
        known = [Range(max(row.first, first), min(row.last, last)) for row in rows]
        return sorted([*known, *self._pending(key, first, last)])

    def save(self) -> None:
        """Write the new ones down."""
        if self._new:
            insert = insert_into(self._session, LedgerGap.__table__).on_conflict_do_nothing()
            self._session.connection().execute(insert, self._new)

    def _pending(self, key: LedgerKey, first: int, last: int) -> Iterator[Range]:
        for row in self._new:
            if (row["terminal"], row["ledger"]) == key and row["first"] <= last and row["last"] >= first:
                yield Range(max(row["first"], first), min(row["last"], last))
