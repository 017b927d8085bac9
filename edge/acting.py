"""Sets lights and locks for a tap: a part that fails is said, and takes nothing else with it."""

from collections.abc import Mapping

import structlog

from edge.doors.door import Door
from edge.errors import DoorUnguarded, PinsFault
from edge.events import Event
from edge.signals.patterns import Pattern
from edge.signals.signals import Signals
from protocol.decision import Granted, Verdict

_log = structlog.get_logger()


def show(signals: Signals, pattern: Pattern) -> None:
    """Show an answer; its first light is on when this returns."""
    try:
        signals.show(pattern)
    except PinsFault as fault:
        _log.error(Event.SIGNAL_FAILED, pattern=pattern, why=str(fault), then="the tap counts without its light")


def open_granted(doors: Mapping[str, Door], verdict: Verdict, seq: int) -> list[str]:
    """Open the granted doors that are here; which they were. One that cannot be opened stays shut."""
    opened: list[str] = []
    if not isinstance(verdict, Granted):
        return opened
    for name in verdict.doors:
        try:
            if name in doors:
                doors[name].open(f"tap {seq}", verdict.long_access)
                opened.append(name)
        except (DoorUnguarded, PinsFault) as fault:
            _log.error(Event.DOOR_FAILED, door=name, seq=seq, why=str(fault), then="the door stays shut")
    return opened
