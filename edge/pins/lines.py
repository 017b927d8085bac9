"""What a line of the board is called, and what its level means."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Line:
    """One output: what it is called here, its number (BCM), and whether a high level energises it."""

    name: str
    number: int
    active_high: bool = True


class Pull(StrEnum):
    """What holds an input's level while nothing else does."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class InputLine:
    """One input: what it is called here, its number (BCM), whether a high level means yes, and its pull."""

    name: str
    number: int
    active_high: bool
    pull: Pull = Pull.UP
