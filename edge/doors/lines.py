"""Names the lines of the board that a door needs."""

from collections.abc import Iterable
from typing import Final

from edge.pins.lines import InputLine, Line
from edge.settings import DoorSettings

INPUTS: Final = ("contact", "exit", "bolt", "withdrawn", "tamper")


def lock_line(door: str) -> str:
    """The name of the line that lets a door be opened: its relay, or the drive that withdraws its bolt."""
    return f"lock-{door}"


def throw_line(door: str) -> str:
    """The name of the line of the drive that throws a door's bolt."""
    return f"throw-{door}"


def outputs(doors: Iterable[DoorSettings]) -> list[Line]:
    """The lines that move these doors' locks."""
    lines = []
    for door in doors:
        lines.append(Line(lock_line(door.name), door.pin, door.active_high))
        if door.pin_lock is not None:
            lines.append(Line(throw_line(door.name), door.pin_lock, door.active_high))
    return lines


def inputs(doors: Iterable[DoorSettings]) -> list[InputLine]:
    """The lines that these doors' switches are on."""
    return [line for door in doors for line in door_inputs(door)]


def door_inputs(door: DoorSettings) -> list[InputLine]:
    """The lines that one door's switches are on."""
    given = [(name, getattr(door, f"{name}_pin"), getattr(door, f"{name}_active_high")) for name in INPUTS]
    return [
        InputLine(f"{name}-{door.name}", pin, active_high, door.input_pull)
        for name, pin, active_high in given
        if pin is not None
    ]
