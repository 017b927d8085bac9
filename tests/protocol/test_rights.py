"""A right holds in its hours by the wall clock of the project: nights, holidays and both clock changes of a year."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.rights import HOLIDAY, Hours, Right

STOCKHOLM = ZoneInfo("Europe/Stockholm")
MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)
DAY = Hours(MONDAY_TO_FRIDAY, 6 * 60, 18 * 60)
NIGHT = Hours((*MONDAY_TO_FRIDAY, 5, 6), 22 * 60, 6 * 60)
SUNDAY_NIGHT = Hours((6,), 22 * 60, 6 * 60)
SATURDAY_NIGHT = Hours((5,), 22 * 60, 6 * 60)
MIDSUMMER = ("2026-06-19", "2026-06-20")  # the Eve is a Friday; by collective agreement as free as the Day

pytestmark = pytest.mark.feature("F15")


def local(text: str) -> datetime:
    """A moment as it stands on the wall in Stockholm; an offset tells the two hours apart that an autumn night has."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(STOCKHOLM) if moment.tzinfo else moment.replace(tzinfo=STOCKHOLM)


def holds(hours: Hours, when: str, holidays: tuple[str, ...] = ()) -> bool:
    return Right("shift", None, (hours,)).holds(local(when), holidays)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-06-10T05:59:59", False),
        ("2026-06-10T06:00:00", True),
        ("2026-06-10T17:59:59", True),
        ("2026-06-10T18:00:00", False),
        ("2026-06-13T12:00:00", False),  # a Saturday
    ],
)
def test_a_day_shift_holds_from_its_first_minute_to_before_its_last(when: str, expected: bool) -> None:
    assert holds(DAY, when) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-06-14T21:59:00", False),
        ("2026-06-14T22:00:00", True),  # Sunday evening
        ("2026-06-15T05:59:00", True),  # Monday morning belongs to Sunday
        ("2026-06-15T06:00:00", False),
        ("2026-06-15T22:00:00", False),
        ("2026-06-14T05:00:00", False),  # Sunday morning would belong to Saturday
    ],
)
def test_a_night_shift_belongs_to_the_day_it_begins(when: str, expected: bool) -> None:
    assert holds(SUNDAY_NIGHT, when) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-03-28T22:00:00+01:00", True),
        ("2026-03-29T01:59:59+01:00", True),
        ("2026-03-29T03:00:00+02:00", True),  # the second after, an hour later on the wall
        ("2026-03-29T05:59:59+02:00", True),
        ("2026-03-29T06:00:00+02:00", False),  # seven hours after it began, and it is six on the wall
    ],
)
def test_a_night_shift_lasts_seven_hours_when_summer_time_begins(when: str, expected: bool) -> None:
    assert holds(SATURDAY_NIGHT, when) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-10-24T22:00:00+02:00", True),
        ("2026-10-25T02:30:00+02:00", True),
        ("2026-10-25T02:30:00+01:00", True),  # the same on the wall, an hour later
        ("2026-10-25T05:59:59+01:00", True),
        ("2026-10-25T06:00:00+01:00", False),  # nine hours after it began
    ],
)
def test_a_night_shift_lasts_nine_hours_when_summer_time_ends(when: str, expected: bool) -> None:
    assert holds(SATURDAY_NIGHT, when) is expected


@pytest.mark.parametrize(
    ("day", "minutes"), [("2026-10-24T22:00Z", 60), ("2026-03-28T23:00Z", 0), ("2026-06-13T22:00Z", 30)]
)
def test_an_hour_that_comes_twice_counts_twice_and_one_that_is_skipped_never(day: str, minutes: int) -> None:
    """Half past two to three on a Sunday, minute after minute: when the clocks change, and in between."""
    half_hour, midnight = Hours((6,), 2 * 60 + 30, 3 * 60), datetime.fromisoformat(day)
    walls = [(midnight + timedelta(minutes=passed)).astimezone(STOCKHOLM) for passed in range(23 * 60)]
    assert sum(half_hour.cover(wall, ()) for wall in walls) == minutes


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        (DAY, "2026-06-18T12:00:00", True),
        (DAY, "2026-06-19T12:00:00", False),  # Midsummer's Eve
        (Hours((HOLIDAY,), 8 * 60, 12 * 60), "2026-06-19T09:00:00", True),
        (Hours((HOLIDAY,), 8 * 60, 12 * 60), "2026-06-18T09:00:00", False),
        (Hours((*MONDAY_TO_FRIDAY, HOLIDAY), 360, 1080), "2026-06-19T12:00:00", True),
        (NIGHT, "2026-06-19T02:00:00", True),  # the shift of Thursday evening goes on into the holiday
        (NIGHT, "2026-06-19T22:00:00", False),  # none begins on it
        (NIGHT, "2026-06-20T02:00:00", False),
        (NIGHT, "2026-06-21T22:00:00", True),
    ],
)
def test_on_a_holiday_only_begins_what_names_holidays(hours: Hours, when: str, expected: bool) -> None:
    assert holds(hours, when, MIDSUMMER) is expected


@pytest.mark.parametrize("hours", [Hours((0,), 0, 24 * 60), Hours((0,), 0, 0)])
def test_a_whole_day_can_be_written_in_two_ways(hours: Hours) -> None:
    assert [holds(hours, f"2026-06-{day}T{time}") for day, time in ((14, "23:59"), (15, "00:00"), (15, "23:59"))] == [
        False,
        True,
        True,
    ]
    assert not holds(hours, "2026-06-16T00:00:00")


def test_a_right_without_hours_always_holds_and_one_with_none_left_never() -> None:
    assert Right("always").holds(local("2026-06-20T03:00:00"), MIDSUMMER)
    assert not Right("never", None, ()).holds(local("2026-06-10T12:00:00"), ())


def test_a_right_leads_to_its_doors_and_one_to_all_doors_everywhere() -> None:
    """Also to a place that only registers and has none."""
    assert Right("gate", ("gate",)).leads_to(("shed", "gate"))
    assert not Right("gate", ("gate",)).leads_to(("shed",))
    assert not Right("gate", ("gate",)).leads_to(())
    assert Right("all").leads_to(())


minutes = st.integers(min_value=0, max_value=24 * 60)


@given(
    st.integers(1_767_225_600, 1_830_297_600).map(lambda second: datetime.fromtimestamp(second, STOCKHOLM)),
    st.lists(st.integers(0, 7), max_size=8).map(tuple),
    minutes,
    minutes,
)
def test_hours_cut_in_two_cover_what_they_covered(
    when: datetime, days: tuple[int, ...], begins: int, ends: int
) -> None:
    """A night is an evening and a morning of the next day, whichever days are named."""
    whole = Hours(days, begins, ends)
    if begins < ends:
        middle = (begins + ends) // 2
        parts = [Hours(days, begins, middle)] * (begins < middle) + [Hours(days, middle, ends)]
        assert whole.cover(when, ()) is any(part.cover(when, ()) for part in parts)
    elif begins < 24 * 60:
        evening = Hours(days, begins, 24 * 60)
        yesterday = tuple((day + 1) % 7 for day in days if day != HOLIDAY)
        morning = Hours(yesterday, 0, ends)
        expected = evening.cover(when, ()) or (ends > 0 and morning.cover(when, ()))
        assert whole.cover(when, ()) is expected
