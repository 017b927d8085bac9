"""A door: a lock, and where they are fitted a contact, an exit button and a tamper switch, with the trade's times."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.doors.inputs import Sensor
from edge.doors.locks import Lock
from edge.doors.rules import Happening, Leaf, LockState, Order, Relock, Standing, follows
from edge.errors import DoorUnguarded
from edge.scheduler import Scheduler, Timer

BY_EXIT: Final = "exit_button"
STARTED: Final = "started"
STOPPED: Final = "stopped"


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


ALARMS: Final = frozenset({DoorState.HELD_OPEN, DoorState.FORCED})

OnChange = Callable[[str, DoorState, str], None]
"""Called in the loop's thread with the door's name, its state and the cause, for each thing worth an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds: how long it stays unlocked, for some people longer; when standing open is too long, None for never; how
    long before that the buzzer warns. `relock` says what ends an access before its time."""

    access: float
    long_access: float = 20.0
    held_open: float | None = None
    pre_alarm: float | None = None
    relock: Relock = Relock.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """What is fitted beside the lock; each says yes when the door is open, the button pressed, the box opened."""

    contact: Sensor | None = None
    exit_button: Sensor | None = None
    tamper: Sensor | None = None


class Door:
    """Follows `door_rules`; its state is where the leaf stands, and with the leaf closed what the lock does.

    Each change is told to `on_change` once it has happened, and so is what leaves the state as it is: a pre-alarm, a
    tampering, a bolt that jams while the door stands open. After each happening `after` may look at the door.
    """

    def __init__(
        self,
        name: str,
        lock: Lock,
        fitted: tuple[Sensors, Times],
        loop: Scheduler,
        on_change: OnChange,
        after: Callable[["Door"], None] = lambda _: None,
    ) -> None:
        self.name = name
        self._lock = lock
        self._sensors, self._times = fitted
        self._loop = loop
        self._on_change = on_change
        self._after = after
        self._leaf = Leaf.CLOSED
        self._state = DoorState.LOCKED
        self._lock_was = lock.state
        self._seconds = self._times.access
        self._access_runs = False
        self._owed = False
        self._is_stopping = False
        self._access_timer: Timer | None = None
        self._open_timer: Timer | None = None
        self.is_warning = False
        lock.listen(self._lock_moved)
        self._listen()

    @property
    def state(self) -> DoorState:
        """How it is, as far as the terminal drives it and its sensors tell."""
        return self._state

    @property
    def lock_state(self) -> LockState:
        """What the lock does, whether or not the leaf is in it."""
        return self._lock.state

    @property
    def is_faulty(self) -> bool:
        """Says whether its lock could not move."""
        return self._lock.is_faulty

    @property
    def is_tampered(self) -> bool:
        """Says whether its box is open."""
        return self._sensors.tamper is not None and self._sensors.tamper.is_on

    @property
    def seen(self) -> dict[str, bool]:
        """What each fitted sensor says."""
        fitted = {"contact": self._sensors.contact, "exit": self._sensors.exit_button, "tamper": self._sensors.tamper}
        own = {name: sensor.is_on for name, sensor in fitted.items() if sensor is not None}
        return {**own, **self._lock.seen}

    def start(self) -> None:
        """Look how it is, and lock it."""
        if self._sensors.contact is not None and self._sensors.contact.is_on:
            self._leaf = Leaf.OPEN
        self._happen(Happening.STARTED, STARTED)

    def open(self, cause: str, long: bool = False) -> None:
        """Let somebody through for the access time from now, `long` for people who need more of it.

        Raises DoorUnguarded when the guard cannot be armed, PinFailed.
        """
        if self._is_stopping:
            raise DoorUnguarded(self.name)
        self._seconds = self._times.long_access if long else self._times.access
        self._happen(Happening.ASKED, cause)

    def shut(self, cause: str) -> None:
        """Lock, and open for nobody any more; a motor takes its time for that: see `is_at_rest`."""
        self._is_stopping = True
        self._happen(Happening.STOPPING, cause)

    @property
    def is_at_rest(self) -> bool:
        """Says whether the lock has done what it can: it holds, or has its reasons not to."""
        return not self._lock.is_moving

    def stop(self) -> None:
        """Let go of everything in the way that is safe; the door cannot be opened after this."""
        self._is_stopping = True
        self._end_access()
        self._end_open_time()
        self._lock.stop()
        self._settle(STOPPED)

    # --- what is reported from outside --------------------------------------------------------------------------------

    def _listen(self) -> None:
        if self._sensors.contact is not None:
            self._sensors.contact.listen(self._leaf_moved)
        if self._sensors.exit_button is not None:
            self._sensors.exit_button.listen(self._exit_moved)
        if self._sensors.tamper is not None:
            self._sensors.tamper.listen(self._tampered)

    def _leaf_moved(self) -> None:
        if self._sensors.contact is not None and self._sensors.contact.is_on:
            self._happen(Happening.OPENED, "opened")
        else:
            self._happen(Happening.CLOSED, "closed")

    def _exit_moved(self) -> None:
        button = self._sensors.exit_button
        if button is not None and button.is_on and not self._is_stopping:
            self.open(BY_EXIT)

    def _tampered(self) -> None:
        self._on_change(self.name, self._state, "tamper" if self.is_tampered else "tamper_over")
        self._after(self)

    def _lock_moved(self, cause: str) -> None:
        jammed = self._lock.state is LockState.JAMMED and self._lock_was is not LockState.JAMMED
        if jammed and self._leaf is not Leaf.CLOSED:
            self._on_change(self.name, self._state, cause)
        self._settle(cause)

    # --- what follows -------------------------------------------------------------------------------------------------

    def _happen(self, what: Happening, cause: str) -> None:
        """Do what the rules say, tell what became of it, and set the times that run from here."""
        before = self._leaf
        leaf, order = follows(what, self._standing())
        if order is Order.UNLOCK:
            self._lock.unlock(self._seconds)
            self._end_access()
            self._access_runs = True
        elif order is Order.LOCK or (what is Happening.OPENED and self._times.relock is Relock.OPENED):
            self._end_access()
        if order is Order.LOCK:
            self._lock.lock()
        self._leaf = leaf
        self._owed = what is Happening.ASKED and leaf is not Leaf.CLOSED
        if what is not Happening.ACCESS_OVER:
            self._time_the_leaf()
        self._settle("forced" if leaf is Leaf.FORCED and before is not leaf else cause)

    def _standing(self) -> Standing:
        pressed = self._sensors.exit_button is not None and self._sensors.exit_button.is_on
        return Standing(
            leaf=self._leaf,
            lock=self._lock.state,
            relock=self._times.relock,
            waits=self._lock.waits_for_door,
            access=self._access_runs,
            owed=self._owed,
            exit_pressed=pressed,
        )

    def _settle(self, cause: str) -> None:
        """Tell the state if it is another, and let the access time run while the door is unlocked."""
        lock = self._lock_was = self._lock.state
        if lock in {LockState.LOCKED, LockState.LOCKING}:
            self._end_access()
        elif lock is LockState.UNLOCKED and not self._is_stopping:
            self._time_the_access()
        state = DoorState(str(lock if self._leaf is Leaf.CLOSED else self._leaf))
        try:
            if state is not self._state:
                self._state = state
                self._on_change(self.name, state, cause)
        finally:
            self._after(self)

    def _time_the_access(self) -> None:
        """Begin the access time once the door can be opened; one that somebody's key opened gets the usual one."""
        if not self._access_runs and self._leaf is Leaf.CLOSED:
            self._access_runs, self._seconds = True, self._times.access
        if self._access_runs and self._access_timer is None:
            self._access_timer = self._loop.call_later(self._seconds, self._access_is_over)

    def _access_is_over(self) -> None:
        self._end_access()
        self._happen(Happening.ACCESS_OVER, "access_time")

    def _end_access(self) -> None:
        self._access_runs = False
        if self._access_timer is not None:
            self._access_timer.cancel()
            self._access_timer = None

    def _time_the_leaf(self) -> None:
        """Begin to count how long it stands open, or stop counting; a long access may stand open longer."""
        self._end_open_time()
        longest, warning = self._times.held_open, self._times.pre_alarm
        if longest is None or self._leaf is not Leaf.OPEN:
            return
        longest += self._seconds - self._times.access
        if warning is None:
            self._open_timer = self._loop.call_later(longest, self._is_too_long)
        else:
            self._open_timer = self._loop.call_later(longest - warning, self._warn)

    def _warn(self) -> None:
        self.is_warning = True
        self._open_timer = self._loop.call_later(self._times.pre_alarm or 0, self._is_too_long)
        try:
            self._on_change(self.name, self._state, "pre_alarm")
        finally:
            self._after(self)

    def _is_too_long(self) -> None:
        self.is_warning = False
        self._happen(Happening.OPEN_TOO_LONG, "held_open")

    def _end_open_time(self) -> None:
        self.is_warning = False
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None
