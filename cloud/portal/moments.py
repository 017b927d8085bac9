"""Moments as people read them: in a project's time zone, the zone said, in the words of a language."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal
from babel.units import format_unit

HOME: Final = "Europe/Stockholm"  # where no project says otherwise
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


def from_microseconds(utc: int) -> datetime:
    """A recorded time as an aware datetime, exact; one that no calendar has is the nearest that it has."""
    try:
        return EPOCH + timedelta(microseconds=utc)
    except OverflowError:
        return EPOCH if utc < 0 else LATEST


class Moments:
    """Writes moments and spans in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def time(self, at: datetime, zone: str | None) -> str:
        """The time of day with its seconds, in 24 hours: 07:02:41."""
        return format_time(local(at, zone), "HH:mm:ss", locale=self.language)

    def day(self, at: datetime, zone: str | None, now: datetime) -> str:
        """The date, with the year when it is not this one: 22 nov."""
        here = local(at, zone)
        pattern = "d MMM" if here.year == local(now, zone).year else "d MMM y"
        return format_date(here, pattern, locale=self.language).rstrip(".")

    def zone(self, at: datetime, zone: str | None) -> str:
        """What the zone is called at that moment: CET or CEST."""
        return local(at, zone).tzname() or str(ZoneInfo(zone or HOME))

    def span(self, minutes: int) -> str:
        """A length of time in the largest unit that says it exactly: 1 day, 36 hours, 90 minutes."""
        amount, unit = minutes, "duration-minute"
        for size, larger in ((24 * 60, "duration-day"), (60, "duration-hour")):
            if minutes and minutes % size == 0:
                amount, unit = minutes // size, larger
                break
        return format_unit(amount, unit, length="long", locale=self.language)

    def offset(self, milliseconds: int) -> str:
        """How far a clock is off, with its sign and as exactly as it matters: +12 ms, +1.4 s, +20 min."""
        sign = "\N{MINUS SIGN}" if milliseconds < 0 else "+"
        amount = abs(milliseconds)
        if amount < 1000:
            return f"{sign}{amount} ms"
        if amount < 120_000:
            return f"{sign}{format_decimal(round(amount / 1000, 1), locale=self.language)} s"
        return sign + format_timedelta(
            timedelta(milliseconds=amount), locale=self.language, format="short", threshold=1
        )


def local(at: datetime, zone: str | None) -> datetime:
    """A moment on the clocks of a zone; at the calendar's end, where only a broken clock is, in UTC."""
    try:
        return at.astimezone(ZoneInfo(zone or HOME))
    except OverflowError:
        return at
