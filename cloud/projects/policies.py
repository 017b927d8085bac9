"""The policies of a project, beside mode and blocklist: checked field by field before they count."""

import re
from collections import Counter
from datetime import date
from typing import Annotated, Final

import msgspec

from cloud.errors import FieldInvalid
from protocol.decision import AntiPassback, CardAuthentication, ClockPolicy
from protocol.rights import Right

MOST_RIGHTS: Final = 32
MOST_HOURS: Final = 16
MOST_DOORS: Final = 16
MOST_HOLIDAYS: Final = 200
LONGEST_MINUTES: Final = 13 * 60  # after that nobody's last movement counts any more
LONGEST_OFFLINE: Final = 365 * 24 * 60
MOST_INSIDE: Final = 100_000
LONGEST_NAME: Final = 120

_PLACE: Final = re.compile(r" - at `\$\.(\w+)")


class Policies(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What can be set, each with the default that asks nothing of anybody.

    `anti_passback_minutes`: how long `timed` denies. `occupancy_limit`: how many may be inside, None: any number.
    `doors_expire_after_offline`: minutes without the cloud after which no tap opens a door, None: never.
    `clock_untrusted`: what counts for people whose rights have hours. `holidays`: dates as YYYY-MM-DD. `rights`: what
    an enrolment can name. `card_authentication`: whether a card must prove that it is the one that was issued.
    """

    anti_passback: AntiPassback = AntiPassback.OFF
    anti_passback_minutes: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_MINUTES)] = 0
    occupancy_limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_INSIDE)] | None = None
    doors_expire_after_offline: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_OFFLINE)] | None = None
    clock_untrusted: ClockPolicy = ClockPolicy.IGNORE_SCHEDULES
    holidays: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_HOLIDAYS)] = ()
    rights: Annotated[tuple[Right, ...], msgspec.Meta(max_length=MOST_RIGHTS)] = ()
    card_authentication: CardAuthentication = CardAuthentication.OFF

    @classmethod
    def load(cls, stored: dict[str, object]) -> "Policies":
        """Read what `stored` wrote, or a form or file of the same shape. Raises FieldInvalid."""
        try:
            return msgspec.convert(stored, cls)
        except msgspec.ValidationError as exc:
            place = _PLACE.search(str(exc))
            raise FieldInvalid(place[1] if place else "policies", str(exc)) from exc

    def stored(self) -> dict[str, object]:
        """The same for a column of JSON, without what is at its default."""
        found: dict[str, object] = msgspec.to_builtins(self)
        return found

    def checked(self) -> "Policies":
        """The same, once everything in it is right. Raises FieldInvalid."""
        found = Policies.load(self.stored())
        if found.anti_passback is AntiPassback.TIMED and not found.anti_passback_minutes:
            raise FieldInvalid("anti_passback_minutes", "say for how many minutes nobody may come in again")
        holidays = tuple(sorted({_checked_day(day) for day in found.holidays}))
        _check_rights(found.rights)
        return msgspec.structs.replace(found, holidays=holidays)


def _checked_day(day: str) -> str:
    try:
        if date.fromisoformat(day).isoformat() == day:
            return day
    except ValueError:
        pass
    raise FieldInvalid("holidays", f"{day[:20]!r} is no date; write it as 2026-12-24")


def _check_rights(rights: tuple[Right, ...]) -> None:
    for name, times in Counter(right.name for right in rights).items():
        if times > 1:
            raise FieldInvalid("rights", f"there are {times} rights named {name!r}; give each a name of its own")
        if name != name.strip() or not name.isprintable():
            raise FieldInvalid("rights", f"write the name {name!r} with ordinary characters")
    for right in rights:
        _check_right(right)


def _check_right(right: Right) -> None:
    doors, hours = right.doors, right.hours
    if doors is not None and not 1 <= len(doors) <= MOST_DOORS:
        raise FieldInvalid("rights", f"name 1 to {MOST_DOORS} doors for {right.name!r}, or none at all for every door")
    if any(not door or len(door) > LONGEST_NAME or not door.isprintable() for door in doors or ()):
        raise FieldInvalid("rights", f"write the doors of {right.name!r} as the terminals name them")
    if hours is not None and not 1 <= len(hours) <= MOST_HOURS:
        raise FieldInvalid("rights", f"give {right.name!r} 1 to {MOST_HOURS} stretches of hours, or none for always")
    if any(not each.days for each in hours or ()):
        raise FieldInvalid("rights", f"say on which days the hours of {right.name!r} begin")
