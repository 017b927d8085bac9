"""Keeps every level of the simulated lines in a file that outlives the process which set them (decision 0008)."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST_HISTORY: Final = 1 << 20
"""Bytes of a history file; then it becomes `pins.log.1` and a new one begins."""


@dataclass(frozen=True, slots=True)
class PinChange:
    """A level that a simulated line took: `level` is electrical, so an active-low lock is energised at 0."""

    at_ns: int
    pin: str
    level: int


class PinHistory:
    """Appends every level to a file, each with one write of its own, so that it outlives the process that set it."""

    def __init__(self, path: Path, largest: int) -> None:
        self._path = path
        self._largest = largest
        self.levels = pin_levels(path)  # what the process before left holds until this one says otherwise
        self._lock = threading.Lock()  # the guard of a door writes from a thread of its own
        self._open()

    def append(self, pin: str, level: int) -> None:
        """Write that `pin` has this level from now on."""
        with self._lock:
            self.levels[pin] = level
            self._size += os.write(self._file, b"%d %s %d\n" % (time.monotonic_ns(), pin.encode(), level))
            if self._size > self._largest:
                self._rotate()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        """Begin a new file with the levels that hold now, so that it can be read alone."""
        os.close(self._file)
        self._path.replace(_older(self._path))
        self._open()
        for pin, level in self.levels.items():
            self._size += os.write(self._file, b"%d %s %d\n" % (time.monotonic_ns(), pin.encode(), level))


def read_pin_history(path: Path) -> list[PinChange]:
    """Everything a simulated terminal's lines did, oldest first; a line torn by a power cut is left out."""
    changes = []
    for part in (_older(path), path):
        if part.exists():
            changes += [change for line in part.read_bytes().splitlines() if (change := _change(line)) is not None]
    return changes


def pin_levels(path: Path) -> dict[str, int]:
    """The level that each simulated line has now, whoever set it."""
    return {change.pin: change.level for change in read_pin_history(path)}


def _change(line: bytes) -> PinChange | None:
    match line.split():
        case [at, pin, (b"0" | b"1") as level] if at.isdigit():
            return PinChange(int(at), pin.decode(errors="replace"), int(level))
        case _:
            return None


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")
