"""Who is inside: what a movement says about now, which terminal and cloud must see alike."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading

LONGEST_PASS = 13 * 3600 * MICROSECONDS  # ID06 Log Index: a pass is at most 13 hours (domain.md 1.3.3)


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
