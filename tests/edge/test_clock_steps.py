"""Whoever sets the wall clock moves no guard, no door, no direction and no order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from edge.clock.trust import FIRST_POSSIBLE, LAST_POSSIBLE
from edge.readers import CardSeen
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.passes import Direction
from tests.support.gate import ANNA, BORIS, Gate, HandClock, gate

HOUR: Final = 3600
STEPS: Final = [2 * HOUR, -2 * HOUR, 24 * HOUR, -240 * HOUR, 60 * 365 * 24 * HOUR, -56 * 365 * 24 * HOUR]

pytestmark = [pytest.mark.feature("F16"), pytest.mark.parametrize("step", STEPS)]


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Gate]:
    with gate(tmp_path) as opened:
        opened.cloud.bind()
        opened.cloud.enrol(ANNA, "anna")
        yield opened


def set_clock(clock: HandClock, step: int) -> None:
    """Somebody sets the wall clock; the quality is what it would be then."""
    clock.utc += step * MICROSECONDS
    plausible = FIRST_POSSIBLE <= clock.utc < LAST_POSSIBLE
    clock.quality = ClockQuality.SYNCHRONISED if plausible else ClockQuality.UNTRUSTED


def test_a_card_that_is_still_held_stays_one_tap(bound: Gate, step: int) -> None:
    first = bound.tap()
    set_clock(bound.clock, step)
    bound.clock.pass_by(2.9)
    assert bound.terminal.tap(CardSeen(ANNA, "both")) == first
    bound.clock.pass_by(3.0)
    assert bound.terminal.tap(CardSeen(ANNA, "both")).seq != first.seq


def test_a_door_stays_open_for_its_time(bound: Gate, step: int) -> None:
    bound.tap()
    set_clock(bound.clock, step)
    bound.loop.advance(4.9)
    assert "lock-gate" in bound.lit()
    bound.loop.advance(0.2)
    assert "lock-gate" not in bound.lit()
    assert [change.state for change in bound.door_changes] == ["unlocked", "locked"]


def test_who_came_in_goes_out_and_comes_in_again(bound: Gate, step: int) -> None:
    ways = []
    for _ in range(3):
        ways.append(bound.tap().verdict.direction)
        set_clock(bound.clock, step)
        step = -step
    assert ways == [Direction.IN, Direction.OUT, Direction.IN]


@pytest.mark.parametrize("hours", [1, 12.9, 13.1])
def test_a_pass_is_as_long_as_it_truly_was(bound: Gate, step: int, hours: float) -> None:
    bound.tap()
    set_clock(bound.clock, step)
    bound.clock.pass_by(hours * HOUR)
    assert bound.tap().verdict.direction is (Direction.OUT if hours < 13 else Direction.IN)


def test_the_same_holds_over_a_restart_of_the_daemon(tmp_path: Path, step: int) -> None:
    clock = HandClock()
    with gate(tmp_path, clock) as before:
        before.cloud.bind()
        before.tap(ANNA)
    set_clock(clock, step)
    with gate(tmp_path, clock) as after:
        assert after.tap(ANNA).verdict.direction is Direction.OUT
        assert after.tap(BORIS).verdict.direction is Direction.IN
        entries = after.ledger.tail(100)
    assert [seq for seq, _ in entries] == list(range(1, len(entries) + 1))
    assert [entry.monotonic for _, entry in entries] == sorted(entry.monotonic for _, entry in entries)
