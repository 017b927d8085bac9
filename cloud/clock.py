"""The cloud's clock as a port, and the only place in the cloud that looks at the machine's."""

import time
from datetime import UTC, datetime
from typing import Protocol

from protocol.clock import MICROSECONDS


class Clock(Protocol):
    """What a part asks for the time; tests hand over one that is moved by hand."""

    def now(self) -> datetime:
        """The time as an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever go forward, for waits and ages."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the place

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()


def microseconds(moment: datetime) -> int:
    """A moment as entries carry it: whole microseconds since 1970 UTC, without a float in between."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * MICROSECONDS + since.microseconds
