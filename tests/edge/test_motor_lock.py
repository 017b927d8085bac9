"""A motor lock believes its bolt: what does not arrive in time is jammed, said, tried again, and never driven twice."""

from itertools import pairwise
from pathlib import Path

import pytest

from edge.doors import longest_on
from edge.doors.door import DoorState
from edge.doors.lines import lock_line, throw_line
from edge.doors.motor_lock import MOST_TRIES, REVERSAL, TRY_AGAIN
from edge.doors.rules import LockState
from edge.doors.simulated_door import Act
from edge.errors import DoorUnguarded, PinFailed
from edge.pins.pins import PinOutput
from edge.signals.patterns import Pattern
from tests.support.doorway import MOTOR, Doorway, changed, doorway

TRAVEL = 1.0
"""Seconds in which the simulated bolt has certainly arrived and been believed."""


def unlocked(way: Doorway) -> None:
    way.door.open("tap 7")
    way.wait(TRAVEL)
    assert way.state is DoorState.UNLOCKED


def runs(way: Doorway, line: str) -> list[tuple[int, int]]:
    """When a drive was on, in lines of the history."""
    changes = [(number, change.level) for number, change in enumerate(way.changes) if change.pin == line]
    return [(begin, end) for (begin, level), (end, _) in pairwise(changes) if level]


