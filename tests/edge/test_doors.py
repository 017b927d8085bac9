"""A door opens for its access time and is closed again by two independent ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.doors import longest_on
from edge.doors.door import Door, DoorState, OnChange, Sensors, Times
from edge.doors.locks import Output, RelayLock
from edge.errors import DoorUnguarded, LedgerFault, PinFailed
from edge.pins.history import read_pin_history
from edge.pins.lines import Line
from edge.pins.pins import PinOutput, Pins
from tests.support.hand_clock import HandLoop

Change = tuple[str, DoorState, str]


def relay_door(pin: Output, seconds: float, loop: HandLoop, on_change: OnChange) -> Door:
    """A door with nothing but a strike."""
    return Door("main", RelayLock("main", pin, loop), (Sensors(), Times(access=seconds)), loop, on_change)


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Pins]:
    taken = Pins.simulated([Line("lock.main", 23)], tmp_path / "pins.log")
    yield taken
    taken.close()


@pytest.fixture
def lock(pins: Pins) -> PinOutput:
    return pins["lock.main"]


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def door(lock: PinOutput, loop: HandLoop, changes: list[Change]) -> Iterator[Door]:
    made = relay_door(lock, 5.0, loop, lambda *change: changes.append(change))
    yield made
    made.stop()


def test_a_door_opens_for_its_access_time(door: Door, lock: PinOutput, loop: HandLoop, changes: list[Change]) -> None:
    door.open("tap 7")
    energised = [lock.is_on]
    for seconds in (4.99, 0.02):
        loop.advance(seconds)
        energised.append(lock.is_on)
    assert energised == [True, True, False]
    assert changes == [("main", DoorState.UNLOCKED, "tap 7"), ("main", DoorState.LOCKED, "access_time")]


def test_opening_again_extends_the_access_time_and_is_one_opening(
    door: Door, lock: PinOutput, loop: HandLoop, changes: list[Change]
) -> None:
    door.open("tap 7")
    loop.advance(4)
    door.open("tap 8")
    loop.advance(4.99)
    energised = lock.is_on
    loop.advance(0.02)
    assert (energised, lock.is_on) == (True, False)
    assert [state for _, state, _ in changes] == [DoorState.UNLOCKED, DoorState.LOCKED]


def test_stopping_locks(door: Door, lock: PinOutput, changes: list[Change]) -> None:
    door.open("tap 7")
    door.stop()
    assert not lock.is_on
    assert changes[-1] == ("main", DoorState.LOCKED, "stopped")


def test_a_door_that_was_never_opened_says_nothing_when_it_stops(door: Door, changes: list[Change]) -> None:
    door.stop()
    assert changes == []


class Watched:
    """A lock's line that notes, at the moment it is energised, whether the guard was armed."""

    def __init__(self, pin: PinOutput) -> None:
        self._pin = pin
        self.relay: RelayLock | None = None
        self.armed: list[bool] = []

    def set(self, on: bool) -> None:
        if on and self.relay is not None:
            self.armed.append(self.relay._guard.is_armed)
        self._pin.set(on)


def test_the_guard_is_armed_before_the_lock_is_energised(lock: PinOutput, loop: HandLoop) -> None:
    watched = Watched(lock)
    watched.relay = RelayLock("main", watched, loop)
    watched.relay.unlock(5.0)
    watched.relay.lock()
    watched.relay.unlock(5.0)
    watched.relay.stop()
    assert watched.armed == [True, True]


def test_a_loop_that_hangs_does_not_leave_the_door_open(
    lock: PinOutput, loop: HandLoop, changes: list[Change], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The loop's time never moves here; only the guard's thread can have closed."""
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 0.0)
    door = relay_door(lock, 0.05, loop, lambda *change: changes.append(change))
    door.open("tap 7")
    loop.wait_for_call()
    assert not lock.is_on
    assert door.state is DoorState.LOCKED
    assert changes[-1] == ("main", DoorState.LOCKED, "guard")
    _, opened, closed = read_pin_history(tmp_path / "pins.log")
    assert 0.05 <= (closed.at_ns - opened.at_ns) / 1e9 < 2
    door.stop()


def test_a_door_opened_again_before_the_loop_hears_of_the_guard_stays_open(
    lock: PinOutput, loop: HandLoop, changes: list[Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 0.0)
    door = relay_door(lock, 0.05, loop, lambda *change: changes.append(change))
    door.open("tap 7")
    loop.wait_until_called()
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 60.0)
    door.open("tap 8")
    loop.run_calls()
    assert lock.is_on
    assert door.state is DoorState.UNLOCKED
    door.stop()


class Stuck:
    """A lock whose first attempts to let go fail."""

    def __init__(self, lock: PinOutput, failures: int) -> None:
        self._lock = lock
        self._failures = failures

    def set(self, on: bool) -> None:
        if not on and self._failures:
            self._failures -= 1
            raise PinFailed("lock.main", "input/output error")
        self._lock.set(on)


def test_the_guard_goes_on_until_the_lock_lets_go(
    lock: PinOutput, loop: HandLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_on, "GUARD_MARGIN", 0.0)
    monkeypatch.setattr(longest_on, "RETRY", 0.01)
    door = relay_door(Stuck(lock, 3), 0.01, loop, lambda *_: None)
    door.open("tap 7")
    loop.wait_for_call()
    assert not lock.is_on
    door.stop()


def test_a_door_whose_guard_does_not_run_is_not_opened(door: Door, lock: PinOutput) -> None:
    door.stop()
    with pytest.raises(DoorUnguarded, match="stays locked"):
        door.open("tap 7")
    assert not lock.is_on


def test_a_ledger_that_fails_does_not_keep_the_door_open(lock: PinOutput, loop: HandLoop) -> None:
    def refuse(*_: object) -> None:
        raise LedgerFault("full")

    door = relay_door(lock, 5.0, loop, refuse)
    with pytest.raises(LedgerFault):
        door.open("tap 7")
    with pytest.raises(LedgerFault):
        loop.advance(5.01)
    assert not lock.is_on
    assert door.state is DoorState.LOCKED
    door.stop()
