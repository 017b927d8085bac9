"""Reads the terminal's clocks, and says with each reading how far the wall clock can be trusted."""

import ctypes
import time
import uuid
from pathlib import Path
from typing import Final, Protocol

from protocol.clock import ClockQuality, ClockReading

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
FIRST_POSSIBLE: Final = 1_767_225_600_000_000_000  # 2026-01-01 UTC in ns: before it this program did not exist
ASK_KERNEL_EVERY: Final = 10_000_000_000  # ns; the kernel's opinion changes over minutes

_TIME_ERROR: Final = 5  # adjtimex(2): the system clock is not synchronised
_TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; the kernel writes no more than it needs


class Clock(Protocol):
    """Where the time comes from; tests move one by hand."""

    def read(self) -> ClockReading:
        """Look at the clocks now."""


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._boot_id = uuid.UUID(BOOT_ID.read_text(encoding="ascii").strip()).bytes
        self._synchronised = False
        self._ask_again_at = 0

    def read(self) -> ClockReading:
        """Look at the wall clock and at the time since boot, time asleep included; at times at the kernel's opinion."""
        utc = time.clock_gettime_ns(time.CLOCK_REALTIME)
        since_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if since_boot >= self._ask_again_at:
            self._synchronised = kernel_is_synchronised()
            self._ask_again_at = since_boot + ASK_KERNEL_EVERY
        return ClockReading(utc // 1000, quality_of(utc, self._synchronised), self._boot_id, since_boot)


def quality_of(utc_ns: int, synchronised: bool) -> ClockQuality:
    """How far to trust a wall clock; a year before this program existed is never right, whoever vouches for it."""
    if utc_ns < FIRST_POSSIBLE:
        return ClockQuality.UNTRUSTED
    return ClockQuality.SYNCHRONISED if synchronised else ClockQuality.HELD


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2), reading only. Where it may not be asked, nobody vouches for the clock."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
