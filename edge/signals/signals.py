"""Shows people what the terminal answered and how it is: patterns of two lights and a buzzer."""

from typing import Protocol

from edge.scheduler import Scheduler, Timer
from edge.signals.patterns import PATTERNS, Pattern, Step

DARK = Step(0)


class Outputs(Protocol):
    """The named lines that signals use: red, green and buzzer."""

    def set(self, name: str, on: bool, /) -> None:
        """Turn one on or off."""


class Signals:
    """Plays one pattern at a time: the answer to a tap, at once, and otherwise the resting pattern, for ever.

    Somebody at the terminal may have a pattern demonstrated; it never stands before the answer to a tap.
    """

    def __init__(self, pins: Outputs, loop: Scheduler) -> None:
        self._pins = pins
        self._loop = loop
        self._resting_pattern = Pattern.READY
        self._answer: Pattern | None = None
        self._demonstrated: Pattern | None = None
        self._demonstration_ends: Timer | None = None
        self._pause = 0
        self._steps: tuple[Step, ...] = PATTERNS[Pattern.READY].steps
        self._next = 0
        self._left = 0
        self._on = {"red": False, "green": False, "buzzer": False}
        self._timer: Timer | None = None

    @property
    def shown(self) -> Pattern:
        """The pattern that plays now."""
        return self._answer or self._demonstrated or self._resting_pattern

    def is_answering(self) -> bool:
        """Says whether what plays now is the answer to a tap."""
        return self._answer is not None

    def show(self, answer: Pattern) -> None:
        """Answer a tap: the first step is on the pins when this returns. It replaces whatever was shown."""
        self._forget_demonstration()
        self._answer = answer
        self._begin(answer, PATTERNS[answer].times)

    def rest(self, pattern: Pattern) -> None:
        """What to show when no answer is shown, from now on; an answer that plays is played to its end first."""
        if pattern is self._resting_pattern:
            return
        self._resting_pattern = pattern
        if self._answer is None and self._demonstrated is None:
            self._begin(pattern)

    def demonstrate(self, pattern: Pattern, seconds: float, pause: int = 0) -> None:
        """Play a pattern again and again for so long, with its buzzer, and `pause` milliseconds between the rounds.

        An answer that plays is played to its end first. The next tap ends it: what is shown then is the tap's answer,
        and nothing that looks like one follows it.
        """
        self._forget_demonstration()
        self._demonstrated, self._pause = pattern, pause
        self._demonstration_ends = self._loop.call_later(seconds, self._end_demonstration)
        if self._answer is None:
            self._begin(pattern)

    def stop(self) -> None:
        """Turn everything off and show nothing more."""
        self._forget_demonstration()
        self._cancel()
        self._set(DARK)

    def _forget_demonstration(self) -> None:
        self._demonstrated = None
        if self._demonstration_ends is not None:
            self._demonstration_ends.cancel()
            self._demonstration_ends = None

    def _end_demonstration(self) -> None:
        self._forget_demonstration()
        if self._answer is None:
            self._begin(self._resting_pattern)

    def _begin(self, pattern: Pattern, times: int = 0) -> None:
        self._cancel()
        self._steps = PATTERNS[pattern].steps
        if self._answer is None and self._demonstrated is not None and self._pause:
            self._steps += (Step(self._pause),)
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
        self._begin(self.shown)
        return False

    def _set(self, step: Step) -> None:
        self._turn("green", step.green)
        self._turn("red", step.red)
        rests = self._answer is None and self._demonstrated is None
        self._turn("buzzer", step.buzzer and (not rests or PATTERNS[self._resting_pattern].sounds_at_rest))

    def _turn(self, name: str, on: bool) -> None:
        if self._on[name] is not on:
            self._pins.set(name, on)
            self._on[name] = on

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
