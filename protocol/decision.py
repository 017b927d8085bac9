"""The rule that answers a tap: a pure function that terminal, portal and phone all call.

Order, first denial wins: unbound, project ended, blocked, not enrolled. An OUT at a bound terminal is never denied:
nobody is trapped and no pass stays open; what would have denied it stands on the entry as a remark (DESIGN 6).
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from protocol.clock import MICROSECONDS, ClockReading

LONGEST_PASS = 13 * 3600 * MICROSECONDS  # ID06 Log Index: a pass is at most 13 hours (domain.md 1.3.3)


class Direction(StrEnum):
    """Which way a person goes."""

    IN = "in"
    OUT = "out"


class ReaderDirection(StrEnum):
    """What a reader is mounted for; `toggle` serves both ways."""

    IN = "in"
    OUT = "out"
    TOGGLE = "toggle"


class Mode(StrEnum):
    """Who may come in: `open` admits unknown cards that are not blocked, `closed` only enrolled people (A03)."""

    OPEN = "open"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a tap was denied, or the remark on one that was granted. Stored and sent: never rename a value."""

    UNBOUND = "unbound"
    PROJECT_ENDED = "project_ended"
    BLOCKED = "blocked"
    NOT_ENROLLED = "not_enrolled"


class BlockReason(StrEnum):
    """Why a card is on the blocklist. The wire carries the position in `protocol.tables.BLOCK_REASONS`."""

    NOT_ACTIVE = "not_active"
    LOST = "lost"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    OTHER = "other"


class TableName(msgspec.Struct, frozen=True, array_like=True):
    """Which table counts now: what it holds, for whom, and since which beginning (DESIGN 8, Down)."""

    name: str
    scope: str
    epoch: bytes


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """Which project, place and mode a terminal has, and which tables count with it. Times: microseconds UTC."""

    project: str
    project_name: str
    place: str
    zone: str
    mode: Mode
    ended: bool
    reset: str | None
    doors: tuple[str, ...]
    tables: tuple[TableName, ...]


class Enrolment(msgspec.Struct, frozen=True, array_like=True):
    """A card's row in the roster: whose it is and for which company (one ID06 card = one person + one employer)."""

    person: str
    company: str


@dataclass(frozen=True, slots=True)
class Movement:
    """The newest movement known here of a person for a company on a project (of an unknown person: of the card)."""

    direction: Direction
    at: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a terminal knows when a card is held against it."""

    binding: Binding | None
    reader: ReaderDirection
    enrolment: Enrolment | None
    blocked: BlockReason | None
    movement: Movement | None


@dataclass(frozen=True, slots=True)
class Granted:
    """The tap is admitted: which way, which doors open, and what is remarked on it."""

    direction: Direction
    doors: tuple[str, ...]
    remark: Reason | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The tap is refused, for the first reason that held."""

    reason: Reason
    direction: Direction | None = None


Verdict = Granted | Denied


def decide(facts: Facts, now: ClockReading) -> Verdict:
    """Answer a tap from what is known here. Total and pure: the same facts give the same verdict."""
    binding = facts.binding
    if binding is None:
        return Denied(Reason.UNBOUND)
    direction = direction_of(facts.reader, facts.movement, binding, now)
    objection = _first_objection(binding, facts)
    if direction is Direction.OUT:
        return Granted(direction, binding.doors, objection)
    if objection is not None:
        return Denied(objection, direction)
    return Granted(direction, binding.doors)


def _first_objection(binding: Binding, facts: Facts) -> Reason | None:
    if binding.ended:
        return Reason.PROJECT_ENDED
    if facts.blocked is not None:
        return Reason.BLOCKED
    if binding.mode is Mode.CLOSED and facts.enrolment is None:
        return Reason.NOT_ENROLLED
    return None


def direction_of(reader: ReaderDirection, movement: Movement | None, binding: Binding, now: ClockReading) -> Direction:
    """Which way a tap goes: the reader's way, or out for who came in less than 13 h ago and since the reset."""
    if reader is not ReaderDirection.TOGGLE:
        return Direction(reader.value)
    if movement is None or movement.direction is Direction.OUT:
        return Direction.IN
    if now.utc - movement.at >= LONGEST_PASS:
        return Direction.IN
    if binding.reset is not None and movement.at < latest_reset(binding.reset, binding.zone, now):
        return Direction.IN
    return Direction.OUT


def latest_reset(reset: str, zone: str, now: ClockReading) -> int:
    """When presence was last reset, in microseconds UTC; `reset` is local time as HH:MM.

    A time that a clock change skips counts as the moment after the gap, one that comes twice as its first.
    """
    here = now.moment.astimezone(ZoneInfo(zone))
    at = datetime.combine(here.date(), time.fromisoformat(reset), tzinfo=here.tzinfo)
    if at.timestamp() > here.timestamp():
        at = datetime.combine(here.date() - timedelta(days=1), time.fromisoformat(reset), tzinfo=here.tzinfo)
    return int(at.timestamp()) * MICROSECONDS
