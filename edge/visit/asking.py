"""What a visitor asks to see: who is here or what was, of whom, and of which time by which of the two times."""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from protocol.clock import MICROSECONDS
from protocol.tables import Named

DAY: Final = timedelta(days=1)


class View(StrEnum):
    """The two reports that the trade knows: nulägesrapport or ögonblicksbild, and historik."""

    PRESENT = "present"
    HISTORY = "history"


class By(StrEnum):
    """Which time a period is of: when somebody worked, or when that was recorded (SKVFS 2015:6, 13 §)."""

    WORK = "work"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both ends in it, as a calendar at the site has them; None: without an end."""

    first: date | None = None
    last: date | None = None

    def holds(self, day: date) -> bool:
        """Whether a day lies in it."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def moments(self, zone: str) -> tuple[int | None, int | None]:
        """When it begins and when it is over, in microseconds UTC; days of 23 and 25 hours are what they are."""
        begins = None if self.first is None else _midnight(self.first, zone)
        ends = None if self.last is None else _midnight(self.last + DAY, zone)
        return begins, ends


@dataclass(frozen=True, slots=True)
class Asked:
    """What to show. `company` and `person` narrow it by name, number or a part of either; "" is everybody.

    `denied`: denied taps too, which are no passes. `every_project`: not only the one that the terminal is bound to.
    """

    view: View
    period: Period = Period()
    by: By = By.WORK
    company: str = ""
    person: str = ""
    denied: bool = False
    every_project: bool = False

    def details(self, on: str, account: str) -> dict[str, str]:
        """The words of the fact `ledger.shown` (docs/ledger.md)."""
        first, last = self.period.first, self.period.last
        return {
            "what": self.view.value,
            "from": "" if first is None else first.isoformat(),
            "to": "" if last is None else last.isoformat(),
            "by": self.by.value,
            "company": self.company,
            "person": self.person,
            "on": on,
            "account": account,
        }


def is_meant(wanted: str, key: str | None, named: Named | None, *others: str) -> bool:
    """Whether a person or company is the one asked for, by a part of its name or number.

    One without a name is found by a part of its id, or of its card (`others`): ids of the rest have digits by chance.
    """
    if not wanted or wanted == key:
        return True
    words = [key or "", *others] if named is None else [named.name]
    if any(_plain(wanted) in _plain(word) for word in words):
        return True
    digits = _digits(wanted)
    return named is not None and len(digits) >= 2 and digits in _digits(named.number)


def _plain(text: str) -> str:
    """As people compare names: without case, and one way of writing an accent."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _digits(number: str) -> str:
    """A number as it is compared: 556016-0680, 5560160680 and 556016 0680 are one."""
    return "".join(sign for sign in _plain(number) if sign.isalnum())


def _midnight(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).timestamp()) * MICROSECONDS
