"""Shows a pattern for a while because somebody asks to see it, or asks where the terminal is."""

from typing import Final

from edge.scheduler import Scheduler, Timer
from edge.signals.patterns import Pattern
from edge.signals.resting import PRIORITY, Resting
from edge.signals.signals import Signals

BETWEEN: Final = 1000
"""Milliseconds of darkness between two rounds of an answer, which is made to be seen once."""


class Showing:
    """For the loop's thread; one pattern is shown at a time, and none for ever."""

    def __init__(self, signals: Signals, resting: Resting, loop: Scheduler) -> None:
        self._signals = signals
        self._resting = resting
        self._loop = loop
        self._identified: Timer | None = None

    def show(self, pattern: Pattern, seconds: float) -> None:
        """Show it for so long, or until somebody taps; IDENTIFY goes on after the tap's answer."""
        if pattern is Pattern.IDENTIFY:
            self._identify(seconds)
        else:
            self._signals.demonstrate(pattern, seconds, 0 if pattern in PRIORITY else BETWEEN)

    def _identify(self, seconds: float) -> None:
        if self._identified is not None:
            self._identified.cancel()
        self._identified = self._loop.call_later(seconds, self._is_identified)
        self._resting.hold(Pattern.IDENTIFY, on=True)

    def _is_identified(self) -> None:
        self._identified = None
        self._resting.hold(Pattern.IDENTIFY, on=False)
