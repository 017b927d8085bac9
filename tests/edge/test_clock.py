"""A reading says how far it can be trusted, and nothing trusts a clock that nobody vouches for."""

import time
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock.clock import SystemClock, boot_id, kernel_is_synchronised
from edge.clock.trust import FIRST_POSSIBLE, LAST_POSSIBLE, LONGEST_AWAY, STEPPED, Trust
from protocol.clock import MICROSECONDS, ClockQuality

DAY: Final = 86_400 * MICROSECONDS
KNOWN: Final = 1_781_092_800 * MICROSECONDS  # 2026-06-10 12:00 UTC
IN_1970: Final = 30 * MICROSECONDS
IN_2099: Final = 4_070_908_800 * MICROSECONDS

SYNCHRONISED, HELD, UNTRUSTED = ClockQuality.SYNCHRONISED, ClockQuality.HELD, ClockQuality.UNTRUSTED


def test_a_reading_holds_both_clocks_and_the_boot() -> None:
    before = time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    reading = SystemClock().read()
    after = time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before[0] <= reading.utc <= after[0]
    assert before[1] <= reading.monotonic <= after[1]
    named = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert reading.boot_id.hex() == boot_id().hex() == named.replace("-", "")


def test_the_time_since_boot_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.read().monotonic for _ in range(1000)]
    assert readings == sorted(readings)


@pytest.mark.parametrize(("battery", "on_its_own"), [(False, UNTRUSTED), (True, HELD)])
def test_the_kernel_says_whether_the_clock_is_synchronised(battery: bool, on_its_own: ClockQuality) -> None:
    clock = SystemClock(Trust(battery))
    assert clock.read().quality is (SYNCHRONISED if kernel_is_synchronised() else on_its_own)


@pytest.mark.feature("F16")
@pytest.mark.parametrize(
    ("utc", "quality"),
    [
        (0, UNTRUSTED),
        (IN_1970, UNTRUSTED),
        (FIRST_POSSIBLE - 1, UNTRUSTED),
        (FIRST_POSSIBLE, SYNCHRONISED),
        (KNOWN - DAY, SYNCHRONISED),  # a floor that was too high is corrected by who knows better
        (KNOWN, SYNCHRONISED),
        (LAST_POSSIBLE - 1, SYNCHRONISED),
        (LAST_POSSIBLE, UNTRUSTED),
        (IN_2099, UNTRUSTED),
    ],
)
def test_a_clock_that_is_vouched_for_is_trusted_within_what_is_possible(utc: int, quality: ClockQuality) -> None:
    assert Trust(floor=KNOWN).judge(utc, utc, synchronised=True) is quality


@pytest.mark.feature("F16")
@pytest.mark.parametrize(
    ("utc", "with_battery"),
    [
        (IN_1970, UNTRUSTED),
        (FIRST_POSSIBLE, UNTRUSTED),
        (KNOWN - 1, UNTRUSTED),
        (KNOWN, HELD),
        (KNOWN + LONGEST_AWAY - 1, HELD),
        (KNOWN + LONGEST_AWAY, UNTRUSTED),
        (IN_2099, UNTRUSTED),
    ],
)
def test_after_a_boot_only_a_battery_keeps_the_time_and_only_for_so_long(utc: int, with_battery: ClockQuality) -> None:
    assert Trust(battery=True, floor=KNOWN).judge(utc, utc, synchronised=False) is with_battery
    assert Trust(battery=False, floor=KNOWN).judge(utc, utc, synchronised=False) is UNTRUSTED


@pytest.mark.parametrize(("utc", "quality"), [(KNOWN + 20 * 366 * DAY, HELD), (IN_2099, UNTRUSTED), (0, UNTRUSTED)])
def test_where_nothing_is_known_yet_a_battery_is_believed_what_is_possible(utc: int, quality: ClockQuality) -> None:
    assert Trust(battery=True).judge(utc, utc, synchronised=False) is quality


@pytest.mark.feature("F16")
@pytest.mark.parametrize("battery", [True, False])
@pytest.mark.parametrize(
    ("stepped", "quality"),
    [(0, HELD), (STEPPED, HELD), (-STEPPED, HELD), (STEPPED + 1, UNTRUSTED), (-STEPPED - 1, UNTRUSTED)],
)
def test_a_clock_once_right_in_a_boot_stays_right_until_somebody_sets_it(
    stepped: int, quality: ClockQuality, battery: bool
) -> None:
    trust, boot = Trust(battery), KNOWN - DAY
    assert trust.judge(KNOWN, boot, synchronised=True) is SYNCHRONISED
    assert trust.judge(KNOWN + 400 * DAY, boot, synchronised=False) is HELD, "it ran on without a step"
    assert trust.judge(KNOWN + 400 * DAY + stepped, boot + stepped, synchronised=False) is quality
    assert trust.judge(KNOWN + 401 * DAY, boot + 7 * DAY, synchronised=True) is SYNCHRONISED, (
        "whoever set it, was right"
    )


def test_a_battery_clock_that_the_system_reads_late_is_still_believed() -> None:
    """Some real-time clocks are read only after the daemon has started in 1970."""
    trust = Trust(battery=True, floor=KNOWN)
    assert trust.judge(IN_1970, 0, synchronised=False) is UNTRUSTED
    assert trust.judge(KNOWN + DAY, KNOWN, synchronised=False) is HELD


@pytest.mark.feature("F16")
def test_the_floor_follows_the_clock_while_it_is_trusted_and_stays_while_it_is_not() -> None:
    trust = Trust()
    for utc, boot, synchronised, floor in (
        (IN_1970, 0, False, FIRST_POSSIBLE),
        (KNOWN, KNOWN - DAY, True, KNOWN),
        (KNOWN + 5, KNOWN - DAY, False, KNOWN + 5),
        (IN_2099, IN_2099, False, KNOWN + 5),
        (KNOWN - DAY, KNOWN - 2 * DAY, True, KNOWN - DAY),
    ):
        trust.judge(utc, boot, synchronised)
        assert trust.floor == floor


@given(st.booleans(), st.integers(0, 2**63), st.integers(-(2**63), 2**63), st.integers(0, 2**63))
def test_nobody_vouching_after_a_boot_without_battery_is_never_trusted(
    known: bool, utc: int, boot: int, floor: int
) -> None:
    trust = Trust(False, floor if known else FIRST_POSSIBLE)
    assert trust.judge(utc, boot, synchronised=False) is UNTRUSTED
