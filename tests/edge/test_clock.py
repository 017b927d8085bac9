"""A reading says how far it can be trusted."""

import time
from pathlib import Path

import pytest

from edge.clock import FIRST_POSSIBLE, SystemClock, kernel_is_synchronised, quality_of
from protocol.clock import ClockQuality


def test_a_reading_holds_both_clocks_and_the_boot() -> None:
    before = time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    reading = SystemClock().read()
    after = time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before[0] <= reading.utc <= after[0]
    assert before[1] <= reading.monotonic <= after[1]
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert reading.boot_id.hex() == boot_id.replace("-", "")


def test_the_time_since_boot_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.read().monotonic for _ in range(1000)]
    assert readings == sorted(readings)


@pytest.mark.parametrize(
    ("utc", "synchronised", "quality"),
    [
        (0, False, ClockQuality.UNTRUSTED),
        (0, True, ClockQuality.UNTRUSTED),
        (FIRST_POSSIBLE - 1, True, ClockQuality.UNTRUSTED),
        (FIRST_POSSIBLE, False, ClockQuality.HELD),
        (FIRST_POSSIBLE, True, ClockQuality.SYNCHRONISED),
    ],
)
def test_a_clock_from_before_this_program_is_not_trusted(utc: int, synchronised: bool, quality: ClockQuality) -> None:
    assert quality_of(utc, synchronised) is quality


def test_the_kernel_says_whether_the_clock_is_synchronised() -> None:
    quality = SystemClock().read().quality
    assert quality is (ClockQuality.SYNCHRONISED if kernel_is_synchronised() else ClockQuality.HELD)
