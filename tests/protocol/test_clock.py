"""A reading is a moment of the calendar, whatever the clock shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import ClockQuality, ClockReading


def reading(utc: int, quality: ClockQuality = ClockQuality.SYNCHRONISED) -> ClockReading:
    return ClockReading(utc, quality, bytes(16), 0)


@given(st.integers(-(2**80), 2**80), st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Stockholm"]))
def test_a_clock_may_show_anything(utc: int, zone: str) -> None:
    """A year that no calendar here knows becomes the nearest it does, with room for the days before and after."""
    here = reading(utc).moment.astimezone(ZoneInfo(zone))
    assert here - timedelta(days=2) < here < here + timedelta(days=2)


@given(st.integers(0, 2_000_000_000), st.integers(0, 999_999))
def test_a_moment_is_exact_to_the_microsecond(second: int, microsecond: int) -> None:
    expected = datetime.fromtimestamp(second, UTC).replace(microsecond=microsecond)
    assert reading(second * 1_000_000 + microsecond).moment == expected


@pytest.mark.parametrize("quality", ClockQuality)
def test_a_clock_is_trusted_unless_it_is_untrusted(quality: ClockQuality) -> None:
    assert reading(0, quality).is_trusted is (quality is not ClockQuality.UNTRUSTED)
