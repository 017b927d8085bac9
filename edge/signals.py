"""Shows people what the terminal answered and how it is: patterns of two lights and a buzzer."""

from typing import Protocol

from edge.patterns import PATTERNS, Pattern, Step
from edge.scheduler import Scheduler, Timer

__all__ = ["PATTERNS", "Outputs", "Pattern", "Signals"]

DARK = Step(0)


class Outputs(Protocol):
    """The named lines that signals use: red, green and buzzer."""

    def set(self, name: str, on: bool, /) -> None:
        """Turn one on or off."""


class Signals:
    """Plays one pattern at a time: the answer to a tap, at once, and otherwise the resting pattern, for ever."""

    def __init__(self, pins: Outputs, loop: Scheduler) -> None:
        self._pins = pins
        self._loop = loop
        self._resting_pattern = Pattern.READY
        self._answer: Pattern | None = None
        self._steps: tuple[Step, ...] = PATTERNS[Pattern.READY].steps
        self._next = 0
        self._left = 0
        self._on = {"red": False, "green": False, "buzzer": False}
        self._timer: Timer | None = None

    @property
    def shown(self) -> Pattern:
        """The pattern that plays now."""
        return self._answer or self._resting_pattern

    def show(self, answer: Pattern) -> None:
        """Answer a tap: the first step is on the pins when this returns. It replaces whatever was shown."""
        sequence = PATTERNS[answer]
        self._answer = answer
        self._begin(sequence.steps, sequence.times)

    def rest(self, pattern: Pattern) -> None:
        """What to show when no answer is shown, from now on; an answer that plays is played to its end first."""
        if pattern is self._resting_pattern:
            return
        self._resting_pattern = pattern
        if self._answer is None:
            self._begin(PATTERNS[pattern].steps, 0)

    def stop(self) -> None:
        """Turn everything off and show nothing more."""
        self._cancel()
        self._set(DARK)

    def _begin(self, steps: tuple[Step, ...], times: int) -> None:
        self._cancel()
        self._steps = steps
        self._next = 0
        self._left = times
        self._advance()

    def _advance(self) -> None:
        if self._next == len(self._steps) and not self._start_over():
            return
        step = self._steps[self._next]
        self._next += 1
        try:
            self._set(step)
        finally:
            if step.ms:
                self._timer = self._loop.call_later(step.ms / 1000, self._advance)

    def _start_over(self) -> bool:
        """Play the steps again, or return to rest; False when rest has begun instead."""
        self._next = 0
        if self._answer is None:
            return True
        self._left -= 1
        if self._left > 0:
            return True
        self._answer = None
        self._begin(PATTERNS[self._resting_pattern].steps, 0)
        return False

    def _set(self, step: Step) -> None:
        self._turn("green", step.green)
        self._turn("red", step.red)
        self._turn("buzzer", step.buzzer and (self._answer is not None or PATTERNS[self.shown].sounds_at_rest))

    def _turn(self, name: str, on: bool) -> None:
        if self._on[name] is not on:
            self._pins.set(name, on)
            self._on[name] = on

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
