"""Whatever people and jams do to a door in whatever order: drives, guard, entries and physics keep their promises."""

import re
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from edge.doors.door import DoorState
from edge.doors.lines import lock_line, throw_line
from edge.doors.rules import LockState, Relock
from edge.doors.simulated_door import Act
from edge.settings import DoorSettings
from tests.support.doorway import MOTOR, RELAY, Doorway, changed, doorway

NO_CHANGE: Final = {"pre_alarm", "tamper", "tamper_over", "timed_out"}
"""Causes that are told without another state."""

TICK: Final = 0.05
"""Time passes in steps of this, and everything is looked at after each."""

QUIET: Final = 0.4
"""After this long without a movement every switch has been believed, and a motor that turns over has begun to."""


PAGE: Final = (Path(__file__).parents[2] / "docs/doors.md").read_text(encoding="utf-8")
CAUSES: Final = set(
    re.findall(r"^\| `(\w+)` \| ", PAGE.partition("### Causes")[2].partition("## Times")[0], re.MULTILINE)
)
"""What the guide knows."""


class People(RuleBasedStateMachine):
    """What can happen at a door."""

    door: ClassVar[DoorSettings] = RELAY

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self.way: Doorway = self._stack.enter_context(doorway(folder, self.door))
        self.asked = 0
        self.on_for = dict.fromkeys(self._lines(), 0.0)
        board = self.way.pins.simulation
        assert board is not None
        board.look_on(self._lines_changed)
        self.untouched = 0.0
        self.seen: object = None

    def teardown(self) -> None:
        """End as the daemon does."""
        with self._stack:
            self._ends_locked()

    def _ends_locked(self) -> None:
        """Locked, unless a bolt has no hole or cannot move; and with every line off."""
        self.seen = None
        self.way.door.shut("stopped")
        self._pass(30)
        stuck = self.way.wall.is_stuck or self.way.wall.is_open
        if not (self.door.kind == "motor" and stuck):
            assert self.way.door.lock_state is LockState.LOCKED
            assert self.way.wall.is_held
        self.way.door.stop()
        assert not any(self.way.pins[line].is_on for line in self._lines()), "a line is on after the end"
        self._no_two_drives_in_the_history()

    @rule(long=st.booleans())
    def tap(self, long: bool) -> None:
        self.asked += 1
        self.seen = None
        self._asked_now(0)
        self.way.door.open(f"tap {self.asked}", long)

    @rule(act=st.sampled_from(Act))
    def do(self, act: Act) -> None:
        self.seen = None
        self.way.wall.act(act)
        if act is Act.EXIT:
            self._asked_now(-0.2)  # the button is believed a little later

    @rule(seconds=st.sampled_from([0.05, 0.15, 0.5, 1.0, 2.0, 5.0, 12.0, 31.0]))
    def pass_by(self, seconds: float) -> None:
        self._pass(seconds)

    @invariant()
    def never_both_drives(self) -> None:
        assert len([line for line in self._lines() if self.way.pins[line].is_on]) <= 1

    @invariant()
    def every_change_is_one_entry(self) -> None:
        states = [DoorState.LOCKED, *self.way.states]
        for before, (state, cause) in zip(states, self.way.entries, strict=False):
            assert state is not before or cause in NO_CHANGE, f"{state} is told again, for {cause}"
        assert states[-1] is self.way.state
        assert {cause.partition(" ")[0] for _, cause in self.way.entries} <= CAUSES

    def _lines_changed(self) -> None:
        """What was off, however shortly, begins anew."""
        self.on_for = {line: on_for if self.way.pins[line].is_on else 0.0 for line, on_for in self.on_for.items()}

    def _lines(self) -> list[str]:
        return [lock_line("gate"), throw_line("gate")] if self.door.kind == "motor" else [lock_line("gate")]

    def _pass(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.way.wait(TICK)
            self._look()

    def _look(self) -> None:
        """How long each line has been on, and whether the state is what a person at the door would say."""
        self.never_both_drives()
        for line in self._lines():
            self.on_for[line] = self.on_for[line] + TICK if self.way.pins[line].is_on else 0.0
            assert self.on_for[line] <= self._longest(line) + 2 * TICK, f"{line} is on for too long"
        wall = self.way.wall
        seen = (wall.is_open, wall.bolt, tuple(self.way.pins[line].is_on for line in self._lines()))
        self.untouched = self.untouched + TICK if seen == self.seen else 0.0
        self.seen = seen
        if self.untouched >= QUIET:
            self._state_is_what_a_person_would_say()

    def _asked_now(self, on_for: float) -> None:
        """A relay may be on for an access time from the last asking; a drive is on for its own time, whoever asks."""
        if self.door.kind == "relay":
            self.on_for[lock_line("gate")] = on_for

    def _longest(self, line: str) -> float:
        return self.door.motor_seconds if self.door.kind == "motor" else self.door.long_seconds

    def _state_is_what_a_person_would_say(self) -> None:
        wall, state = self.way.wall, self.way.state
        is_open = state in {DoorState.OPEN, DoorState.HELD_OPEN, DoorState.FORCED}
        assert is_open is wall.is_open, f"{state}, and the leaf is {'open' if wall.is_open else 'closed'}"
        if wall.is_open:
            return
        if self.door.kind == "relay":
            assert state is (DoorState.LOCKED if wall.is_held else DoorState.UNLOCKED)
        elif wall.bolt == 1:
            assert state in {DoorState.LOCKED, DoorState.UNLOCKING, DoorState.JAMMED}
        elif wall.bolt == 0 and self.door.withdrawn_pin is not None:
            assert state in {DoorState.UNLOCKED, DoorState.LOCKING, DoorState.JAMMED}
        else:
            assert state is not DoorState.LOCKED

    def _no_two_drives_in_the_history(self) -> None:
        on: set[str] = set()
        for change in self.way.changes:
            if change.pin in self._lines():
                on = on | {change.pin} if change.level else on - {change.pin}
                assert len(on) <= 1


def of(door: DoorSettings) -> type[People]:
    """The machine for a door of these settings."""
    return type("PeopleAt", (People,), {"door": door})


KINDS: Final = {
    "relay": RELAY,
    "relay-opened": changed(RELAY, relock=Relock.OPENED),
    "relay-time": changed(RELAY, relock=Relock.TIME),
    "motor": MOTOR,
    "motor-one-sensor": changed(MOTOR, withdrawn_pin=None),
    "motor-time": changed(MOTOR, relock=Relock.TIME),
}


@pytest.mark.feature("F12", "F13")
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_at_a_door_it_keeps_its_promises(kind: str) -> None:
    few = settings(max_examples=25, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(of(KINDS[kind]), settings=few)
