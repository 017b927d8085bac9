"""Answers what the commands on this machine ask of doors."""

from collections.abc import Mapping

from edge.doors.door import Door
from edge.doors.simulated_door import Act, SimulatedDoor
from edge.errors import RequestRefused
from edge.local import Answer

BY_COMMAND = "command"


class DoorRequests:
    """`simulated` are the doors that can be acted on from here: none, unless the daemon runs under --simulate."""

    def __init__(self, doors: Mapping[str, Door], simulated: Mapping[str, SimulatedDoor] | None) -> None:
        self._doors = doors
        self._simulated = simulated

    def open(self, name: str) -> Answer:
        """Open a door as a granted tap does. Raises RequestRefused, DoorUnguarded, PinFailed."""
        self._door(name).open(BY_COMMAND)
        return self.look(name)

    def look(self, name: str) -> Answer:
        """How a door is, and what each of its switches says. Raises RequestRefused."""
        door = self._door(name)
        return {
            "door": name,
            "state": door.state,
            "lock": door.lock_state,
            "faulty": door.is_faulty,
            "seen": door.seen,
        }

    def act(self, name: str, act: Act) -> Answer:
        """Do something to a simulated door. Raises RequestRefused."""
        self._door(name)
        if self._simulated is None:
            raise RequestRefused(
                "doors are simulated only under `grindvakt run --simulate`; go to this one and try it by hand"
            )
        came_of_it = self._simulated[name].act(act)
        return {**self.look(name), "act": act, "came_of_it": came_of_it}

    def _door(self, name: str) -> Door:
        if name not in self._doors:
            there = f"there are {', '.join(self._doors)}" if self._doors else "the settings have no [[door]]"
            raise RequestRefused(f"no door is called {name!r}; {there}")
        return self._doors[name]
