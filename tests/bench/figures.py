"""What a measurement gives: a figure, what it is compared with, and whether its target is met."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

AT_MOST: Final = "at most"
AT_LEAST: Final = "at least"


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio, or a figure that has none, must keep: a bound, on which side of it, and what we would like."""

    bound: float
    side: str = AT_MOST
    aim: float | None = None

    def is_met(self, value: float) -> bool:
        """Says whether a ratio or figure keeps the bound."""
        return value <= self.bound if self.side == AT_MOST else value >= self.bound

    @property
    def words(self) -> str:
        """For the table."""
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        return f"{'≤' if self.side == AT_MOST else '≥'} {self.bound:g}{aim}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `bare` is the part it is compared with in the same run, `ratio` measured over bare.

    `samples` are the repetitions that the median was taken of; `parts` say what it is made of, in the same unit.
    """

    name: str
    unit: str
    measured: float
    bare: float | None = None
    ratio: float | None = None
    target: Target | None = None
    samples: tuple[float, ...] = ()
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.target.is_met(self.measured if self.ratio is None else self.ratio)

    def as_json(self) -> dict[str, Any]:
        """For build/bench/latest.json."""
        return asdict(self) | {"met": self.is_met}


@dataclass(frozen=True, slots=True)
class Repetition:
    """One turn of both: medians or rates of what is measured and of what is bare, taken side by side."""

    measured: float
    bare: float

    @property
    def ratio(self) -> float:
        """Measured over bare."""
        return self.measured / self.bare


def compared(name: str, unit: str, repetitions: Sequence[Repetition], target: Target) -> Figure:
    """The figure of several repetitions: the median of each column, and of the ratios within each repetition."""
    ratios = tuple(each.ratio for each in repetitions)
    measured = median(each.measured for each in repetitions)
    bare = median(each.bare for each in repetitions)
    return Figure(name, unit, measured, bare, median(ratios), target, ratios)


Told = Callable[[str], None]
"""Says what is being done, for whoever waits."""

Measurement = Callable[[Path, Told], list[Figure]]
"""Measures in an empty folder of its own. Raises where it could not."""
