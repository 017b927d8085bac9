"""Opens a door for its access time, and closes it again whatever else happens."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from edge.errors import DoorUnguarded, PinsFault
from edge.scheduler import Scheduler, Timer

GUARD_MARGIN: Final = 1.0
"""Seconds after the access time at which the guard closes a door that the loop did not close."""


RETRY: Final = 0.5
"""Seconds until the guard tries again to turn off a pin that refused."""


class DoorState(StrEnum):
    """How a door is, as far as its lock and its sensors tell. Stored in the ledger: never rename a value."""

    LOCKED = "locked"
    UNLOCKING = "unlocking"
    UNLOCKED = "unlocked"
    OPEN = "open"
    LOCKING = "locking"
    HELD_OPEN = "held_open"
    FORCED = "forced"
    JAMMED = "jammed"


class Closing(StrEnum):
    """Why a door was locked again. Stored in the ledger: never rename a value."""

    ACCESS_TIME = "access_time"
    GUARD = "guard"
    STOPPED = "stopped"


class Output(Protocol):
    """One pin, as a lock or a light sees it."""

    def set(self, on: bool) -> None:
        """Energise it or let it go; returns when that is done."""


OnChange = Callable[[str, DoorState, str], None]
"""Called in the loop's thread with the door's name, its new state and the cause."""


class Door:
    """A relay lock: unlocked by a pulse of `access_seconds`, which another opening extends.

    A guard with a thread and a clock of its own is armed before the lock is energised, so that a loop that hangs
    does not leave a door open (pitfalls 32 and 33). A process that dies is the service manager's: it closes the pins.
    """

    def __init__(self, name: str, pin: Output, access_seconds: float, loop: Scheduler, on_change: OnChange) -> None:
        self.name = name
        self._pin = pin
        self._access_seconds = access_seconds
        self._loop = loop
        self._on_change = on_change
        self._state = DoorState.LOCKED
        self._closing: Timer | None = None
        self._guard = LongestOnGuard(pin, f"guard of door {name}", self._report_guard)

    @property
    def state(self) -> DoorState:
        """Locked or unlocked, as far as the terminal drives it: a relay has no bolt to ask."""
        return self._state

    def open(self, cause: str, long: bool = False) -> None:
        """Unlock for the access time from now, `long` for people who need more of it.

        Raises DoorUnguarded when the guard cannot be armed, PinFailed.
        """
        if not self._guard.arm(self._access_seconds + GUARD_MARGIN):
            raise DoorUnguarded(self.name)
        if self._closing is not None:
            self._closing.cancel()
        self._closing = self._loop.call_later(self._access_seconds, self._access_is_over)
        self._pin.set(True)
        self._become(DoorState.UNLOCKED, cause)

    def stop(self) -> None:
        """Lock, and end the guard; the door cannot be opened after this."""
        self._close(Closing.STOPPED)
        self._guard.stop()

    def _access_is_over(self) -> None:
        self._close(Closing.ACCESS_TIME)

    def _close(self, cause: Closing) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self._pin.set(False)
        self._guard.disarm()  # only now: until the pin is off the guard stays responsible
        self._become(DoorState.LOCKED, cause)

    def _report_guard(self) -> None:
        """Runs in the guard's thread, after it has closed."""
        self._loop.call_soon_threadsafe(self._guard_has_closed)

    def _guard_has_closed(self) -> None:
        if not self._guard.is_armed:  # a later opening has armed it again, and its pulse is not over
            self._close(Closing.GUARD)

    def _become(self, state: DoorState, cause: str) -> None:
        if state is not self._state:
            self._state = state
            self._on_change(self.name, state, cause)


class LongestOnGuard:
    """Turns a pin off at a deadline unless it is disarmed before; independent of every event loop."""

    def __init__(self, pin: Output, name: str, fired: Callable[[], None]) -> None:
        self._pin = pin
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
            self._deadline = time.monotonic() + seconds
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
                self._deadline = None if self._is_off() else time.monotonic() + RETRY
                if self._deadline is None:
                    self._fired()

    def _is_off(self) -> bool:
        """Runs under the lock: an opening at this moment waits, and then wins."""
        try:
            self._pin.set(False)
        except PinsFault:  # nothing else is left to close it, so this goes on trying
            return False
        return True
