"""What is fuzzed: a parser, what it may refuse bytes with, where to begin, and how much memory it may take."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
LARGE: Final = 2 * KIB
LARGE_EVERY: Final = 4
WEIGHED_EVERY: Final = 32


class TooMuchMemory(Exception):
    """A parser took more memory than its input justifies."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser that must return or raise one of `refuses`, whatever it is given.

    `growth`: bytes of memory that a byte of input may cost, beside `slack` for any input. `longest`: bytes of an input.
    `worst`: inputs as large as may come, weighed once. `share`: one that is slow has so many times fewer runs.
    """

    parse: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    longest: int = 4 * KIB
    growth: int = 64
    slack: int = 1024 * KIB
    worst: tuple[bytes, ...] = ()
    share: int = 1

    def run(self, given: bytes) -> None:
        """Parse once; what the parser should not raise is raised."""
        try:
            self.parse(given)
        except self.refuses:
            return

    def weigh(self, given: bytes) -> None:
        """Parse once and look at the memory it took. Raises TooMuchMemory."""
        tracemalloc.start()
        try:
            self.run(given)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        if peak > self.slack + self.growth * len(given):
            raise TooMuchMemory(f"{peak:,} bytes for an input of {len(given):,}")

    def begin(self) -> None:
        """Weigh the seeds and the worst that may come."""
        for given in (*self.seeds, *self.worst):
            self.run(given)  # what is loaded once is not the parser's
            self.weigh(given)

    def try_on(self, given: bytes, number: int) -> None:
        """Parse the input of a run; some are weighed, of large ones more."""
        if number % (LARGE_EVERY if len(given) >= LARGE else WEIGHED_EVERY) == 0:
            self.weigh(given)
        else:
            self.run(given)
