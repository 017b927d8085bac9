"""Shows people what the terminal answered and how it is: patterns of two lights and a buzzer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from edge.scheduler import Scheduler, Timer


class Pattern(StrEnum):
    """What can be shown; what each looks like stands in PATTERNS."""

    READY = "ready"
    ADMITTED_IN = "admitted_in"
    ADMITTED_OUT = "admitted_out"
    ADMITTED_WITHOUT_PERSON = "admitted_without_person"
    RECORDED_IN_OFFLINE = "recorded_in_offline"
    RECORDED_OUT_OFFLINE = "recorded_out_offline"
    RECORDED_WITHOUT_PERSON_OFFLINE = "recorded_without_person_offline"
    BLOCKED = "blocked"
    NOT_ENROLLED = "not_enrolled"
    PROJECT_ENDED = "project_ended"
    UNBOUND = "unbound"
    UNREAD = "unread"
    READER_FAULT = "reader_fault"
    LEDGER_FAULT = "ledger_fault"


@dataclass(frozen=True, slots=True)
class Step:
    """Which outputs are on, for how many milliseconds."""

    ms: int
    red: bool = False
    green: bool = False
    buzzer: bool = False

    @property
    def is_lit(self) -> bool:
        """Says whether any light is on: what somebody who cannot tell the colours apart sees."""
        return self.red or self.green


@dataclass(frozen=True, slots=True)
class Sequence:
    """A pattern: in words for the guides, its steps, and how often they are played when it answers a tap.

    At rest a pattern is played for ever, and the buzzer stays silent.
    """

    words: str
    steps: tuple[Step, ...]
    times: int = 1


def _green(ms: int, *, buzzer: bool = False) -> Step:
    return Step(ms, green=True, buzzer=buzzer)


def _red(ms: int, *, buzzer: bool = False) -> Step:
    return Step(ms, red=True, buzzer=buzzer)


def _dark(ms: int) -> Step:
    return Step(ms)


SHORT: Final = 120
LONG: Final = 600
PAUSE: Final = 450

_IN: Final = (_green(SHORT, buzzer=True), _green(LONG * 2 - SHORT), _dark(SHORT))
_OUT: Final = (_green(SHORT, buzzer=True), _green(LONG - SHORT), _dark(SHORT)) * 2
_WITHOUT_PERSON: Final = (_green(LONG, buzzer=True), _dark(SHORT), _green(SHORT, buzzer=True), _dark(SHORT))
_OFFLINE: Final = (_dark(PAUSE), _green(SHORT), _dark(SHORT), _green(SHORT), _dark(SHORT))
_SHORT_RED: Final = (_red(SHORT, buzzer=True), _dark(SHORT))
_LONG_RED: Final = (_red(LONG, buzzer=True), _dark(SHORT))

PATTERNS: Final[Mapping[Pattern, Sequence]] = {
    Pattern.READY: Sequence("dark", (_dark(0),)),
    Pattern.ADMITTED_IN: Sequence("green: one long, one beep", _IN),
    Pattern.ADMITTED_OUT: Sequence("green: two long, two beeps", _OUT),
    Pattern.ADMITTED_WITHOUT_PERSON: Sequence("green: one long and one short, with the buzzer", _WITHOUT_PERSON),
    Pattern.RECORDED_IN_OFFLINE: Sequence("green: one long, a pause, two short; one beep", _IN + _OFFLINE),
    Pattern.RECORDED_OUT_OFFLINE: Sequence("green: two long, a pause, two short; two beeps", _OUT + _OFFLINE),
    Pattern.RECORDED_WITHOUT_PERSON_OFFLINE: Sequence(
        "green: one long and one short, with the buzzer, a pause, two short", _WITHOUT_PERSON + _OFFLINE
    ),
    Pattern.BLOCKED: Sequence("red: six short, with the buzzer", _SHORT_RED * 6),
    Pattern.NOT_ENROLLED: Sequence("red: one short and one long, with the buzzer", _SHORT_RED + _LONG_RED),
    Pattern.PROJECT_ENDED: Sequence("red: three long, with the buzzer", _LONG_RED * 3),
    Pattern.UNBOUND: Sequence("red: blinks evenly, half a second on and half a second off", (_red(500), _dark(500)), 3),
    Pattern.UNREAD: Sequence("red: two short, with the buzzer", _SHORT_RED * 2),
    Pattern.READER_FAULT: Sequence("red: one short every two seconds", (_red(SHORT), _dark(2000 - SHORT)), 2),
    Pattern.LEDGER_FAULT: Sequence(
        "red: steady, but for a blink each second; the buzzer when it answers a tap",
        (_red(1000 - SHORT, buzzer=True), _dark(SHORT)),
        2,
    ),
}


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
        self._set(_dark(0))

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
        self._turn("buzzer", step.buzzer and self._answer is not None)

    def _turn(self, name: str, on: bool) -> None:
        if self._on[name] is not on:
            self._pins.set(name, on)
            self._on[name] = on

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
