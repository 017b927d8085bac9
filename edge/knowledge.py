"""Gathers what is known here when a card is held against a reader: tables, movements, and where the reader stands."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from edge.errors import TablesUnusable
from edge.events import Event
from edge.movements import Movements
from edge.readers import CardSeen
from edge.tables.tables import Tables
from protocol.cards import CardId
from protocol.clock import ClockReading
from protocol.decision import Binding, Enrolment, Facts, ReaderDirection
from protocol.entries import Tap
from protocol.passes import Direction, Movement, is_recent, longest_age, newer
from protocol.tables import presence_key

_log = structlog.get_logger()

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Mounting:
    """Which way a reader is mounted for, and at which doors (None: all of the terminal)."""

    direction: ReaderDirection
    doors: tuple[str, ...] | None = None


@dataclass(slots=True)
class Knowledge:
    """Asked by the thread that answers taps. Only what the binding's policies ask for is looked up."""

    tables: Tables
    movements: Movements
    readers: Mapping[str, Mounting]

    def of(self, seen: CardSeen, now: ClockReading) -> Facts:
        """What is known of the card, under any of its identities, and of whoever holds it.

        Tables that cannot be read know nothing.
        """
        mounting = self.readers[seen.reader]
        try:
            return self._of(seen, mounting, now)
        except TablesUnusable as fault:
            _log.error(Event.TABLE_FAILED, why=str(fault), then="the tap is recorded and denied as unbound")
            return Facts(None, mounting.direction, None, None, None)

    @property
    def versions(self) -> dict[str, int]:
        """Which version of each table it is known from."""
        return self.tables.versions

    def note(self, tap: Tap) -> None:
        """Take in a tap that was recorded."""
        self.movements.note(tap)

    def _of(self, seen: CardSeen, mounting: Mounting, now: ClockReading) -> Facts:
        tables, binding = self.tables, self.tables.binding
        enrolment = _first(tables.enrolment, seen.believed(binding))
        blocked = _first(tables.blocked, seen.lasting)
        if binding is None:
            return Facts(None, mounting.direction, enrolment, blocked, None)
        key, may_come_in = _key(seen, enrolment), mounting.direction is not ReaderDirection.OUT
        return Facts(
            binding,
            mounting.direction,
            enrolment,
            blocked,
            newer(self.movements.of(binding.project, key), tables.presence(key), now),
            mounting.doors,
            0 if binding.occupancy_limit is None or not may_come_in else self._inside(binding, now),
            0 if binding.doors_expire_after_offline is None else tables.unheard_for(now),
            seen.credential,
            seen.card.is_random,
        )

    def _inside(self, binding: Binding, now: ClockReading) -> int:
        """How many are inside: whose newest movement, seen here or told by the cloud, is an IN that still counts."""
        longest = longest_age(binding.reset, binding.zone, now)

        def is_in(last: Movement | None) -> bool:
            return last is not None and last.direction is Direction.IN and is_recent(last, longest, now)

        told = dict(self.tables.came_in())
        here = ((key, own) for key, own in self.movements.came_in(binding.project) if key not in told)
        inside = sum(is_in(newer(self.movements.of(binding.project, key), last, now)) for key, last in told.items())
        return inside + sum(is_in(newer(own, self.tables.presence(key), now)) for key, own in here)


def _first(look_up: Callable[[CardId], Row | None], cards: Iterable[CardId]) -> Row | None:
    """What is known of the first identity of a card of which anything is."""
    return next((row for row in map(look_up, cards) if row is not None), None)


def _key(seen: CardSeen, enrolment: Enrolment | None) -> bytes:
    person, company = (None, None) if enrolment is None else (enrolment.person, enrolment.company)
    return presence_key(str(seen.card), person, company)
