"""Who asks to see a pattern sees it, and who taps meanwhile sees the answer to the tap."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.pins.lines import Line
from edge.pins.pins import Pins
from edge.signals.patterns import Pattern
from edge.signals.resting import Resting
from edge.signals.showing import Showing
from edge.signals.signals import Signals
from tests.support.hand_clock import HandLoop


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def signals(tmp_path: Path, loop: HandLoop) -> Iterator[Signals]:
    pins = Pins.simulated([Line("red", 17), Line("green", 27), Line("buzzer", 22)], tmp_path / "pins.log")
    yield Signals(pins, loop)
    pins.close()


@pytest.fixture
def showing(signals: Signals, loop: HandLoop) -> Showing:
    return Showing(signals, Resting(signals), loop)


@pytest.mark.parametrize("pattern", Pattern)
def test_any_pattern_is_shown_for_as_long_as_was_asked(
    loop: HandLoop, signals: Signals, showing: Showing, pattern: Pattern
) -> None:
    showing.show(pattern, 7.0)
    loop.advance(6.9)
    assert signals.shown is pattern
    loop.advance(0.2)
    assert signals.shown is Pattern.READY


def test_who_looks_for_the_terminal_still_finds_it_after_somebody_has_tapped(
    loop: HandLoop, signals: Signals, showing: Showing
) -> None:
    showing.show(Pattern.IDENTIFY, 60.0)
    signals.show(Pattern.ADMITTED_IN)
    answered = signals.shown
    loop.advance(2.0)
    assert (answered, signals.shown) == (Pattern.ADMITTED_IN, Pattern.IDENTIFY)


def test_asking_again_begins_the_time_anew(loop: HandLoop, signals: Signals, showing: Showing) -> None:
    for pattern in (Pattern.IDENTIFY, Pattern.BLOCKED):
        showing.show(pattern, 5.0)
        loop.advance(4.0)
        showing.show(pattern, 5.0)
        loop.advance(4.0)
        meanwhile = signals.shown
        loop.advance(1.1)
        assert (meanwhile, signals.shown) == (pattern, Pattern.READY)
