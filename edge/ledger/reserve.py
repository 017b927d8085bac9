"""A file that only holds room: given up when the disk is full, so that registering goes on until somebody comes."""

import os
import shutil
from pathlib import Path
from typing import Final

import structlog

from edge.events import Event

SIZE: Final = 8 * 1024 * 1024  # a write-ahead log of its full length, and some thousand entries
COMFORT: Final = 2  # times its size that must be free before it is taken

_log = structlog.get_logger()


class Reserve:
    """Lies beside the ledger. What cannot be had is said, and tried again by whoever calls `take`."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self._path = folder / "ledger.reserve"
        self._size = size
        self._said = True

    @property
    def is_held(self) -> bool:
        """Whether there is room left for when the disk is full."""
        return self._path.exists()

    def take(self) -> bool:
        """Hold the room, if that leaves enough to others; whether it is held."""
        if self.is_held:
            return True
        try:
            if shutil.disk_usage(self._path.parent).free >= COMFORT * self._size:
                self._allocate()
        except OSError:
            self._path.unlink(missing_ok=True)
        self._say("the disk is nearly full: free some of it")
        return self.is_held

    def give_up(self) -> bool:
        """Free the room for the ledger, if it is held; whether that made any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self._say("entries go into what it held; free some of the disk")
        return True

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        finally:
            os.close(descriptor)

    def _say(self, then: str) -> None:
        if self.is_held is self._said:
            return
        self._said = self.is_held
        if self._said:
            _log.info(Event.RESERVE_CHANGED, held=True, then="nothing to do")
        else:
            _log.error(Event.RESERVE_CHANGED, held=False, then=then)
