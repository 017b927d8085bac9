"""Says what the lights show when nobody taps: the worst of all that is wrong, until it is over."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge.errors import PinsFault
from edge.events import Event
from edge.signals.patterns import Pattern

_log = structlog.get_logger()

PRIORITY: Final = (
    Pattern.IDENTIFY,
    Pattern.UPDATING,
    Pattern.LEDGER_FAULT,
    Pattern.UNBOUND,
    Pattern.DOOR_ALARM,
    Pattern.DOOR_PRE_ALARM,
    Pattern.READER_TAMPER,
    Pattern.READER_FAULT,
    Pattern.DOOR_FAULT,
    Pattern.LEDGER_SALVAGED,
    Pattern.CLOCK_UNTRUSTED,
)
"""What can hold for a time, the worst first: what somebody stands and waits for, what stops the work here, what is lost
to one way through, and what only somebody in an office can put right."""


class Light(Protocol):
    """The part of the signals that rests."""

    def rest(self, pattern: Pattern, /) -> None:
        """Show this whenever no answer is shown."""


class Resting:
    """Holds what is wrong at the moment; everything here is for the loop's thread."""

    on_change: Callable[[], None] | None
    """Called after something began or ended to hold."""

    def __init__(self, light: Light) -> None:
        self.on_change = None
        self._light = light
        self._held: set[Pattern] = set()

    def hold(self, pattern: Pattern, on: bool) -> None:
        """Say that this holds from now on, or no longer; a light that fails is said and takes nothing else with it."""
        if pattern not in PRIORITY:
            raise ValueError(f"{pattern} answers a tap and cannot be held; there are {', '.join(PRIORITY)}")
        if on is (pattern in self._held):
            return
        self._held ^= {pattern}
        if self.on_change is not None:
            self.on_change()
        try:
            self._light.rest(self.worst)
        except PinsFault as fault:
            _log.error(Event.SIGNAL_FAILED, pattern=self.worst, why=str(fault), then="its next step is tried in time")

    @property
    def worst(self) -> Pattern:
        """What the lights show when nobody taps."""
        return next(iter(self.held), Pattern.READY)

    @property
    def held(self) -> tuple[Pattern, ...]:
        """All that holds now, the worst first; empty when all is well."""
        return tuple(pattern for pattern in PRIORITY if pattern in self._held)
