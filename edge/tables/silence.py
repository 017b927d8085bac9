"""Measures how long the cloud has been silent, over reboots and whatever the wall clock says."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from edge.clock.clock import Clock
from protocol.clock import MICROSECONDS, ClockReading

COUNT_EVERY: Final = 600  # seconds


@dataclass(frozen=True, slots=True)
class Silence:
    """When the cloud was last heard, and how much silence was counted until when: in microseconds."""

    heard: ClockReading
    counted: ClockReading
    amount: int

    @classmethod
    def beginning(cls, now: ClockReading) -> "Silence":
        """The cloud was heard just now."""
        return cls(now, now, 0)

    def lasts(self, now: ClockReading) -> int:
        """How long the silence has lasted, in microseconds.

        Within a boot it is counted by monotonic time. Over a reboot the wall clocks say it where both were trusted;
        where not, the time since the boot comes on top of what was counted before: the power was off for longer.
        """
        if self.heard.boot_id == now.boot_id:
            return _between(self.heard, now)
        if self.counted.boot_id == now.boot_id:
            counted = self.amount + _between(self.counted, now)
        else:
            counted = self.amount + now.monotonic // 1000
        by_the_wall = now.utc - self.heard.utc if self.heard.is_trusted and now.is_trusted else 0
        return max(counted, by_the_wall)

    def is_to_be_replaced(self, now: ClockReading) -> bool:
        """Whether, once saved, it says too little by now: counted in another boot or some time ago, or long over."""
        most = COUNT_EVERY * MICROSECONDS
        return self.counted.boot_id != now.boot_id or _between(self.counted, now) >= most or self.amount >= 2 * most

    def until(self, now: ClockReading) -> "Silence":
        """The same silence, counted until now."""
        return Silence(self.heard, now, self.lasts(now))


class Counted(Protocol):
    """Who keeps count of the cloud's silence."""

    def count_silence(self, now: ClockReading, /) -> None:
        """Put down how long it has lasted."""


async def keep_count(tables: Counted, clock: Clock) -> None:
    """Count for ever, so that a power cut loses a few minutes of silence at most."""
    while True:
        tables.count_silence(clock.read())
        await asyncio.sleep(COUNT_EVERY)


def _between(earlier: ClockReading, later: ClockReading) -> int:
    return (later.monotonic - earlier.monotonic) // 1000
