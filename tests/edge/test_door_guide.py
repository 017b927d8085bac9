"""docs/doors.md says what a door does: each row of its table is tried, and each cause is there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from edge.doors.door import DoorState
from edge.doors.simulated_door import Act
from tests.support.doorway import MOTOR, RELAY, Doorway, doorway

PAGE: Final = (Path(__file__).parents[2] / "docs/doors.md").read_text(encoding="utf-8")
ROWS: Final = re.findall(r"^\| (relay|motor) \| `(\w+)` \| ([^|]+) \| `(\w+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
DOORS: Final = {"relay": RELAY, "motor": MOTOR}


def until_it_is(way: Doorway, state: str) -> None:
    """Let time pass until then."""
    for _ in range(10_000):
        if way.state.value == state:
            return
        way.wait(0.01)
    raise AssertionError(f"it never became {state}: {way.entries}")


def tap(way: Doorway) -> None:
    way.door.open("tap 7")


def open_it(way: Doorway) -> None:
    """Push as soon as the lock lets it."""
    while way.wall.is_held:
        way.wait(0.01)
    way.wall.act(Act.PUSH)


def opens(way: Doorway) -> None:
    if way.state is DoorState.LOCKED:
        way.wall.act(Act.FORCE)
    else:
        open_it(way)


HAPPENS: Final[dict[str, Callable[[Doorway], object]]] = {
    "a tap is granted": tap,
    "the exit button is pressed": lambda way: way.wall.act(Act.EXIT),
    "the door opens": opens,
    "the door closes": lambda way: way.wall.act(Act.CLOSE),
    "the access time is over": lambda _: None,
    "it stands open too long": lambda _: None,
    "the bolt arrives": lambda _: None,
    "the bolt does not arrive in time": lambda way: way.wall.act(Act.JAM),
}


def bring(way: Doorway, state: str) -> None:
    """Make the door be so, as people would."""
    if state == "forced":
        way.wall.act(Act.FORCE)
    elif state != "locked":
        if state == "jammed":
            way.wall.act(Act.JAM)
        tap(way)
        if state in {"open", "held_open"}:
            open_it(way)
    until_it_is(way, state)


@pytest.mark.feature("F12", "F13")
@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_each_row_of_the_guide_is_what_happens(tmp_path: Path, row: tuple[str, str, str, str, str]) -> None:
    kind, before, what, after, cause = row
    with doorway(tmp_path, DOORS[kind]) as way:
        bring(way, before)
        told = len(way.entries)
        HAPPENS[what](way)
        until_it_is(way, after)
        told_then = [(state.value, why) for state, why in way.entries[told:] if why != "pre_alarm"]
        assert told_then[0] == (after, cause)


def test_the_table_has_every_state_of_both_locks() -> None:
    known = {state.value for state in DoorState}
    for kind, only in (
        ("relay", known - {"unlocking", "locking", "jammed"}),
        ("motor", known - {"held_open", "forced"}),
    ):
        assert {row[1] for row in ROWS if row[0] == kind} == only
    assert {state for row in ROWS for state in (row[1], row[3])} == known
