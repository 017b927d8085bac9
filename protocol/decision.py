"""The rule that answers a tap: a pure function that terminal, portal and phone all call.

Order, first denial wins: unbound, project ended, blocked, not enrolled. An OUT at a bound terminal is never denied:
nobody is trapped and no pass stays open; what would have denied it stands on the entry as a remark (DESIGN 6).
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.rights import Right

Holiday = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 24 * 60)]

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
    NO_RIGHT = "no_right"
    OUT_OF_HOURS = "out_of_hours"
    CLOCK_UNTRUSTED = "clock_untrusted"
    ANTI_PASSBACK = "anti_passback"
    OCCUPANCY_LIMIT = "occupancy_limit"
    DOORS_EXPIRED = "doors_expired"


class AntiPassback(StrEnum):
    """What is done about who comes in twice without going out between: nothing, a remark, a denial, one for a while."""

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"
    TIMED = "timed"


class ClockPolicy(StrEnum):
    """What an untrusted clock means for people whose rights have hours: admitted all the same, or not."""

    IGNORE_SCHEDULES = "ignore_schedules"
    ALWAYS_ONLY = "always_only"


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
    """Which project, place and mode a terminal has, which tables count with it, and the policies there.

    `holidays` are dates as YYYY-MM-DD; `doors_expire_after_offline` is in minutes, None: never.
    """

    project: str
    project_name: str
    place: str
    zone: str
    mode: Mode
    ended: bool
    reset: str | None
    doors: tuple[str, ...]
    tables: tuple[TableName, ...]
    rights: tuple[Right, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    anti_passback: AntiPassback = AntiPassback.OFF
    anti_passback_minutes: Minutes = 0
    occupancy_limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    doors_expire_after_offline: Minutes | None = None
    clock_untrusted: ClockPolicy = ClockPolicy.IGNORE_SCHEDULES


class Enrolment(msgspec.Struct, frozen=True, array_like=True):
    """A card's row in the roster: whose it is and for which company (one ID06 card = one person + one employer).

    `rights` are names of the binding's; None: everything, always. `long_access`: the door stays open longer.
    """

    person: str
    company: str
    rights: tuple[str, ...] | None = None
    long_access: bool = False


@dataclass(frozen=True, slots=True)
class Movement:
    """The newest movement known here of a person for a company on a project (of an unknown person: of the card).

    `at`: microseconds UTC by a clock of this quality. `monotonic`: nanoseconds since the boot `boot_id`, where it was
    this terminal that saw it: its age within one boot is by monotonic time, so that a clock step moves nothing.
    """

    direction: Direction
    at: int
    boot_id: bytes = b""
    monotonic: int = 0
    quality: ClockQuality = ClockQuality.SYNCHRONISED


@dataclass(frozen=True, slots=True)
class Facts:
    """What a terminal knows when a card is held against it.

    `at_doors`: the doors that the reader stands at (None: all). `inside`: how many people are inside, where the binding
    limits it. `unheard_for`: microseconds since the cloud was last heard (None: not known).
    """

    binding: Binding | None
    reader: ReaderDirection
    enrolment: Enrolment | None
    blocked: BlockReason | None
    movement: Movement | None
    at_doors: tuple[str, ...] | None = None
    inside: int = 0
    unheard_for: int | None = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """The tap is admitted: which way, which doors open, and what is remarked on it."""

    direction: Direction
    doors: tuple[str, ...]
    remark: Reason | None = None
    long_access: bool = False


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
