"""The trade's times at a door with a contact, an exit button and a tamper switch: each ends as it is set."""

from pathlib import Path

import pytest

from edge.doors import longest_on
from edge.doors.door import DoorState
from edge.doors.rules import Relock
from edge.doors.simulated_door import Act
from edge.signals.patterns import Pattern
from tests.support.doorway import RELAY, changed, doorway

LOCKED, UNLOCKED, OPEN = DoorState.LOCKED, DoorState.UNLOCKED, DoorState.OPEN


@pytest.mark.feature("F12")
def test_the_access_time_ends_when_it_is_over_and_the_long_one_later(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        for cause, long, seconds in (("tap 7", False, RELAY.access_seconds), ("tap 8", True, RELAY.long_seconds)):
            way.door.open(cause, long=long)
            way.wait(seconds - 0.01)
            before = way.is_energised
            way.wait(0.02)
            assert (before, way.is_energised) == (True, False)
        assert way.entries == [
            (UNLOCKED, "tap 7"),
            (LOCKED, "access_time"),
            (UNLOCKED, "tap 8"),
            (LOCKED, "access_time"),
        ]


def test_a_short_opening_after_a_long_one_counts_from_its_own_beginning(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7", long=True)
        way.wait(1)
        way.door.open("tap 8")
        way.wait(RELAY.access_seconds + 0.01)
        assert way.entries == [(UNLOCKED, "tap 7"), (LOCKED, "access_time")]


@pytest.mark.feature("F12")
def test_it_locks_as_soon_as_it_has_closed(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        open_and_unlocked = way.is_energised
        way.act(Act.CLOSE)
        assert (open_and_unlocked, way.is_energised) == (True, False)
        assert way.entries == [(UNLOCKED, "tap 7"), (OPEN, "opened"), (LOCKED, "closed")]


@pytest.mark.feature("F12")
def test_an_access_can_be_cancelled_as_soon_as_it_is_opened(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(RELAY, relock=Relock.OPENED)) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        assert not way.is_energised
        way.act(Act.CLOSE)
        assert way.act(Act.PUSH) == "it is locked, and does not give way"
        assert way.entries == [(UNLOCKED, "tap 7"), (OPEN, "opened"), (LOCKED, "closed")]


def test_relock_by_time_leaves_it_unlocked_until_the_time_is_over(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(RELAY, relock=Relock.TIME)) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH, Act.CLOSE)
        assert way.is_energised
        way.wait(RELAY.access_seconds)
        assert way.entries == [(UNLOCKED, "tap 7"), (OPEN, "opened"), (UNLOCKED, "closed"), (LOCKED, "access_time")]


def test_a_strike_is_let_go_when_the_time_is_over_though_the_door_stands_open(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.wait(RELAY.access_seconds)
        assert (way.is_energised, way.states[-1]) == (False, OPEN)


def test_who_is_granted_while_the_door_stands_open_still_comes_in_after_it_has_closed(tmp_path: Path) -> None:
    """A green light before a door that falls shut and locks would be a lie."""
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.door.open("tap 8")
        way.act(Act.CLOSE)
        assert way.is_energised
        assert way.act(Act.PUSH, Act.CLOSE) == "it closes"
        assert not way.is_energised


@pytest.mark.feature("F12")
def test_a_door_held_open_warns_first_then_alarms_until_it_closes(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.wait(19.7)
        quiet = set(way.held)
        way.wait(0.5)
        warned = set(way.held)
        way.wait(10)
        assert (quiet, warned, way.held) == (set(), {Pattern.DOOR_PRE_ALARM}, {Pattern.DOOR_ALARM})
        assert way.entries[1:] == [(OPEN, "opened"), (OPEN, "pre_alarm"), (DoorState.HELD_OPEN, "held_open")]
        way.act(Act.CLOSE)
        assert way.held == set()
        assert way.entries[-1] == (LOCKED, "closed")


def test_a_door_that_closes_in_time_warned_and_does_not_alarm(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.wait(25)
        way.act(Act.CLOSE)
        way.wait(60)
        assert way.held == set()
        assert DoorState.HELD_OPEN not in way.states


def test_a_card_ends_the_alarm_of_a_door_held_open_and_its_time_begins_anew(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.wait(31)
        way.door.open("tap 8")
        assert (way.entries[-1], way.held) == ((OPEN, "tap 8"), set())
        way.wait(29.9)
        assert way.state is OPEN
        way.wait(0.2)
        assert way.states[-1] is DoorState.HELD_OPEN


def test_who_has_long_access_may_hold_it_open_longer(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.door.open("tap 7", long=True)
        way.act(Act.PUSH)
        way.wait(30 + 15 - 0.5)
        assert way.state is OPEN
        way.wait(0.6)
        assert way.states[-1] is DoorState.HELD_OPEN


@pytest.mark.feature("F12")
def test_a_door_that_opens_while_locked_is_forced_until_it_closes(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.act(Act.FORCE)
        assert (way.entries, way.held) == ([(DoorState.FORCED, "forced")], {Pattern.DOOR_ALARM})
        way.wait(3600)
        assert way.held == {Pattern.DOOR_ALARM}
        way.act(Act.CLOSE)
        assert (way.entries[-1], way.held) == ((LOCKED, "closed"), set())


@pytest.mark.feature("F12")
def test_the_exit_button_opens_and_nobody_who_leaves_forces(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.act(Act.EXIT, Act.PUSH, Act.CLOSE)
        assert way.entries == [(UNLOCKED, "exit_button"), (OPEN, "opened"), (LOCKED, "closed")]


def test_a_door_opened_from_inside_while_the_button_is_held_is_not_forced(tmp_path: Path) -> None:
    """A handle that opens by itself and tells so by the button's input: the lock is shut again, the button is not."""
    with doorway(tmp_path, RELAY) as way:
        board = way.pins.simulation
        assert board is not None
        board.drive("exit-gate", False)
        way.wait(RELAY.access_seconds + 1)
        way.act(Act.FORCE)
        assert way.states == [UNLOCKED, LOCKED, OPEN]


def test_a_button_that_is_held_at_start_opens_nothing(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(RELAY, exit_active_high=True)) as way:
        board = way.pins.simulation
        assert board is not None
        board.drive("exit-gate", True)
    with doorway(tmp_path, RELAY) as way:
        way.wait(10)
        assert not way.is_energised


@pytest.mark.feature("F12")
def test_a_box_that_is_opened_is_an_entry_and_an_alarm_until_it_is_closed(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.act(Act.TAMPER)
        assert (way.entries, way.held) == ([(LOCKED, "tamper")], {Pattern.DOOR_ALARM})
        way.act(Act.TAMPER)
        assert (way.entries[-1], way.held) == ((LOCKED, "tamper_over"), set())


def test_a_door_that_stands_open_at_start_is_open_and_counts_from_then(tmp_path: Path) -> None:
    with doorway(tmp_path, RELAY) as way:
        way.act(Act.FORCE)
    with doorway(tmp_path, RELAY) as way:
        assert way.entries == [(OPEN, "started")]
        way.wait(31)
        assert way.states[-1] is DoorState.HELD_OPEN


def test_a_fail_safe_door_is_locked_by_power_and_free_when_nobody_serves_it(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(RELAY, fail="safe")) as way:
        energised = [way.is_energised]
        way.door.open("tap 7")
        energised.append(way.is_energised)
        way.wait(RELAY.access_seconds)
        energised.append(way.is_energised)
        way.door.shut("stopped")
        way.door.stop()
        assert [*energised, way.is_energised] == [True, False, True, False]
        assert way.states[:2] == [UNLOCKED, LOCKED]
        assert way.entries[-1] == (UNLOCKED, "stopped")


def test_a_loop_that_hangs_does_not_leave_a_fail_safe_door_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 0.0)
    with doorway(tmp_path, changed(RELAY, fail="safe", access_seconds=0.5)) as way:
        way.loop.run_calls()
        while way.loop._called.acquire(blocking=False):
            pass
        way.door.open("tap 7")
        way.loop.wait_until_called()
        way.loop.wait_until_called()
        assert way.is_energised
        way.loop.run_calls()
        assert way.entries[-1] == (LOCKED, "guard")


def test_a_door_without_a_contact_knows_its_lock_only(tmp_path: Path) -> None:
    plain = changed(RELAY, contact_pin=None, held_open_seconds=None, pre_alarm_seconds=None)
    with doorway(tmp_path, plain) as way:
        way.door.open("tap 7")
        way.act(Act.PUSH)
        way.wait(60)
        assert way.entries == [(UNLOCKED, "tap 7"), (LOCKED, "access_time")]
