"""An input is believed once it has been quiet, and a storm of bounces costs one timer and one line in the log."""

from collections.abc import Callable

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from edge.doors.inputs import MOST_CHANGES, RATTLING, STORM, Input
from edge.events import Event
from tests.support.hand_clock import HandLoop

QUIET = 0.05


class Line:
    """A line that a test moves by hand."""

    def __init__(self, is_on: bool = False) -> None:
        self.is_on = is_on
        self._moved: Callable[[], None] | None = None

    def watch(self, moved: Callable[[], None]) -> None:
        self._moved = moved

    def turn(self, on: bool) -> None:
        if on is not self.is_on:
            self.is_on = on
            assert self._moved is not None
            self._moved()

    def bounce(self, times: int) -> None:
        for _ in range(times):
            self.turn(not self.is_on)


class Contact:
    """An input with what it told."""

    def __init__(self, is_on: bool = False, *, is_button: bool = False) -> None:
        self.line, self.loop = Line(is_on), HandLoop()
        self.told: list[bool] = []
        self.input = Input("contact-gate", self.line, self.loop, QUIET, is_button=is_button)
        self.input.listen(lambda: self.told.append(self.input.is_on))


def test_a_change_counts_once_it_has_been_quiet() -> None:
    contact = Contact()
    contact.line.turn(True)
    contact.loop.advance(QUIET - 0.001)
    before = contact.input.is_on
    contact.loop.advance(0.002)
    assert (before, contact.input.is_on, contact.told) == (False, True, [True])


def test_bounces_tell_one_thing_once() -> None:
    contact = Contact()
    contact.line.bounce(7)
    contact.loop.advance(0.03)
    contact.line.bounce(4)
    contact.loop.advance(1)
    assert contact.told == [True]


def test_a_glitch_that_returns_tells_nothing() -> None:
    contact = Contact()
    contact.line.bounce(2)
    contact.loop.advance(1)
    assert (contact.told, contact.input.is_on) == ([], False)


@pytest.mark.parametrize("is_on", [False, True])
def test_the_level_at_start_counts_at_once(is_on: bool) -> None:
    contact = Contact(is_on)
    assert contact.input.is_on is is_on
    contact.line.turn(not is_on)
    contact.loop.advance(1)
    assert contact.told == [not is_on]


def test_a_storm_waits_for_one_call_and_one_timer_however_long_it_is() -> None:
    contact = Contact()
    contact.line.bounce(10_000)
    assert len(contact.loop._soon) == 1
    contact.loop.run_calls()
    contact.line.bounce(10_000)
    assert (len(contact.loop._soon), len(contact.loop._timers)) == (0, 1)


def test_a_line_that_never_becomes_quiet_keeps_its_level_and_is_told_of_once() -> None:
    contact = Contact()
    with structlog.testing.capture_logs() as log:
        for _ in range(STORM * 3):
            contact.line.bounce(3)
            contact.loop.advance(QUIET / 2)
    assert [(line["event"], line["input"]) for line in log] == [(Event.INPUT_UNSTEADY, "contact-gate")]
    assert (contact.told, contact.input.is_on) == ([], False)
    contact.loop.advance(1)
    assert contact.input.is_on is contact.line.is_on


def test_a_gate_that_rattles_in_the_wind_does_not_fill_the_ledger() -> None:
    """A night of it: five times a second, each time long enough to be believed at first."""
    contact = Contact()
    for _ in range(5 * 3600):
        contact.line.turn(not contact.line.is_on)
        contact.loop.advance(0.2)
    assert len(contact.told) <= MOST_CHANGES + 5
    contact.line.turn(True)
    contact.loop.advance(RATTLING + 0.1)
    assert contact.input.is_on


def test_a_gate_that_has_calmed_down_is_believed_as_fast_as_ever() -> None:
    contact = Contact()
    for _ in range(100):
        contact.line.turn(not contact.line.is_on)
        contact.loop.advance(0.2)
    contact.loop.advance(MOST_CHANGES + RATTLING + 1)
    contact.line.turn(not contact.line.is_on)
    contact.loop.advance(QUIET + 0.01)
    assert contact.input.is_on is contact.line.is_on


def test_a_button_that_somebody_hammers_on_is_believed_each_time() -> None:
    button = Contact(is_button=True)
    for _ in range(100):
        button.line.turn(not button.line.is_on)
        button.loop.advance(0.1)
    assert len(button.told) == 100


def test_people_who_pass_one_after_another_do_not_rattle() -> None:
    contact = Contact()
    for _ in range(200):
        contact.line.turn(True)
        contact.loop.advance(1.5)
        contact.line.turn(False)
        contact.loop.advance(1.5)
    assert len(contact.told) == 400


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.2)), max_size=40))
def test_after_quiet_it_always_says_what_the_line_says(moves: list[tuple[bool, float]]) -> None:
    contact = Contact()
    for level, pause in moves:
        contact.line.turn(level)
        contact.loop.advance(pause)
    contact.loop.advance(2 * RATTLING)
    assert contact.input.is_on is contact.line.is_on
    assert all(before is not after for before, after in zip([False, *contact.told], contact.told, strict=False))
