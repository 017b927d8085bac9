"""What a lock is to a door, and the simplest one: a relay that lets a strike or a magnet go for a while."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from edge.doors.longest_on import LongestOnGuard
from edge.doors.rules import LockState
from edge.errors import DoorUnguarded
from edge.scheduler import Scheduler

GUARDED: Final = "guard"
"""The cause that is told when a guard ended something that the loop should have ended."""


OnMove = Callable[[str], None]
"""Called in the loop's thread with the cause when a lock's state changed by itself."""


class Output(Protocol):
    """One pin, as a lock or a light sees it."""

    def set(self, on: bool) -> None:
        """Energise it or let it go; returns when that is done. Raises PinFailed."""


class Lock(Protocol):
    """What keeps a door shut."""

    @property
    def state(self) -> LockState:
        """What it does now."""

    @property
    def is_faulty(self) -> bool:
        """Says whether it could not move, and has not moved there since."""

    @property
    def is_moving(self) -> bool:
        """Says whether it is on its way, or will try again by itself."""

    @property
    def seen(self) -> Mapping[str, bool]:
        """What its own sensors say, by name."""

    @property
    def waits_for_door(self) -> bool:
        """Says whether it may be locked only while the door is closed: a bolt needs its hole."""

    def listen(self, moved: OnMove) -> None:
        """Tell `moved` of changes that nobody ordered at that moment."""

    def unlock(self, seconds: float) -> None:
        """Let the door be opened; a guard ends it after `seconds`. Raises DoorUnguarded, PinFailed."""

    def lock(self) -> None:
        """Keep the door shut. Raises PinFailed."""

    def stop(self) -> None:
        """Let go of everything in the way that is safe; it cannot be unlocked after this."""


class RelayLock:
    """A strike or a magnet behind one line: it does at once what it is told, and has no bolt to ask.

    Fail-secure: energised is unlocked, and without power the door is shut. Fail-safe: energised is locked, and without
    power people can leave, so that a line that is let go means unlocked and only this program keeps the door shut.
    A guard with a thread of its own is armed before the door is let go (pitfalls 32 and 33).
    """

    waits_for_door: Final = False
    is_faulty: Final = False
    is_moving: Final = False
    seen: Final[Mapping[str, bool]] = MappingProxyType({})

    def __init__(self, name: str, pin: Output, loop: Scheduler, *, fail_safe: bool = False) -> None:
        self._name = name
        self._pin = pin
        self._loop = loop
        self._fail_safe = fail_safe
        self._state = LockState.UNLOCKED if fail_safe else LockState.LOCKED
        self._moved: OnMove | None = None
        self._guard = LongestOnGuard(self._secure, f"guard of door {name}", self._report_guard)

    @property
    def state(self) -> LockState:
        """Locked or unlocked, as far as the terminal drives it."""
        return self._state

    def listen(self, moved: OnMove) -> None:
        """Tell `moved` when the guard has locked."""
        self._moved = moved

    def unlock(self, seconds: float) -> None:
        """Let the door go for at most `seconds` and the guard's margin. Raises DoorUnguarded, PinFailed."""
        if not self._guard.arm(seconds):
            raise DoorUnguarded(self._name)
        self._pin.set(not self._fail_safe)
        self._state = LockState.UNLOCKED

    def lock(self) -> None:
        """Hold the door. Raises PinFailed; the guard then goes on trying."""
        self._secure()
        self._guard.disarm()  # only now: until the door is held the guard stays responsible
        self._state = LockState.LOCKED

    def stop(self) -> None:
        """Let the line go: a fail-secure door is locked by that, a fail-safe one is free, since nobody serves it."""
        self._pin.set(False)
        self._state = LockState.UNLOCKED if self._fail_safe else LockState.LOCKED
        self._guard.stop()

    def _secure(self) -> None:
        self._pin.set(self._fail_safe)

    def _report_guard(self) -> None:
        """Runs in the guard's thread, after it has locked."""
        self._loop.call_soon_threadsafe(self._guard_has_locked)

    def _guard_has_locked(self) -> None:
        if self._guard.is_armed or self._state is LockState.LOCKED:
            return  # a later opening has armed it again and its time is not over, or the loop has locked meanwhile
        self._state = LockState.LOCKED
        if self._moved is not None:
            self._moved(GUARDED)
