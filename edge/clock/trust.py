"""Judges how far a wall clock can be trusted, from the last time that was known to be right."""

from dataclasses import dataclass
from typing import Final

from protocol.clock import MICROSECONDS, ClockQuality

FIRST_POSSIBLE: Final = 1_767_225_600 * MICROSECONDS  # 2026-01-01 UTC: before it this program did not exist
LAST_POSSIBLE: Final = 3_345_148_800 * MICROSECONDS  # 2076-01-02 UTC: a clock that broke often shows 2099 or later
LONGEST_AWAY: Final = 366 * 86_400 * MICROSECONDS  # a battery is believed to have kept the time for so long, not longer
STEPPED: Final = 1 * MICROSECONDS  # a wall clock that moved by more than this against the time since boot was set


@dataclass(slots=True)
class Trust:
    """What is known of the right time; every reading that is trusted moves it on. Times: microseconds UTC.

    `battery`: a clock with a battery keeps the time while the power is off. `floor`: the true time is not before it.
    `began_at`: when this boot began, by the clock when it was last trusted in this boot.
    """

    battery: bool = False
    floor: int = FIRST_POSSIBLE
    began_at: int | None = None

    def judge(self, utc: int, began_at: int, synchronised: bool) -> ClockQuality:
        """How far to trust a reading; `began_at` is what it takes for the boot's beginning."""
        quality = self._quality(utc, began_at, synchronised)
        if quality is not ClockQuality.UNTRUSTED:
            self.floor, self.began_at = utc, began_at
        return quality

    def _quality(self, utc: int, began_at: int, synchronised: bool) -> ClockQuality:
        if not FIRST_POSSIBLE <= utc < LAST_POSSIBLE:
            return ClockQuality.UNTRUSTED  # whoever vouches for it
        if synchronised:
            return ClockQuality.SYNCHRONISED
        return ClockQuality.HELD if self._was_kept(utc, began_at) else ClockQuality.UNTRUSTED

    def _was_kept(self, utc: int, began_at: int) -> bool:
        """Whether nobody has set the clock since it was right, or its battery can have kept the time."""
        if self.began_at is not None:
            return abs(began_at - self.began_at) <= STEPPED
        return self.battery and self.floor <= utc and (self.floor == FIRST_POSSIBLE or utc < self.floor + LONGEST_AWAY)
