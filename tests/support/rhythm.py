"""How unlike two patterns are to an eye that sees no colours: an edit distance between their flashes."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.signals.patterns import PATTERNS, Pattern, Step
from edge.signals.resting import PRIORITY

TOLD_APART: Final = 0.25
"""The smallest distance allowed: one flash of four is missing, or one of two is clearly longer."""

ENDED: Final = 700
"""Milliseconds of darkness after which it is clear that an answer is over."""


@dataclass(frozen=True, slots=True)
class Flash:
    """Light for so many milliseconds, after so many of darkness; the darkness before the first one is not seen."""

    ms: int
    after: int


def flashes(steps: Sequence[Step]) -> list[Flash]:
    """What is seen of these steps, without colours."""
    seen: list[Flash] = []
    dark = 0
    for lit, group in itertools.groupby(steps, key=lambda step: step.is_lit):
        ms = sum(step.ms for step in group)
        if lit:
            seen.append(Flash(ms, dark if seen else 0))
        dark = 0 if lit else ms
    return seen


def played(pattern: Pattern) -> list[Flash]:
    """What is seen of an answer."""
    sequence = PATTERNS[pattern]
    return flashes(sequence.steps * sequence.times)


def glimpses(pattern: Pattern, ms: int) -> list[list[Flash]]:
    """What may be seen in this time of a pattern that is played for ever, whichever flash one sees first."""
    steps = PATTERNS[pattern].steps
    begins = [number for number, step in enumerate(steps) if step.is_lit and not steps[number - 1].is_lit]
    rounds = steps * (2 + ms // PATTERNS[pattern].ms)
    return [flashes(within(rounds[begin:], ms)) for begin in begins]


def within(steps: Sequence[Step], ms: int) -> list[Step]:
    """The steps that begin in this time."""
    begun = itertools.accumulate((step.ms for step in steps), initial=0)
    return [step for step, at in zip(steps, begun, strict=False) if at < ms]


def turns(pattern: Pattern) -> list[list[Flash]]:
    """One round of a pattern that is played for ever, from each of its flashes on, with the darkness before it."""
    once = len(flashes(PATTERNS[pattern].steps))
    ring = flashes(PATTERNS[pattern].steps * 2)[1 : once + 1]
    return [ring[number:] + ring[:number] for number in range(once)]


def distance(a: Pattern, b: Pattern) -> float:
    """From 0, the same, to 1, nothing alike; of what rests the moment counts at which it looks most like the other."""
    match a in PRIORITY, b in PRIORITY:
        case False, False:
            return between(played(a), played(b))
        case True, True:
            return min(between(x, y) for x in turns(a) for y in turns(b))
        case True, False:
            answer = PATTERNS[b]
            return min(between(x, played(b)) for x in glimpses(a, answer.ms * answer.times + ENDED))
        case _:
            return distance(b, a)


def between(a: Sequence[Flash], b: Sequence[Flash]) -> float:
    """The flashes that have to be added, left out or changed to make one of the other, as a share of the longer."""
    row = [float(number) for number in range(len(b) + 1)]
    for number, flash in enumerate(a, 1):
        above, row = row, [float(number)]
        for place, other in enumerate(b):
            row.append(min(above[place + 1] + 1, row[-1] + 1, above[place] + change(flash, other)))
    return row[-1] / max(len(a), len(b), 1)


def change(a: Flash, b: Flash) -> float:
    """From 0, nobody sees a difference, to 1, everybody does: in the light, or in the darkness before it."""
    return min(1.0, unlike(a.ms, b.ms) + (unlike(a.after, b.after) if a.after and b.after else 0.0))


def unlike(a: int, b: int) -> float:
    """What an eye tells apart are ratios: up to 1.4 nothing, from 2.8 all."""
    return min(1.0, max(0.0, abs(math.log2(a / b)) - 0.5))