@pytest.mark.feature("F13")
def test_a_motor_unlocks_and_locks_again_and_each_arrival_is_an_entry(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.door.open("tap 7")
        driven = (way.is_energised, way.is_throwing)
        way.wait(TRAVEL)
        assert (driven, way.is_energised) == ((True, False), False)
        way.wait(MOTOR.access_seconds + TRAVEL)
        assert way.entries == [
            (DoorState.UNLOCKING, "tap 7"),
            (DoorState.UNLOCKED, "bolt"),
            (DoorState.LOCKING, "access_time"),
            (DoorState.LOCKED, "bolt"),
        ]
        assert (way.is_energised, way.is_throwing) == (False, False)


def test_the_access_time_begins_when_the_bolt_is_withdrawn(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        unlocked(way)
        way.wait(MOTOR.access_seconds - 0.3)
        still = way.state
        way.wait(0.4)
        assert (still, way.state) == (DoorState.UNLOCKED, DoorState.LOCKING)


@pytest.mark.feature("F13")
def test_a_bolt_that_does_not_leave_is_said_recorded_tried_again_and_given_up(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.JAM)
        way.door.open("tap 7")
        way.wait(MOTOR.motor_seconds + 0.1)
        assert way.entries[-1] == (DoorState.JAMMED, "timed_out")
        assert way.held == {Pattern.DOOR_FAULT}
        assert not way.is_energised
        way.wait(60)
        assert len(runs(way, lock_line("gate"))) == MOST_TRIES
        assert way.entries == [
            (DoorState.UNLOCKING, "tap 7"),
            (DoorState.JAMMED, "timed_out"),
            (DoorState.LOCKED, "given_up"),
        ]
        assert way.held == {Pattern.DOOR_FAULT}, "it is locked, and nobody can come in: that is still said"


@pytest.mark.feature("F13")
def test_a_bolt_that_does_not_arrive_leaves_the_door_jammed_until_it_does(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        unlocked(way)
        way.act(Act.JAM)
        way.wait(120)
        assert way.entries[2:] == [(DoorState.LOCKING, "access_time"), (DoorState.JAMMED, "timed_out")]
        assert len(runs(way, throw_line("gate"))) == MOST_TRIES
        assert way.held == {Pattern.DOOR_FAULT}
        way.act(Act.UNJAM, Act.PUSH, Act.CLOSE)
        way.wait(TRAVEL)
        assert way.entries[-1] == (DoorState.LOCKED, "bolt")
        assert way.held == set()


def test_a_jam_that_frees_itself_between_two_tries_is_unlocked_by_the_next(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.JAM)
        way.door.open("tap 7")
        way.wait(MOTOR.motor_seconds + 0.1)
        way.act(Act.UNJAM)
        way.wait(TRY_AGAIN + TRAVEL)
        assert way.entries[1:] == [(DoorState.JAMMED, "timed_out"), (DoorState.UNLOCKED, "bolt")]
        assert way.held == set()


def test_whoever_leans_on_the_door_is_waited_for(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(MOTOR, motor_seconds=0.9)) as way:
        way.wall.act(Act.PUSH)
        way.door.open("tap 7")
        way.wait(5)
        assert way.states[:3] == [DoorState.UNLOCKING, DoorState.JAMMED, DoorState.UNLOCKED]


def test_a_new_opening_tries_a_jammed_bolt_anew(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.JAM)
        way.door.open("tap 7")
        way.wait(60)
        way.act(Act.UNJAM)
        way.door.open("tap 8")
        way.wait(TRAVEL)
        assert way.entries[-2:] == [(DoorState.UNLOCKING, "tap 8"), (DoorState.UNLOCKED, "bolt")]
        assert way.held == set()


def test_asking_again_gives_a_drive_that_runs_no_new_time(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.JAM)
        way.door.open("tap 7")
        way.wait(MOTOR.motor_seconds + TRY_AGAIN + 0.1)
        assert (way.states[-1], way.is_energised) == (DoorState.JAMMED, True)
        way.wait(MOTOR.motor_seconds - 0.5)
        way.door.open("tap 8")
        assert way.entries[-1] == (DoorState.UNLOCKING, "tap 8")
        way.wait(0.5)
        assert (way.states[-1], way.is_energised) == (DoorState.JAMMED, False)


def test_a_bolt_that_jams_beside_an_open_door_is_an_entry_too(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.FORCE, Act.JAM)
        way.door.open("tap 7")
        way.wait(MOTOR.motor_seconds + 0.1)
        assert way.entries[-1] == (DoorState.OPEN, "timed_out")
        assert way.held == {Pattern.DOOR_FAULT}


def test_a_door_that_opens_while_its_bolt_comes_out_gets_the_bolt_out_of_the_way(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        unlocked(way)
        while DoorState.LOCKING not in way.states:
            way.wait(0.01)
        assert way.act(Act.PUSH, then=0.01) == "it opens"
        way.wait(2)
        assert way.state is DoorState.OPEN
        assert way.wall.bolt == 0
        way.act(Act.CLOSE)
        way.wait(TRAVEL)
        assert way.states[-1] is DoorState.LOCKED


def test_a_motor_pauses_before_it_turns_the_other_way(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        unlocked(way)
        way.wait(MOTOR.access_seconds - 0.05)
        assert way.is_throwing
        way.door.open("tap 8")
        between = (way.is_energised, way.is_throwing)
        way.wait(REVERSAL + 0.01)
        assert (between, way.is_energised, way.is_throwing) == ((False, False), True, False)


def test_somebodys_key_is_seen_and_the_door_locked_again(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        board = way.pins.simulation
        assert board is not None
        board.drive("bolt-gate", True)  # no longer thrown; the switch is low when it is
        way.wall._bolt = 0
        way.wait(0.2)
        assert way.entries == [(DoorState.UNLOCKED, "bolt")]
        way.wait(MOTOR.access_seconds + TRAVEL)
        assert way.states == [DoorState.UNLOCKED, DoorState.LOCKING, DoorState.LOCKED]


def test_without_a_second_sensor_the_drive_runs_its_time_and_then_the_bolt_must_have_left(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(MOTOR, withdrawn_pin=None)) as way:
        way.door.open("tap 7")
        way.wait(TRAVEL)
        on_the_way = (way.state, way.is_energised)
        way.wait(MOTOR.motor_seconds)
        assert (on_the_way, way.state, way.is_energised) == ((DoorState.UNLOCKING, True), DoorState.UNLOCKED, False)
        way.wait(MOTOR.access_seconds + TRAVEL)
        way.act(Act.JAM)
        way.door.open("tap 8")
        way.wait(MOTOR.motor_seconds + 0.1)
        assert way.state is DoorState.JAMMED


def test_two_sensors_that_both_say_yes_are_believed_by_nobody(tmp_path: Path) -> None:
    """A fault of the wiring: neither end counts as reached."""
    with doorway(tmp_path, changed(MOTOR, withdrawn_active_high=True)) as way:
        board = way.pins.simulation
        assert board is not None
        way.act(Act.JAM)
        board.drive("withdrawn-gate", True)
        way.wait(120)
        assert way.door.lock_state is LockState.JAMMED
        assert (way.is_energised, way.is_throwing) == (False, False)


class Refusing:
    """A drive whose line refuses to be energised."""

    def __init__(self, pin: PinOutput, times: int) -> None:
        self._pin, self._times = pin, times
        self.name = pin.name

    def set(self, on: bool) -> None:
        if on and self._times:
            self._times -= 1
            raise PinFailed(self.name, "input/output error")
        self._pin.set(on)


def test_a_drive_that_refuses_to_unlock_is_told_to_who_asked_and_leaves_the_door_locked(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        refuse(way, "unlocking", 1)
        with pytest.raises(PinFailed):
            way.door.open("tap 7")
        assert (way.state, way.entries) == (DoorState.LOCKED, [])
        unlocked(way)


def refuse(way: Doorway, drive: str, times: int) -> None:
    """Let this drive refuse so many times."""
    motor = way.door._lock._motor  # type: ignore[attr-defined]
    object.__setattr__(motor, drive, Refusing(getattr(motor, drive), times))


def test_a_drive_that_refuses_to_lock_is_tried_again_like_a_bolt_that_does_not_arrive(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        unlocked(way)
        refuse(way, "locking", 1)
        way.wait(MOTOR.access_seconds)
        assert way.entries[-1] == (DoorState.JAMMED, "access_time")
        assert way.held == {Pattern.DOOR_FAULT}
        way.wait(TRY_AGAIN + TRAVEL)
        assert way.entries[-1] == (DoorState.LOCKED, "bolt")
        assert way.held == set()


def test_a_motor_whose_guard_does_not_run_is_not_started(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.door._lock.stop()
        with pytest.raises(DoorUnguarded):
            way.door.open("tap 7")
        assert (way.state, way.is_energised) == (DoorState.LOCKED, False)


@pytest.mark.feature("F13")
def test_a_loop_that_hangs_does_not_leave_a_drive_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's time never moves here; only the guard's thread can have turned it off."""
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 0.0)
    with doorway(tmp_path, changed(MOTOR, motor_seconds=0.5)) as way:
        way.door.open("tap 7")
        way.loop.run_calls()
        way.loop.wait_until_called()
        way.loop.wait_until_called()
        assert not way.is_energised
        way.loop.run_calls()
        assert way.entries[-1] == (DoorState.JAMMED, "guard")
        begun, ended = [change for change in way.changes if change.pin == "lock-gate"][-2:]
        assert 0.5 <= (ended.at_ns - begun.at_ns) / 1e9 < 2


class Watched:
    """A drive that notes, when it is energised, whether its guard was armed and the other was off."""

    def __init__(self, pin: PinOutput, other: PinOutput, way: Doorway) -> None:
        self._pin, self._other, self._way = pin, other, way
        self.seen: list[tuple[bool, bool]] = []

    def set(self, on: bool) -> None:
        if on:
            self.seen.append((self._way.door._lock._guard.is_armed, self._other.is_on))  # type: ignore[attr-defined]
        self._pin.set(on)


@pytest.mark.feature("F13")
def test_the_guard_is_armed_before_a_drive_is_energised_and_the_other_is_off(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        lines = way.pins[lock_line("gate")], way.pins[throw_line("gate")]
        drives = Watched(lines[0], lines[1], way), Watched(lines[1], lines[0], way)
        motor = way.door._lock._motor  # type: ignore[attr-defined]
        for name, drive in zip(("unlocking", "locking"), drives, strict=True):
            object.__setattr__(motor, name, drive)
        unlocked(way)
        way.wait(MOTOR.access_seconds)
        way.door.open("tap 8")
        way.wait(20)
        assert [seen for drive in drives for seen in drive.seen] == [(True, False)] * 4
