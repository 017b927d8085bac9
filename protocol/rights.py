"""When a right holds: hours by the wall clock of the project's zone, night shifts and holidays included."""

from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec

HOLIDAY = 7
_MINUTES = 24 * 60

Day = Annotated[int, msgspec.Meta(ge=0, le=HOLIDAY)]
Minute = Annotated[int, msgspec.Meta(ge=0, le=_MINUTES)]
RightName = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class Hours(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of the days it names: 0 is Monday, 6 Sunday, 7 any holiday. In minutes of the local day, end excluded.

    Where the end is not after the beginning it lies on the next day, and belongs to the day it begins. On a holiday
    only what names 7 begins.
    """

    days: Annotated[tuple[Day, ...], msgspec.Meta(max_length=8)]
    begins: Minute
    ends: Minute

    def cover(self, here: datetime, holidays: tuple[str, ...]) -> bool:
        """Whether a moment of local time falls in it. The wall clock counts: an hour that comes twice counts twice."""
        minute = here.hour * 60 + here.minute
        if self.begins < self.ends:
            return self.begins <= minute < self.ends and self._begin_on(here.date(), holidays)
        if minute >= self.begins and self._begin_on(here.date(), holidays):
            return True
        return minute < self.ends and self._begin_on(here.date() - timedelta(days=1), holidays)

    def _begin_on(self, day: date, holidays: tuple[str, ...]) -> bool:
        return (HOLIDAY if day.isoformat() in holidays else day.weekday()) in self.days


class Right(msgspec.Struct, frozen=True, array_like=True):
    """What a group of people may: through which doors (None: all of the place), in which hours (None: always)."""

    name: RightName
    doors: tuple[str, ...] | None = None
    hours: tuple[Hours, ...] | None = None

    def leads_to(self, doors: tuple[str, ...]) -> bool:
        """Whether it is of any use at a place with these doors; a right to all doors is, even where there is none."""
        return self.doors is None or any(map(self.opens, doors))

    def opens(self, door: str) -> bool:
        """Whether it is a right to this door."""
        return self.doors is None or door in self.doors

    def holds(self, here: datetime, holidays: tuple[str, ...]) -> bool:
        """Whether its hours cover a moment, given as local time."""
        return self.hours is None or any(hours.cover(here, holidays) for hours in self.hours)
