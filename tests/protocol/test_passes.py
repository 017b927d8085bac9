"""A movement counts for 13 hours and until the reset, by the clock that can tell."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.passes import LONGEST_PASS, Direction, Movement, age_of, latest_reset, newer, still_counting
from tests.protocol.examples import SEVEN

HOUR = 3600 * MICROSECONDS
BOOT, EARLIER = b"b" * 16, b"a" * 16
IN_1970 = 90 * MICROSECONDS
IN_2099 = SEVEN + 73 * 366 * 24 * HOUR
TRUSTED, UNTRUSTED = ClockQuality.HELD, ClockQuality.UNTRUSTED
ZONE = "Europe/Stockholm"


def reading(utc: int, quality: ClockQuality = TRUSTED, monotonic: int = 3 * HOUR * 1000) -> ClockReading:
    """The clocks of this boot, which is three hours old."""
    return ClockReading(utc, quality, BOOT, monotonic)


@pytest.mark.parametrize(
    ("movement", "now", "expected"),
    [
        (Movement(Direction.IN, SEVEN, BOOT, HOUR * 1000), reading(SEVEN), 2 * HOUR),
        (Movement(Direction.IN, IN_1970, BOOT, HOUR * 1000, UNTRUSTED), reading(SEVEN), 2 * HOUR),  # then it was set
        (Movement(Direction.IN, SEVEN, BOOT, HOUR * 1000), reading(IN_2099), 2 * HOUR),  # a step moves nothing
        (Movement(Direction.IN, SEVEN, EARLIER, 99), reading(SEVEN + HOUR), HOUR),
        (Movement(Direction.IN, SEVEN), reading(SEVEN + HOUR), HOUR),
        (Movement(Direction.IN, SEVEN), reading(SEVEN + HOUR, UNTRUSTED), None),
        (Movement(Direction.IN, SEVEN, EARLIER), reading(IN_1970, UNTRUSTED), None),
        (Movement(Direction.IN, IN_2099, EARLIER, 0, UNTRUSTED), reading(SEVEN), None),
    ],
)
def test_the_age_is_that_of_the_clock_that_can_tell(
    movement: Movement, now: ClockReading, expected: int | None
) -> None:
    assert age_of(movement, now) == expected


@pytest.mark.parametrize(
    ("movement", "now", "reset", "counts"),
    [
        (Movement(Direction.IN, SEVEN - LONGEST_PASS + 1), reading(SEVEN), None, True),
        (Movement(Direction.IN, SEVEN - LONGEST_PASS), reading(SEVEN), None, False),
        (Movement(Direction.IN, SEVEN - 6 * HOUR), reading(SEVEN), "03:00", False),
        (Movement(Direction.IN, SEVEN - 6 * HOUR), reading(SEVEN), "01:30", True),
        (Movement(Direction.IN, SEVEN - 6 * HOUR), reading(SEVEN, UNTRUSTED), "03:00", True),
        # recorded in 1970, six hours ago by the time since boot, and the clock was set meanwhile
        (
            Movement(Direction.IN, IN_1970, BOOT, 0, UNTRUSTED),
            reading(SEVEN, monotonic=6 * HOUR * 1000),
            "03:00",
            False,
        ),
        (Movement(Direction.IN, IN_1970, BOOT, 0, UNTRUSTED), reading(SEVEN, monotonic=4 * HOUR * 1000), "03:00", True),
        (Movement(Direction.IN, SEVEN, BOOT, 0), reading(SEVEN, UNTRUSTED, 13 * HOUR * 1000), None, False),
        # the reset was five hours ago, says a clock that nobody believes
        (Movement(Direction.IN, SEVEN, BOOT, 0), reading(SEVEN, UNTRUSTED, 6 * HOUR * 1000), "03:00", True),
        # from before this boot, which is thirteen hours old by now, or nearly
        (
            Movement(Direction.IN, IN_1970, EARLIER, 0, UNTRUSTED),
            reading(SEVEN, TRUSTED, 13 * HOUR * 1000),
            None,
            False,
        ),
        (Movement(Direction.IN, IN_1970, EARLIER, 0, UNTRUSTED), reading(SEVEN, TRUSTED, 12 * HOUR * 1000), None, True),
        (Movement(Direction.IN, IN_2099, EARLIER, 0, UNTRUSTED), reading(SEVEN), "03:00", True),  # nobody can tell
    ],
)
def test_a_movement_counts_for_thirteen_hours_and_until_the_reset(
    movement: Movement, now: ClockReading, reset: str | None, counts: bool
) -> None:
    assert still_counting(movement, reset, ZONE, now) == (movement if counts else None)


OWN_NOW = Movement(Direction.IN, IN_1970, BOOT, 2 * HOUR * 1000, UNTRUSTED)  # an hour ago
OWN_BEFORE = Movement(Direction.IN, SEVEN - HOUR, EARLIER, 5)
OWN_SOMETIME = Movement(Direction.IN, IN_2099, EARLIER, 5, UNTRUSTED)


def told(ago: int) -> Movement:
    """A movement that the cloud told of."""
    return Movement(Direction.OUT, SEVEN - ago)


@pytest.mark.parametrize(
    ("own", "elsewhere", "now", "own_wins"),
    [
        (OWN_NOW, told(2 * HOUR), reading(SEVEN), True),
        (OWN_NOW, told(HOUR), reading(SEVEN), True),
        (OWN_NOW, told(HOUR - 1), reading(SEVEN), False),
        (OWN_NOW, told(0), reading(IN_1970, UNTRUSTED), True),  # what happened here since the boot is what is known
        (OWN_BEFORE, told(2 * HOUR), reading(SEVEN), True),
        (OWN_BEFORE, told(1), reading(SEVEN), False),
        (OWN_BEFORE, told(2 * HOUR), reading(IN_1970, UNTRUSTED), True),  # both are of clocks that were right
        (OWN_BEFORE, told(1), reading(IN_1970, UNTRUSTED), False),
        (OWN_SOMETIME, told(HOUR), reading(SEVEN), False),
        (OWN_SOMETIME, told(HOUR), reading(IN_1970, UNTRUSTED), False),
    ],
)
def test_the_later_of_two_movements_counts_wherever_it_was_seen(
    own: Movement, elsewhere: Movement, now: ClockReading, own_wins: bool
) -> None:
    assert newer(own, elsewhere, now) is (own if own_wins else elsewhere)
    assert newer(own, None, now) is own
    assert newer(None, elsewhere, now) is elsewhere
    assert newer(None, None, now) is None


@pytest.mark.parametrize(
    ("now", "reset", "expected"),
    [
        ("2026-03-29T08:00:00+02:00", "02:30", "2026-03-29T03:30:00+02:00"),  # skipped by the clock change
        ("2026-10-25T08:00:00+01:00", "02:30", "2026-10-25T02:30:00+02:00"),  # comes twice, the first counts
        ("2026-05-04T02:59:59+02:00", "03:00", "2026-05-03T03:00:00+02:00"),
        ("2026-05-04T03:00:00+02:00", "03:00", "2026-05-04T03:00:00+02:00"),
    ],
)
def test_the_reset_follows_the_local_clock(now: str, reset: str, expected: str) -> None:
    """Presence resets at a time of day of the project, over both clock changes of a year."""
    shown = reading(int(datetime.fromisoformat(now).timestamp()) * MICROSECONDS)
    assert latest_reset(reset, ZONE, shown) == int(datetime.fromisoformat(expected).timestamp()) * MICROSECONDS


@given(st.integers(SEVEN - 10_000 * HOUR, SEVEN + 10_000 * HOUR), st.sampled_from(["00:00", "02:30", "03:00", "23:59"]))
def test_the_reset_lies_within_the_last_day(when: int, reset: str) -> None:
    """It is never in the future and at most 25 hours old (the long day of autumn)."""
    age = when - latest_reset(reset, ZONE, reading(when))
    assert -MICROSECONDS < age <= timedelta(hours=25).total_seconds() * MICROSECONDS
