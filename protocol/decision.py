"""The rule that answers a tap: a pure function that terminal, portal and phone all call.

Order, first denial wins: unbound, project ended, blocked, the card itself (random, expired, copied, mismatched, foreign
or unproved), not enrolled, no right, out of hours or clock untrusted, anti-passback, occupancy limit. An OUT at a bound
terminal is never denied: nobody is trapped, and what would have denied it stands on the entry as a remark (DESIGN 6).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from protocol.clock import MICROSECONDS, ClockReading
from protocol.credentials import PLAIN as PLAIN  # noqa: PLC0414 - whoever decides on a tap looks for it here
from protocol.credentials import CardAuthentication as CardAuthentication  # noqa: PLC0414
from protocol.credentials import Credential as Credential  # noqa: PLC0414
from protocol.credentials import Proof as Proof  # noqa: PLC0414
from protocol.passes import Direction as Direction  # noqa: PLC0414 - whoever reads a verdict looks for it here
from protocol.passes import Movement as Movement  # noqa: PLC0414
from protocol.passes import age_of, local, still_counting
from protocol.rights import Right

Holiday = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 24 * 60)]

MINUTE = 60 * MICROSECONDS


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
    CARD_RANDOM = "card_random"
    CARD_EXPIRED = "card_expired"
    CARD_COPIED = "card_copied"
    CARD_MISMATCHED = "card_mismatched"
    CARD_FOREIGN = "card_foreign"
    CARD_UNPROVED = "card_unproved"
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
    card_authentication: CardAuthentication = CardAuthentication.OFF
    site_id: str = ""
    developer: str = ""
    developer_number: str = ""


class Enrolment(msgspec.Struct, frozen=True, array_like=True):
    """A card's row in the roster: whose it is and for which company (one ID06 card = one person + one employer).

    `rights` are names of the binding's; None: everything, always. `long_access`: the door stays open longer.
    """

    person: str
    company: str
    rights: tuple[str, ...] | None = None
    long_access: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a terminal knows when a card is held against it.

    `at_doors`: the doors that the reader stands at (None: all). `inside`: how many people are inside, where the binding
    limits it. `unheard_for`: microseconds since the cloud was last heard (None: not known). `is_random`: the card gives
    another identity each time, so that nothing known of it means anything.
    """

    binding: Binding | None
    reader: ReaderDirection
    enrolment: Enrolment | None
    blocked: BlockReason | None
    movement: Movement | None
    at_doors: tuple[str, ...] | None = None
    inside: int = 0
    unheard_for: int | None = 0
    credential: Credential = PLAIN
    is_random: bool = False


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

_REFUTED: Final = {proof: Reason(f"card_{proof}") for proof in (Proof.COPIED, Proof.MISMATCHED, Proof.FOREIGN)}


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which doors somebody's rights open now, or why they open none, or what is remarked on their doing so."""

    doors: tuple[str, ...]
    objection: Reason | None = None
    remark: Reason | None = None


def decide(facts: Facts, now: ClockReading) -> Verdict:
    """Answer a tap from what is known here. Total and pure: the same facts give the same verdict, and nothing raises.

    An IN opens the doors that the reader stands at and that rights which hold now lead to; an OUT opens all of them.
    A card that is proved to be another's is not where that one is: at a reader for both ways it wants in.
    """
    binding = facts.binding
    if binding is None:
        return Denied(Reason.UNBOUND)
    is_another = facts.credential.is_refuted and binding.card_authentication is not CardAuthentication.OFF
    last = still_counting(None if is_another else facts.movement, binding.reset, binding.zone, now)
    direction = _direction(facts.reader, last)
    at_doors = facts.at_doors
    doors = binding.doors if at_doors is None else tuple(door for door in binding.doors if door in at_doors)
    reach = _reach(binding, facts.enrolment, doors, now)
    passed_back = _is_passed_back(binding, direction, last, now)
    objection = _first_objection(binding, facts, _objection_to_card(binding, facts, now), reach, passed_back)
    if objection is None and direction is Direction.IN and _is_full(binding, facts.inside, last):
        objection = Reason.OCCUPANCY_LIMIT
    remark = objection or reach.remark or (Reason.ANTI_PASSBACK if passed_back else None)
    long_access = facts.enrolment is not None and facts.enrolment.long_access
    if direction is Direction.OUT:
        return Granted(direction, doors, remark, long_access)
    if objection is not None:
        return Denied(objection, direction)
    if reach.doors and _have_doors_expired(binding, facts.unheard_for):
        return Granted(direction, (), Reason.DOORS_EXPIRED)
    return Granted(direction, reach.doors, remark, long_access)


