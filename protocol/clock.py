"""A reading of a clock together with how far it can be trusted."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

MICROSECONDS = 1_000_000


class ClockQuality(StrEnum):
    """How far the wall clock can be trusted (DESIGN 7)."""

    SYNCHRONISED = "synchronised"
    HELD = "held"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One look at the clocks: `utc` in microseconds since 1970, `monotonic` in nanoseconds since boot `boot_id`."""

    utc: int
    quality: ClockQuality
    boot_id: bytes
    monotonic: int

    @property
    def moment(self) -> datetime:
        """The wall clock as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.utc / MICROSECONDS, UTC)
