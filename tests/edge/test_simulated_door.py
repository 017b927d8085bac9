"""A simulated door obeys physics, and stands where the process before left it."""

import os
from pathlib import Path

import pytest

from edge.doors.door import DoorState
from edge.doors.simulated_door import CLEAR, STEP, THROWN, Act
from tests.support.doorway import MOTOR, RELAY, changed, doorway


def test_a_locked_door_gives_way_to_force_only(tmp_path: Path) -> None:
    for name, settings in (("relay", RELAY), ("motor", MOTOR)):
        (tmp_path / name).mkdir()
        with doorway(tmp_path / name, settings) as way:
            assert way.act(Act.PUSH) == "it is locked, and does not give way"
            assert not way.wall.is_open
            way.act(Act.FORCE)
            assert way.wall.is_open


def test_a_bolt_takes_the_time_of_its_way(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.door.open("tap 7")
        way.wait(STEP * (THROWN - 0.5))
        almost = way.wall.bolt
        way.wait(STEP)
        assert (almost, way.wall.bolt) == (1 / THROWN, 0)


def test_a_door_opens_as_soon_as_its_bolt_is_out_of_the_hole(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.door.open("tap 7")
        way.wait(STEP * (THROWN - CLEAR - 1) + STEP / 2)
        assert way.wall.act(Act.PUSH) == "it is locked, and does not give way"
        way.wait(1.1)
        way.wait(STEP * (CLEAR + 2))
        assert way.wall.act(Act.PUSH) == "it opens"


def test_a_bolt_cannot_move_while_somebody_presses_on_the_door(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.wall.act(Act.PUSH)
        way.door.open("tap 7")
        way.wait(0.9)
        assert way.wall.bolt == 1
        way.wait(1.2)
        assert way.wall.bolt == 0


def test_a_bolt_that_stands_out_keeps_the_door_from_closing(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.FORCE)
        assert way.act(Act.CLOSE) == "it does not close: its bolt stands out"
        assert way.wall.is_open


def test_a_magnet_holds_while_it_is_energised(tmp_path: Path) -> None:
    with doorway(tmp_path, changed(RELAY, fail="safe")) as way:
        assert (way.is_energised, way.wall.is_held) == (True, True)
        way.door.open("tap 7")
        way.wait(0.1)
        assert (way.is_energised, way.wall.is_held) == (False, False)


def test_it_stands_where_the_process_before_left_it(tmp_path: Path) -> None:
    """Leaf, bolt and what blocks it do not move because a program ends."""
    with doorway(tmp_path, MOTOR) as way:
        way.door.open("tap 7")
        way.wait(1.5)
        way.act(Act.PUSH, Act.JAM)
        assert (way.wall.is_open, way.wall.bolt) == (True, 0)
    with doorway(tmp_path, MOTOR) as way:
        assert (way.wall.is_open, way.wall.bolt, way.wall.is_stuck) == (True, 0, True)
        assert way.state is DoorState.OPEN
    with doorway(tmp_path, MOTOR) as way:
        way.act(Act.UNJAM, Act.CLOSE)
        way.wait(3)
        assert way.state is DoorState.LOCKED
    with doorway(tmp_path, MOTOR) as way:
        assert (way.wall.is_open, way.wall.bolt, way.wall.is_stuck) == (False, 1, False)


def test_a_disk_that_is_full_does_not_keep_people_from_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with doorway(tmp_path, RELAY) as way, monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        way.act(Act.FORCE)
        assert way.state is DoorState.FORCED


def test_a_bolt_that_was_left_half_way_is_half_way(tmp_path: Path) -> None:
    with doorway(tmp_path, MOTOR) as way:
        way.door.open("tap 7")
        way.wait(STEP * 4.5)
    with doorway(tmp_path, MOTOR) as way:
        assert way.wall.bolt == 0.5
        way.wait(2)
        assert way.wall.bolt == 1
