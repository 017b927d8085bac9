"""What somebody at the gate would say that the lights showed: the pattern that is most like it."""

import time
from pathlib import Path
from typing import Final

from edge.signals.patterns import PATTERNS, Pattern, Step
from edge.signals.resting import PRIORITY
from tests.support.audit import edges
from tests.support.rhythm import ENDED, between, flashes, played

LIGHTS: Final = ("red", "green")


def are_dark(history: Path) -> bool:
    """Says whether nothing has been lit for so long that an answer is over."""
    steps, last = _steps(history, 0)
    return not steps[-1].is_lit and (time.monotonic_ns() - last) / 1e6 > ENDED


def shown_since(history: Path, since_ns: int) -> Pattern | None:
    """The answer that was played from `since_ns` on (monotonic nanoseconds); None while it is not over."""
    steps, last = _steps(history, since_ns)
    dark_for_ms = (time.monotonic_ns() - last) / 1e6
    if not any(step.is_lit for step in steps) or steps[-1].is_lit or dark_for_ms < ENDED:
        return None
    seen = flashes(steps)
    answers = [each for each in Pattern if each not in PRIORITY and _colours(PATTERNS[each].steps) == _colours(steps)]
    return min(answers, key=lambda each: between(seen, played(each)))


def _steps(history: Path, since_ns: int) -> tuple[list[Step], int]:
    """What was lit for how long, and when that changed last."""
    steps: list[Step] = []
    lit, last = dict.fromkeys(LIGHTS, False), since_ns
    for edge in edges(history):
        if edge.pin in LIGHTS:
            if edge.at_ns >= since_ns:
                steps.append(Step(round((edge.at_ns - last) / 1e6), **lit))
                last = edge.at_ns
            lit[edge.pin] = bool(edge.level)
    return [*steps, Step(0, **lit)], last


def _colours(steps: tuple[Step, ...] | list[Step]) -> set[tuple[bool, bool]]:
    return {(step.red, step.green) for step in steps if step.is_lit}