def _first_objection(
    binding: Binding, facts: Facts, to_card: Reason | None, reach: _Reach, passed_back: bool
) -> Reason | None:
    if binding.ended:
        return Reason.PROJECT_ENDED
    if facts.blocked is not None:
        return Reason.BLOCKED
    if to_card is not None:
        return to_card
    if binding.mode is Mode.CLOSED and facts.enrolment is None:
        return Reason.NOT_ENROLLED
    if reach.objection is None and passed_back and binding.anti_passback is not AntiPassback.SOFT:
        return Reason.ANTI_PASSBACK
    return reach.objection


def _objection_to_card(binding: Binding, facts: Facts, now: ClockReading) -> Reason | None:
    """What is wrong with the card itself, whoever holds it; its proof is judged only where the project asks for it."""
    credential, policy = facts.credential, binding.card_authentication
    if facts.is_random:
        return Reason.CARD_RANDOM
    if credential.is_out_of_date(now):
        return Reason.CARD_EXPIRED
    if policy is CardAuthentication.OFF or credential.proof is Proof.GENUINE:
        return None
    return _REFUTED.get(credential.proof, Reason.CARD_UNPROVED if policy is CardAuthentication.REQUIRE else None)


def _direction(reader: ReaderDirection, last: Movement | None) -> Direction:
    if reader is not ReaderDirection.TOGGLE:
        return Direction(reader.value)
    return Direction.IN if last is None or last.direction is Direction.OUT else Direction.OUT


def _reach(binding: Binding, enrolment: Enrolment | None, doors: tuple[str, ...], now: ClockReading) -> _Reach:
    """What the rights of whoever taps come to here. A card without a person, let in by the mode, has all doors."""
    if enrolment is None or enrolment.rights is None:
        return _Reach(doors)
    leading = [right for right in binding.rights if right.name in enrolment.rights and right.leads_to(doors)]
    if not leading:
        return _Reach((), Reason.NO_RIGHT)
    remark = None
    if all(right.hours is None for right in leading):
        holding = leading
    elif now.is_trusted:
        here = local(now, binding.zone)
        holding = [right for right in leading if right.holds(here, binding.holidays)]
    elif binding.clock_untrusted is ClockPolicy.IGNORE_SCHEDULES:
        holding, remark = leading, Reason.CLOCK_UNTRUSTED
    else:
        holding = [right for right in leading if right.hours is None]
    if not holding:
        return _Reach((), Reason.OUT_OF_HOURS if now.is_trusted else Reason.CLOCK_UNTRUSTED)
    return _Reach(tuple(door for door in doors if any(right.opens(door) for right in holding)), None, remark)


def _is_passed_back(binding: Binding, direction: Direction, last: Movement | None, now: ClockReading) -> bool:
    """Whether somebody goes the same way twice, and it is not forgiven yet; an unknown age forgives nothing."""
    if binding.anti_passback is AntiPassback.OFF or last is None or last.direction is not direction:
        return False
    if binding.anti_passback is not AntiPassback.TIMED:
        return True
    age = age_of(last, now)
    return age is None or age < binding.anti_passback_minutes * MINUTE


def _is_full(binding: Binding, inside: int, last: Movement | None) -> bool:
    """Whether nobody more may come in; who is inside already takes no second place."""
    if binding.occupancy_limit is None or (last is not None and last.direction is Direction.IN):
        return False
    return inside >= binding.occupancy_limit


def _have_doors_expired(binding: Binding, unheard_for: int | None) -> bool:
    """Whether the cloud was silent for too long to open doors on its word; a silence nobody measured is too long."""
    longest = binding.doors_expire_after_offline
    return longest is not None and (unheard_for is None or unheard_for >= longest * MINUTE)
