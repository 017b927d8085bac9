"""Every pattern looks like itself, also to somebody who cannot tell red from green."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.pins.lines import Line
from edge.pins.pins import Pins
from edge.signals.patterns import PATTERNS, Pattern
from edge.signals.signals import Signals
from tests.support.hand_clock import HandLoop

GREEN = {
    Pattern.ADMITTED_IN,
    Pattern.ADMITTED_OUT,
    Pattern.ADMITTED_WITHOUT_PERSON,
    Pattern.RECORDED_IN_OFFLINE,
    Pattern.RECORDED_OUT_OFFLINE,
    Pattern.RECORDED_WITHOUT_PERSON_OFFLINE,
    Pattern.DOORS_EXPIRED,
}
SILENT = {Pattern.READY, Pattern.UNBOUND, Pattern.UPDATING, Pattern.DOOR_FAULT, Pattern.READER_FAULT} | {
    Pattern.CLOCK_UNTRUSTED,
    Pattern.LEDGER_SALVAGED,
    Pattern.READER_TAMPER,
}
LIT = {"red", "green"}


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Pins]:
    taken = Pins.simulated([Line("red", 17), Line("green", 27), Line("buzzer", 22)], tmp_path / "pins.log")
    yield taken
    taken.close()


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def signals(pins: Pins, loop: HandLoop) -> Signals:
    return Signals(pins, loop)


def on(pins: Pins) -> set[str]:
    """The outputs that are on now."""
    return {name for name in ("red", "green", "buzzer") if pins[name].is_on}


def watched(pins: Pins, loop: HandLoop, seconds: float) -> list[tuple[frozenset[str], int]]:
    """What is on, and for how many milliseconds, while time passes."""
    seen = []
    for _ in range(round(seconds * 100)):
        loop.advance(0.01)
        seen.append(frozenset(on(pins)))
    return [(outputs, len(list(group)) * 10) for outputs, group in itertools.groupby(seen)]


def test_every_pattern_has_a_sequence_and_words_of_its_own() -> None:
    assert set(PATTERNS) == set(Pattern)
    assert len({sequence.words for sequence in PATTERNS.values()}) == len(PATTERNS)
    assert len({sequence.says for sequence in PATTERNS.values()}) == len(PATTERNS)


@pytest.mark.parametrize("pattern", Pattern)
def test_green_is_shown_for_what_was_admitted_and_for_nothing_else(pattern: Pattern) -> None:
    steps = PATTERNS[pattern].steps
    assert any(step.green for step in steps) == (pattern in GREEN)
    assert steps[0].green == (pattern in GREEN)


@pytest.mark.parametrize("pattern", [each for each in Pattern if each is not Pattern.READY])
def test_the_first_step_is_on_the_pins_when_show_returns(pins: Pins, signals: Signals, pattern: Pattern) -> None:
    signals.show(pattern)
    assert on(pins) & LIT == ({"green"} if pattern in GREEN else {"red"})


@pytest.mark.parametrize("pattern", Pattern)
def test_an_answer_ends_by_itself_within_four_seconds_and_leaves_all_dark(
    pins: Pins, loop: HandLoop, signals: Signals, pattern: Pattern
) -> None:
    signals.show(pattern)
    loop.advance(4.0)
    assert on(pins) == set()
    assert loop.next_at() is None
    assert signals.shown is Pattern.READY


def test_a_terminal_that_is_not_bound_blinks_red_only_all_the_time(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.rest(Pattern.UNBOUND)
    blinks = watched(pins, loop, 60)
    assert {outputs for outputs, _ in blinks} == {frozenset(), frozenset({"red"})}
    assert {ms for _, ms in blinks[1:-1]} == {500}
    assert len(blinks) >= 119


def test_a_tap_at_a_terminal_that_is_not_bound_starts_the_blink_anew_and_it_goes_on(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.rest(Pattern.UNBOUND)
    loop.advance(0.7)
    signals.show(Pattern.UNBOUND)
    assert on(pins) == {"red"}
    assert {ms for _, ms in watched(pins, loop, 20)[1:-1]} == {500}


def test_a_new_answer_replaces_the_old_one_at_once(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.show(Pattern.ADMITTED_OUT)
    loop.advance(0.3)
    signals.show(Pattern.BLOCKED)
    assert on(pins) == {"red", "buzzer"}
    assert signals.shown is Pattern.BLOCKED
    assert not any("green" in outputs for outputs, _ in watched(pins, loop, 10))


def test_after_an_answer_the_resting_pattern_returns(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.rest(Pattern.UNBOUND)
    signals.show(Pattern.UNREAD)
    loop.advance(2 * 0.24 - 0.001)
    before = signals.shown
    loop.advance(0.002)
    assert (before, signals.shown) == (Pattern.UNREAD, Pattern.UNBOUND)
    assert on(pins) == {"red"}


def test_a_resting_pattern_set_during_an_answer_waits_for_its_end(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.show(Pattern.ADMITTED_IN)
    signals.rest(Pattern.UNBOUND)
    assert on(pins) == {"green", "buzzer"}
    loop.advance(1.4)
    assert signals.shown is Pattern.UNBOUND


def test_setting_the_same_resting_pattern_again_does_not_disturb_it(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.rest(Pattern.UNBOUND)
    loop.advance(0.6)
    signals.rest(Pattern.UNBOUND)
    assert on(pins) == set()


@pytest.mark.parametrize("pattern", Pattern)
def test_the_buzzer_answers_taps_and_is_silent_at_rest_unless_somebody_has_to_come(
    pins: Pins, loop: HandLoop, signals: Signals, pattern: Pattern
) -> None:
    signals.rest(pattern)
    alarmed = any("buzzer" in outputs for outputs, _ in watched(pins, loop, 10))
    assert alarmed == (pattern in {Pattern.DOOR_PRE_ALARM, Pattern.DOOR_ALARM, Pattern.IDENTIFY})
    signals.show(pattern)
    heard = "buzzer" in on(pins) or any("buzzer" in outputs for outputs, _ in watched(pins, loop, 4))
    assert heard == (pattern not in SILENT)


def test_stop_turns_everything_off_for_good(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.rest(Pattern.UNBOUND)
    signals.show(Pattern.ADMITTED_IN)
    signals.stop()
    assert on(pins) == set()
    assert loop.next_at() is None


# --- demonstrated -----------------------------------------------------------------------------------------------------


def test_a_demonstration_plays_again_and_again_with_its_buzzer_and_ends_by_itself(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.rest(Pattern.READER_FAULT)
    signals.demonstrate(Pattern.ADMITTED_OUT, 10.0, pause=1000)
    seen = watched(pins, loop, 9.99)
    assert len([ms for outputs, ms in seen if not outputs and ms > 1000]) == 4
    assert sum("buzzer" in outputs for outputs, _ in seen) == 9
    loop.advance(0.02)
    assert signals.shown is Pattern.READER_FAULT
    assert on(pins) == {"red"}


def test_a_tap_ends_a_demonstration_for_good(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    """What a worker sees is the answer to his tap, and nothing that looks like another one after it."""
    signals.demonstrate(Pattern.ADMITTED_IN, 600.0, pause=1000)
    loop.advance(0.5)
    signals.show(Pattern.BLOCKED)
    assert on(pins) == {"red", "buzzer"}
    assert not any("green" in outputs for outputs, _ in watched(pins, loop, 30))
    assert signals.shown is Pattern.READY
    assert loop.next_at() is None


def test_a_demonstration_waits_for_the_end_of_an_answer(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.show(Pattern.ADMITTED_IN)
    signals.demonstrate(Pattern.BLOCKED, 5.0)
    assert (signals.shown, on(pins)) == (Pattern.ADMITTED_IN, {"green", "buzzer"})
    loop.advance(1.4)
    assert signals.shown is Pattern.BLOCKED


def test_what_begins_to_hold_during_a_demonstration_is_shown_after_it(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.demonstrate(Pattern.BLOCKED, 2.0)
    signals.rest(Pattern.UNBOUND)
    meanwhile = signals.shown
    loop.advance(2.01)
    assert (meanwhile, signals.shown) == (Pattern.BLOCKED, Pattern.UNBOUND)


def test_a_demonstration_that_ends_during_an_answer_does_not_cut_it_short(
    pins: Pins, loop: HandLoop, signals: Signals
) -> None:
    signals.show(Pattern.ADMITTED_IN)
    signals.demonstrate(Pattern.BLOCKED, 0.5)
    loop.advance(0.6)
    assert (signals.shown, on(pins)) == (Pattern.ADMITTED_IN, {"green"})
    loop.advance(1.0)
    assert signals.shown is Pattern.READY


def test_stop_ends_a_demonstration(pins: Pins, loop: HandLoop, signals: Signals) -> None:
    signals.demonstrate(Pattern.IDENTIFY, 600.0)
    signals.stop()
    assert on(pins) == set()
    assert loop.next_at() is None
