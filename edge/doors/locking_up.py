"""Locks every door of a terminal whose daemon does not run: after a crash, a stop, or by an installer's hand."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.doors.door import Door
from edge.doors.fitting import fitted
from edge.doors.lines import inputs, outputs
from edge.doors.rules import LockState
from edge.doors.sections import DoorSections
from edge.doors.shutting import shut
from edge.doors.simulated_door import simulated_doors
from edge.errors import PinsUnavailable
from edge.pins.pins import Pins
from edge.settings import DoorSettings
from edge.state_lock import only_daemon

BY_COMMAND: Final = "command"
PIN_LOG: Final = "pins.log"


@dataclass(frozen=True, slots=True)
class LockedUp:
    """What became of a door: whether it is as shut as it can be, and in words what to do."""

    door: str
    is_done: bool
    words: str


def lock_up(sections: DoorSections) -> list[LockedUp]:
    """Lock them all, at the same time; it takes as long as the motors need.

    Raises StateInUse, PinsUnavailable, and KeyboardInterrupt when it was asked to end before that: no line is on then.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # a state folder that is not there or read-only keeps no door open
            stack.enter_context(only_daemon(sections.state_dir))
        try:
            return asyncio.run(_lock_up(sections, sections.doors))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        except PinsUnavailable:
            if len(sections.doors) < 2:
                raise
        return [each for door in sections.doors for each in _alone(sections, door)]


def _alone(sections: DoorSections, door: DoorSettings) -> list[LockedUp]:
    """One door after another, so that a line which cannot be taken concerns one door only."""
    try:
        return asyncio.run(_lock_up(sections, [door]))
    except PinsUnavailable as fault:
        return [LockedUp(door.name, False, f"not locked: {fault}")]


async def _lock_up(sections: DoorSections, doors: Sequence[DoorSettings]) -> list[LockedUp]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:  # whoever ends this gets the drives turned off first
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    with ExitStack() as stack:
        pins = _pins(sections, doors)
        stack.callback(pins.close)
        simulated_doors(doors, pins.simulation, loop)
        kept = [each for each in doors if each.fail != "safe"]  # the others are free by now, as they must be
        made = {each.name: fitted(each, pins, loop, lambda *_: None) for each in kept}
        for door in made.values():
            stack.callback(door.stop)
            door.start()
        await shut(made.values(), BY_COMMAND)
        return [_became(each, made.get(each.name)) for each in doors]


def _pins(sections: DoorSections, doors: Sequence[DoorSettings]) -> Pins:
    if sections.is_simulated:
        return Pins.simulated(outputs(doors), Path(sections.state_dir) / PIN_LOG, inputs(doors))
    return Pins.on_board(outputs(doors), inputs(doors))


def _became(settings: DoorSettings, door: Door | None) -> LockedUp:
    if door is None:
        return LockedUp(settings.name, True, "released: it is fail-safe, and nobody serves its exit button now")
    is_open = door.seen.get("contact", False)
    if door.lock_state is LockState.LOCKED:
        return LockedUp(settings.name, True, "locked, but it stands open: close it" if is_open else "locked")
    if is_open:
        return LockedUp(settings.name, False, "it stands open, so its bolt was not thrown: close it and lock again")
    return LockedUp(settings.name, False, "not locked: its bolt did not arrive; look at door and frame, or use a key")
