"""Who is inside and when somebody worked: what movements say of now and of a day, which both sides must see alike."""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading

LONGEST_PASS = 13 * 3600 * MICROSECONDS  # ID06 Log Index: a pass is at most 13 hours (domain.md 1.3.3)
MOST_WAITING = 100_000  # passes that have begun within 13 hours: more than go through any gate

T = TypeVar("T")


class Direction(StrEnum):
    """Which way a person goes."""

    IN = "in"
    OUT = "out"


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


def age_of(movement: Movement, now: ClockReading) -> int | None:
    """How long ago it was, in microseconds; None where nobody can tell.

    Within one boot monotonic time says so, whatever happens to the wall clock. Over boots the wall clocks do, where
    both were trusted. A terminal that began in 1970 or 2099 cannot tell how long ago a movement before its boot was.
    """
    if movement.boot_id and movement.boot_id == now.boot_id:
        return (now.monotonic - movement.monotonic) // 1000
    if ClockQuality.UNTRUSTED in (movement.quality, now.quality):
        return None
    return now.utc - movement.at


def newer(own: Movement | None, elsewhere: Movement | None, now: ClockReading) -> Movement | None:
    """Which of two movements of the same person came later: seen at this terminal, and told by the cloud.

    Where the clocks cannot say, what was seen in this boot counts, and else what the cloud says: it has placed in time
    what it got of this terminal before.
    """
    if own is None or elsewhere is None:
        return own or elsewhere
    ages = age_of(own, now), age_of(elsewhere, now)
    if ages[0] is not None and ages[1] is not None:
        return own if ages[0] <= ages[1] else elsewhere
    if own.boot_id == now.boot_id:
        return own
    return own if own.quality is not ClockQuality.UNTRUSTED and own.at >= elsewhere.at else elsewhere


def still_counting(movement: Movement | None, reset: str | None, zone: str, now: ClockReading) -> Movement | None:
    """The movement, if it says anything about now: younger than 13 h, and since presence was last reset.

    One of unknown age counts as recent, so that a toggle reader still toggles under a clock that cannot be trusted.
    """
    return movement if movement is not None and is_recent(movement, longest_age(reset, zone, now), now) else None


def is_recent(movement: Movement, longest: int, now: ClockReading) -> bool:
    """Whether a movement is younger than `longest`, in microseconds, or nobody can tell.

    What this terminal saw before the last boot is at least as old as the boot is, so in time it is told all the same.
    """
    age = age_of(movement, now)
    if age is None:
        age = now.monotonic // 1000 if movement.boot_id else 0
    return age < longest


def longest_age(reset: str | None, zone: str, now: ClockReading) -> int:
    """From which age on a movement says nothing, in microseconds: 13 h, or less where presence was reset since.

    The reset is a time of day, so it means nothing to a clock that cannot be trusted.
    """
    if reset is None or not now.is_trusted:
        return LONGEST_PASS
    return min(LONGEST_PASS, now.utc - latest_reset(reset, zone, now) + 1)


def latest_reset(reset: str, zone: str, now: ClockReading) -> int:
    """When presence was last reset, in microseconds UTC; `reset` is local time as HH:MM.

    A time that a clock change skips counts as the moment after the gap, one that comes twice as its first.
    """
    here = local(now, zone)
    at = datetime.combine(here.date(), time.fromisoformat(reset), tzinfo=here.tzinfo)
    if at.timestamp() > here.timestamp():
        at = datetime.combine(here.date() - timedelta(days=1), time.fromisoformat(reset), tzinfo=here.tzinfo)
    return int(at.timestamp()) * MICROSECONDS


def local(now: ClockReading, zone: str) -> datetime:
    """What a clock on the wall of the project shows."""
    return now.moment.astimezone(ZoneInfo(zone))


# --- passes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """A granted tap on its way into a pass: whose, which way and when, and the entry that it stands for.

    `who` is a person for a company on a project, or a card that nobody is known to hold: two companies are two.
    """

    who: Hashable
    movement: Movement
    entry: T


@dataclass(frozen=True, slots=True)
class Pass(Generic[T]):
    """An IN and the OUT that ended it; without one of them it is incomplete.

    `is_open`: no movement has come since that says anything about its end, so the person may still be there.
    """

    began: Step[T] | None
    ended: Step[T] | None
    is_open: bool = False

    def work_day(self, zone: str) -> date:
        """The local date of its IN, so that a night shift is one pass; of its OUT where there is no IN."""
        movements = [step.movement for step in (self.began, self.ended) if step is not None]
        return local(_reading(movements[0]), zone).date()


def can_be_one(began: Movement, ended: Movement) -> bool:
    """Whether an OUT may end this IN: it comes no more than 13 hours later, or nobody can tell."""
    return is_recent(began, LONGEST_PASS + 1, _reading(ended))


class Pairing(Generic[T]):
    """Makes passes of movements, given in the order in which they happened; gives them in the order they began.

    An OUT ends the IN that is the newest movement of the same `who`, where that is no more than 13 hours old. All else
    stays incomplete, and nothing is guessed: an IN that another IN follows, an IN without an OUT within 13 hours, the
    OUT that comes later than that, an OUT without an IN. It holds what began within 13 hours, and no more than `most`.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: deque[_Slot[T]] = deque()
        self._open: dict[Hashable, _Slot[T]] = {}

    def take(self, step: Step[T]) -> Iterator[Pass[T]]:
        """Go on with the next movement; gives the passes that nothing can change any more."""
        self._give_up_the_old(step.movement)
        before = self._open.pop(step.who, None)
        if before is not None:
            before.is_settled = True
        if step.movement.direction is Direction.IN:
            self._open[step.who] = slot = _Slot(step, None, False)
            self._waiting.append(slot)
        elif before is not None and before.began is not None and can_be_one(before.began.movement, step.movement):
            before.ended = step
        else:
            self._waiting.append(_Slot(None, step, True))
        while self._waiting and (self._waiting[0].is_settled or len(self._waiting) > self._most):
            yield self._first()

    def rest(self) -> Iterator[Pass[T]]:
        """Those that nothing ended so far, and what waits behind them; there are no more movements."""
        while self._waiting:
            yield self._first()
        self._open.clear()

    def _first(self) -> Pass[T]:
        slot = self._waiting.popleft()
        if not slot.is_settled and slot.began is not None:
            del self._open[slot.began.who]
        return Pass(slot.began, slot.ended, not slot.is_settled)

    def _give_up_the_old(self, now: Movement) -> None:
        """Those that are too old by now to be ended; the oldest IN stands first."""
        while self._open:
            who, slot = next(iter(self._open.items()))
            if slot.began is None or can_be_one(slot.began.movement, now):
                return
            slot.is_settled = True
            del self._open[who]


@dataclass(slots=True)
class _Slot(Generic[T]):
    """A place among the passes; it is settled once no movement can change it."""

    began: Step[T] | None
    ended: Step[T] | None
    is_settled: bool


def _reading(movement: Movement) -> ClockReading:
    """The clocks as they were at a movement."""
    return ClockReading(movement.at, movement.quality, movement.boot_id, movement.monotonic)
