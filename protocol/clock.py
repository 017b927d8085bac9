"""A reading of a clock together with how far it can be trusted."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MICROSECONDS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9998, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


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
    def is_trusted(self) -> bool:
        """Says whether the wall clock can be believed."""
        return self.quality is not ClockQuality.UNTRUSTED

    @property
    def moment(self) -> datetime:
        """The wall clock as an aware datetime in UTC; years that no calendar here knows become the nearest it does."""
        return _EPOCH + timedelta(microseconds=min(max(self.utc, _FIRST), _LAST))
