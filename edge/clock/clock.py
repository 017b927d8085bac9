"""Reads the terminal's clocks, and says with each reading how far the wall clock can be trusted."""

import ctypes
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from edge.clock.trust import Trust
from protocol.clock import ClockReading

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
TOGETHER: Final = 50_000_000  # ns; both clocks are read within so short a time, or again

_TIME_ERROR: Final = 5  # adjtimex(2): the system clock is not synchronised
_TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; the kernel writes no more than it needs


class Clock(Protocol):
    """Where the time comes from; tests move one by hand."""

    def read(self) -> ClockReading:
        """Look at the clocks now."""

    @property
    def floor(self) -> int:
        """The last time known to be right, in microseconds UTC: the true time is not before it."""


class SystemClock:
    """The machine's own clocks, used by one thread."""

    def __init__(self, trust: Trust | None = None) -> None:
        self.boot_id = boot_id()
        self._trust = trust or Trust()

    def read(self) -> ClockReading:
        """Look at the wall clock and at the time since boot, time asleep included, and ask whether they are right."""
        utc, since_boot = _both()
        utc //= 1000
        quality = self._trust.judge(utc, utc - since_boot // 1000, kernel_is_synchronised())
        return ClockReading(utc, quality, self.boot_id, since_boot)

    @property
    def floor(self) -> int:
        """The last time known to be right, in microseconds UTC."""
        return self._trust.floor


def boot_id() -> bytes:
    """The kernel's name for the time since this machine was switched on."""
    return uuid.UUID(BOOT_ID.read_text(encoding="ascii").strip()).bytes


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2), reading only. Where it may not be asked, nobody vouches for the clock."""
    state: int = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _both() -> tuple[int, int]:
    """Wall clock and time since boot in nanoseconds, read together: a pause between them would look like a step."""
    while True:
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        utc = time.clock_gettime_ns(time.CLOCK_REALTIME)
        since_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if since_boot - before < TOGETHER:
            return utc, since_boot
