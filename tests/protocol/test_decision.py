"""Who is let in, and why not: the one rule, tried from every side."""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.decision import (
    LONGEST_PASS,
    Binding,
    BlockReason,
    Denied,
    Direction,
    Enrolment,
    Facts,
    Granted,
    Mode,
    Movement,
    ReaderDirection,
    Reason,
    decide,
    latest_reset,
)
from tests.protocol.examples import BINDING, SEVEN

KNOWN = Enrolment("person", "company")
BOUND = Facts(BINDING, ReaderDirection.TOGGLE, KNOWN, None, None)


def at(utc: int) -> ClockReading:
    """A clock that shows this."""
    return ClockReading(utc, ClockQuality.SYNCHRONISED, bytes(16), utc * 1000)


NOW = at(SEVEN)
INSIDE = Movement(Direction.IN, SEVEN - 3600 * MICROSECONDS)

moments = st.integers(min_value=SEVEN - 40 * 3600 * MICROSECONDS, max_value=SEVEN + 40 * 3600 * MICROSECONDS)
bindings = st.builds(
    lambda mode, ended, reset: None if mode is None else _binding(mode, ended=ended, reset=reset),
    st.none() | st.sampled_from(Mode),
    st.booleans(),
    st.none() | st.sampled_from(["00:00", "03:00", "23:59"]),
)
facts = st.builds(
    Facts,
    bindings,
    st.sampled_from(ReaderDirection),
    st.none() | st.just(KNOWN),
    st.none() | st.sampled_from(BlockReason),
    st.none() | st.builds(Movement, st.sampled_from(Direction), moments),
)


def _binding(mode: Mode, *, ended: bool = False, reset: str | None = None) -> Binding:
    return msgspec.structs.replace(BINDING, mode=mode, ended=ended, reset=reset)


def test_an_unbound_terminal_admits_nobody() -> None:
    """Without a project there is nothing to be admitted to."""
    assert decide(replace(BOUND, binding=None), NOW) == Denied(Reason.UNBOUND)


def test_a_blocked_card_is_denied() -> None:
    """Blocked wins over being enrolled."""
    assert decide(replace(BOUND, blocked=BlockReason.LOST), NOW) == Denied(Reason.BLOCKED, Direction.IN)


def test_an_ended_project_admits_nobody_in() -> None:
    """The end of a project comes before what is known of the card."""
    ended = replace(BOUND, binding=_binding(Mode.OPEN, ended=True), blocked=BlockReason.LOST)
    assert decide(ended, NOW) == Denied(Reason.PROJECT_ENDED, Direction.IN)


def test_a_closed_project_admits_only_who_is_enrolled() -> None:
    """Closed mode keeps out unknown cards; open mode admits them."""
    closed = replace(BOUND, binding=_binding(Mode.CLOSED), enrolment=None)
    assert decide(closed, NOW) == Denied(Reason.NOT_ENROLLED, Direction.IN)
    assert decide(replace(closed, enrolment=KNOWN), NOW) == Granted(Direction.IN, ("grind",))
    assert decide(replace(closed, binding=_binding(Mode.OPEN)), NOW) == Granted(Direction.IN, ("grind",))


def test_a_toggle_reader_turns_an_in_into_an_out() -> None:
    """Whoever came in this morning goes out with the next tap."""
    assert decide(replace(BOUND, movement=INSIDE), NOW) == Granted(Direction.OUT, ("grind",))


def test_a_forgotten_tap_out_does_not_turn_the_next_day_around() -> None:
    """After 13 hours, or a presence reset, the next tap is an IN."""
    yesterday = Movement(Direction.IN, SEVEN - LONGEST_PASS)
    binding = _binding(Mode.OPEN)
    assert decide(Facts(binding, ReaderDirection.TOGGLE, KNOWN, None, yesterday), NOW) == Granted(
        Direction.IN, ("grind",)
    )
    before_reset = Movement(Direction.IN, SEVEN - 6 * 3600 * MICROSECONDS)  # 02:00 in Stockholm, reset at 03:00
    assert decide(replace(BOUND, movement=before_reset), NOW) == Granted(Direction.IN, ("grind",))


@given(facts, moments)
def test_an_out_at_a_bound_terminal_is_never_denied(known: Facts, when: int) -> None:
    """Nobody is trapped, and the objection stands as a remark."""
    verdict = decide(known, at(when))
    if known.binding is None:
        assert verdict == Denied(Reason.UNBOUND)
    elif known.reader is ReaderDirection.OUT:
        assert isinstance(verdict, Granted)
        assert verdict.direction is Direction.OUT
    elif isinstance(verdict, Denied):
        assert verdict.direction is Direction.IN


@given(facts, moments)
def test_the_decision_is_total_and_the_same_each_time(known: Facts, when: int) -> None:
    """Pure: what the portal says would happen is what happens."""
    verdict = decide(known, at(when))
    assert verdict == decide(known, at(when))
    assert isinstance(verdict, Granted | Denied)


@given(facts, moments)
def test_fewer_objections_never_turn_a_grant_into_a_denial(known: Facts, when: int) -> None:
    """Monotone in rights: unblocking, enrolling and opening never make anything worse."""
    better = replace(known, blocked=None, enrolment=KNOWN)
    if isinstance(decide(known, at(when)), Granted):
        assert isinstance(decide(better, at(when)), Granted)


@pytest.mark.parametrize(
    ("now", "reset", "expected"),
    [
        ("2026-03-29T08:00:00+02:00", "02:30", "2026-03-29T03:30:00+02:00"),  # skipped by the clock change
        ("2026-10-25T08:00:00+01:00", "02:30", "2026-10-25T02:30:00+02:00"),  # comes twice, the first counts
        ("2026-05-04T02:59:59+02:00", "03:00", "2026-05-03T03:00:00+02:00"),
        ("2026-05-04T03:00:00+02:00", "03:00", "2026-05-04T03:00:00+02:00"),
    ],
)
def test_the_reset_follows_the_local_clock(now: str, reset: str, expected: str) -> None:
    """Presence resets at a time of day of the project, over both clock changes of a year."""
    reading = at(int(datetime.fromisoformat(now).timestamp()) * MICROSECONDS)
    assert (
        latest_reset(reset, "Europe/Stockholm", reading)
        == int(datetime.fromisoformat(expected).timestamp()) * MICROSECONDS
    )


@given(moments, st.sampled_from(["00:00", "02:30", "03:00", "23:59"]))
def test_the_reset_lies_within_the_last_day(when: int, reset: str) -> None:
    """It is never in the future and at most 25 hours old (the long day of autumn)."""
    age = when - latest_reset(reset, "Europe/Stockholm", at(when))
    assert -MICROSECONDS < age <= timedelta(hours=25).total_seconds() * MICROSECONDS
