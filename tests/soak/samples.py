"""Judges what a process takes of the machine: memory that grows with taps, files and threads that stay open."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

WARM_UP: Final = 0.4  # of the run: caches fill and everybody is seen once
LONGEST_WARM_UP: Final = 300.0  # seconds
WINDOWS: Final = 8
LEAK: Final = 0.25  # KiB a tap; what a real leak keeps of a tap is more
NOISE: Final = 1024.0  # KiB that memory may drift without meaning anything
MORE_FILES: Final = 6  # a connection that is being made, and a question on the local socket
MORE_THREADS: Final = 4
LARGEST_ENTRY: Final = 1200.0  # bytes in the ledger's file, its index and log included


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the process: memory in KiB, sizes in bytes."""

    seconds: float
    taps: int
    rss: float
    files: int
    threads: int
    entries: int
    ledger_bytes: int


def warm(samples: Sequence[Sample]) -> list[Sample]:
    """What was seen once everything had been used."""
    ends = samples[-1].seconds
    return [sample for sample in samples if sample.seconds >= min(ends * WARM_UP, LONGEST_WARM_UP)]


def growth(samples: Sequence[Sample]) -> tuple[float, float]:
    """KiB a tap, and KiB from beginning to end, of a warm process.

    The slope is the median of those between any two windows, each of which counts with its own median (Theil and Sen):
    neither a peak nor a step that memory takes once looks like a leak.
    """
    points = [
        (median(each.taps for each in window), median(each.rss for each in window)) for window in _windows(samples)
    ]
    slopes = [(late[1] - early[1]) / (late[0] - early[0]) for early, late in combinations(points, 2)]
    return median(slopes), points[-1][1] - points[0][1]


def complaints(samples: Sequence[Sample]) -> list[str]:
    """What a process that stands for years must not do; nothing if all is well."""
    settled = warm(samples)
    slope, grown = growth(settled)
    first, last = _windows(settled)[0], _windows(settled)[-1]
    found = []
    if slope > LEAK and grown > NOISE:
        found.append(
            f"memory grows by {slope:.2f} KiB a tap, {grown:.0f} KiB in {settled[-1].taps - settled[0].taps} taps"
        )
    for what, most in (("files", MORE_FILES), ("threads", MORE_THREADS)):
        before, after = (median(getattr(each, what) for each in window) for window in (first, last))
        if after > before + most:
            found.append(f"open {what} grow from {before:.0f} to {after:.0f}")
    entries = settled[-1].entries - settled[0].entries
    per_entry = (settled[-1].ledger_bytes - settled[0].ledger_bytes) / max(entries, 1)
    if per_entry > LARGEST_ENTRY:
        found.append(f"an entry takes {per_entry:.0f} bytes of the disk")
    return found


def _windows(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """So many parts of equal length in time."""
    size = len(samples) / WINDOWS
    return [samples[int(number * size) : int((number + 1) * size)] for number in range(WINDOWS)]
