"""The cloud's clock for tests: it stands still until it is moved."""

from datetime import UTC, datetime, timedelta

START = datetime(2025, 11, 5, 7, 0, tzinfo=UTC)


class MovedClock:
    """A `cloud.clock.Clock` that only moves by hand."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The time it was moved to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds, moved together with the time."""
        return self._monotonic

    def move(self, seconds: float) -> None:
        """Let this much time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
