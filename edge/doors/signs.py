"""Shows what is wrong at the doors for as long as it is: an alarm, its warning, a lock that cannot move."""

from collections.abc import Callable
from typing import Final

from edge.doors.door import ALARMS, Door
from edge.signals.patterns import Pattern

Hold = Callable[[Pattern, bool], None]
"""Says that a pattern holds from now on, or no longer."""


def _alarms(door: Door) -> bool:
    return door.state in ALARMS or door.is_tampered


SIGNS: Final[dict[Pattern, Callable[[Door], bool]]] = {
    Pattern.DOOR_ALARM: _alarms,
    Pattern.DOOR_PRE_ALARM: lambda door: door.is_warning,
    Pattern.DOOR_FAULT: lambda door: door.is_faulty,
}


class DoorSigns:
    """What a door calls when something has happened at it; a pattern holds while it holds at any door."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._doors: dict[Pattern, set[str]] = {pattern: set() for pattern in SIGNS}

    def look(self, door: Door) -> None:
        """Show what holds now, in the loop's thread."""
        for pattern, holds in SIGNS.items():
            doors = self._doors[pattern]
            before = bool(doors)
            if holds(door):
                doors.add(door.name)
            else:
                doors.discard(door.name)
            if bool(doors) is not before:
                self._hold(pattern, bool(doors))
