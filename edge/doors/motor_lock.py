"""Drives the bolt of a motor lock in and out, and believes its sensors: what does not arrive in time is jammed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from edge.doors.inputs import Sensor
from edge.doors.locks import GUARDED, OnMove, Output
from edge.doors.longest_on import LongestOnGuard
from edge.doors.rules import LockState
from edge.errors import DoorUnguarded, PinsFault
from edge.events import Event
from edge.scheduler import Scheduler, Timer

MOST_TRIES: Final = 3
"""How often a movement is tried before the motor is left in peace; the next opening or closing tries anew."""

TRY_AGAIN: Final = 2.0
"""Seconds between two tries: whoever leans on the door has moved by then."""

REVERSAL: Final = 0.2
"""Seconds that both drives are off before the motor turns the other way, so that its relays have let go."""

BY_BOLT: Final = "bolt"
TIMED_OUT: Final = "timed_out"
NOT_DRIVEN: Final = "not_driven"
GIVEN_UP: Final = "given_up"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Motor:
    """The two drives, of which never both are on, the bolt's sensors, and how long a drive may run at most.

    Without a sensor `withdrawn` the unlocking drive runs for all of `seconds`, and then the bolt must have left
    `thrown`.
    """

    unlocking: Output
    locking: Output
    thrown: Sensor
    withdrawn: Sensor | None
    seconds: float


class MotorLock:
    """A bolt that a motor throws and withdraws.

    A guard is armed before a drive is energised. A movement that fails is tried again `MOST_TRIES` times in all; an
    unlocking that fails for good is given up and the bolt thrown again, so that it is not left half way.
    """

    waits_for_door: Final = True

    def __init__(self, name: str, motor: Motor, loop: Scheduler) -> None:
        self._name = name
        self._motor = motor
        self._loop = loop
        self._state = LockState.LOCKED if self._is_thrown() else LockState.UNLOCKED
        self._aim = self._state
        self._failed_at: LockState | None = None
        self._tries = 0
        self._running: Output | None = None
        self._timer: Timer | None = None
        self._moved: OnMove | None = None
        self._guard = LongestOnGuard(self._both_off, f"guard of the motor of door {name}", self._report_guard)
        for sensor in (motor.thrown, motor.withdrawn):
            if sensor is not None:
                sensor.listen(self._sensed)

    @property
    def state(self) -> LockState:
        """What the sensors and the drives say."""
        return self._state

    @property
    def is_faulty(self) -> bool:
        """Says whether it failed to reach an end and has not reached it since."""
        return self._failed_at is not None

    @property
    def is_moving(self) -> bool:
        """Says whether a drive runs, or will run again by itself."""
        return self._timer is not None

    @property
    def seen(self) -> Mapping[str, bool]:
        """What the sensors of the bolt say."""
        sensors = {"thrown": self._motor.thrown, "withdrawn": self._motor.withdrawn}
        return {name: sensor.is_on for name, sensor in sensors.items() if sensor is not None}

    def listen(self, moved: OnMove) -> None:
        """Tell `moved` when the bolt arrived, did not arrive, or was moved by somebody's key."""
        self._moved = moved

    def unlock(self, seconds: float) -> None:
        """Begin to withdraw the bolt. Raises DoorUnguarded, PinFailed."""
        before = self._state
        if before in {LockState.UNLOCKED, LockState.UNLOCKING}:
            return
        self._state = LockState.UNLOCKING
        try:
            self._begin(LockState.UNLOCKED)
        except (DoorUnguarded, PinsFault):
            self._halt()
            self._aim, self._state = LockState.LOCKED, before
            raise

    def lock(self) -> None:
        """Begin to throw the bolt; a pin that refuses is tried again like a bolt that does not arrive."""
        if self._state is not LockState.LOCKING:
            self._state = LockState.LOCKING
            try:
                self._begin(LockState.LOCKED)
            except (DoorUnguarded, PinsFault) as fault:
                self._refused(fault)

    def stop(self) -> None:
        """Turn both drives off; the bolt stays where it is."""
        self._halt()
        self._guard.stop()

    def _begin(self, aim: LockState) -> None:
        """Aim there; a drive that turns that way already goes on, and its time with it: asking again adds nothing."""
        self._aim, self._tries = aim, 1
        if self._running is not self._towards():
            self._drive()

    def _try(self) -> None:
        try:
            self._drive()
        except (DoorUnguarded, PinsFault) as fault:
            self._refused(fault)

    def _refused(self, fault: Exception) -> None:
        _log.error(Event.DOOR_FAILED, door=self._name, why=str(fault), then="the motor is tried again")
        self._fail()

    def _drive(self) -> None:
        """Turn the motor towards the aim; when it turned the other way, after a pause.

        A bolt that is there and rests stays; one that a drive just moved may have left already, unbelieved as yet.
        """
        turns_over = self._running is not None and self._running is not self._towards()
        self._off()
        if turns_over:
            self._later(REVERSAL, self._try, BY_BOLT)
            return
        if self._is_there():
            self._arrive(self._aim)
            return
        if not self._guard.arm(self._motor.seconds):
            raise DoorUnguarded(self._name)
        self._later(self._motor.seconds, self._time_is_over, TIMED_OUT)
        self._running = self._towards()
        self._running.set(True)

    def _towards(self) -> Output:
        return self._motor.locking if self._aim is LockState.LOCKED else self._motor.unlocking

    def _time_is_over(self) -> None:
        self._off()
        one_sensor = self._motor.withdrawn is None
        if self._is_there() or (self._aim is LockState.UNLOCKED and one_sensor and not self._motor.thrown.is_on):
            self._arrive(self._aim)
        else:
            self._fail()

    def _fail(self) -> None:
        """The bolt is not where it should be: try again after a pause, or leave it."""
        self._halt()
        self._state = LockState.JAMMED
        self._failed_at = self._aim
        if self._tries < MOST_TRIES:
            self._tries += 1
            self._later(TRY_AGAIN, self._try, NOT_DRIVEN)
        elif self._aim is LockState.UNLOCKED:
            self._later(TRY_AGAIN, self.lock, GIVEN_UP)

    def _sensed(self) -> None:
        """A sensor of the bolt changed."""
        if self._is_there():
            self._arrive(self._aim)
        elif self._state is LockState.LOCKED:  # somebody's key withdraws it
            self._arrive(LockState.UNLOCKED)
        elif self._state is LockState.UNLOCKED and self._is_thrown():  # and throws it
            self._arrive(LockState.LOCKED)
        self._report(BY_BOLT)

    def _is_there(self) -> bool:
        """Says whether the sensors tell that the bolt is where it should be."""
        if self._aim is LockState.LOCKED:
            return self._is_thrown()
        withdrawn = self._motor.withdrawn
        return withdrawn is not None and withdrawn.is_on and not self._motor.thrown.is_on

    def _is_thrown(self) -> bool:
        """Both sensors at once is a fault of the wiring, and no word of a bolt."""
        withdrawn = self._motor.withdrawn
        return self._motor.thrown.is_on and not (withdrawn is not None and withdrawn.is_on)

    def _arrive(self, at: LockState) -> None:
        self._off()
        self._aim = self._state = at
        if self._failed_at is at:
            self._failed_at = None

    def _report(self, cause: str) -> None:
        if self._moved is not None:
            self._moved(cause)

    def _later(self, seconds: float, act: Callable[[], None], cause: str) -> None:
        """The one timer there is: act, and tell what came of it."""

        def due() -> None:
            self._timer = None
            act()
            self._report(cause)

        self._cancel()
        self._timer = self._loop.call_later(seconds, due)

    def _off(self) -> None:
        """Stop waiting, and turn both drives off. Raises PinFailed; the guard then goes on trying."""
        self._cancel()
        self._both_off()
        self._guard.disarm()
        self._running = None

    def _halt(self) -> None:
        """The same where a pin that refuses is known already."""
        with suppress(PinsFault):
            self._off()

    def _both_off(self) -> None:
        for drive in (self._motor.unlocking, self._motor.locking):
            drive.set(False)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report_guard(self) -> None:
        """Runs in the guard's thread, after it has turned the drives off."""
        self._loop.call_soon_threadsafe(self._guard_has_ended)

    def _guard_has_ended(self) -> None:
        if not self._guard.is_armed and self._running is not None:
            self._fail()
            self._report(GUARDED)
