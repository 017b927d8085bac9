"""Ends what may not last: at a deadline, from a thread of its own, whatever the event loop does."""

import threading
import time
from collections.abc import Callable
from typing import Final

from edge.errors import PinsFault

GUARD_MARGIN: Final = 1.0
"""Seconds that the loop is given to end something itself before the guard does."""

RETRY: Final = 0.5
"""Seconds until the guard tries again after a pin has refused."""


class LongestOnGuard:
    """Calls `end` at a deadline unless it is disarmed before; independent of every event loop.

    It shares the process with the loop: it holds against a loop that hangs, and not against a process that is stopped
    or dead. That is the service manager's (docs/doors.md).
    """

    def __init__(self, end: Callable[[], None], name: str, fired: Callable[[], None]) -> None:
        self._end = end
        self._fired = fired
        self._deadline: float | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)
        self._thread.start()

    @property
    def is_armed(self) -> bool:
        """Says whether a deadline runs."""
        return self._deadline is not None

    def arm(self, seconds: float) -> bool:
        """Begin or move the deadline; False when nobody would keep it."""
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                return False
            self._deadline = time.monotonic() + seconds + GUARD_MARGIN
            self._changed.notify()
            return True

    def disarm(self) -> None:
        """Forget the deadline."""
        with self._changed:
            self._deadline = None

    def stop(self) -> None:
        """End the thread; a deadline that runs is forgotten."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._stopping:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                self._deadline = None if self._has_ended() else time.monotonic() + RETRY
                if self._deadline is None:
                    self._fired()

    def _has_ended(self) -> bool:
        """Runs under the lock: whoever arms it at this moment waits, and then wins."""
        try:
            self._end()
        except PinsFault:  # nothing else is left to end it, so this goes on trying
            return False
        return True
