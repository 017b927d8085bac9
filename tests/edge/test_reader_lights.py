"""The readers' lights follow the terminal's, after them, and the answer to a tap shows only where it was held."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import PinFailed
from edge.pins.lines import Line
from edge.pins.pins import Pins
from edge.signals.patterns import Pattern
from edge.signals.reader_lights import DARK, Light, ReaderLights
from edge.signals.signals import Signals
from tests.support.gate import WatchedPins
from tests.support.hand_clock import HandLoop

GREEN = Light(green=True, buzzer=True)


class Box:
    """A reader that remembers what it was told to show."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[Light] = []

    def light(self, shown: Light, /) -> None:
        self.told.append(shown)

    @property
    def shown(self) -> Light:
        """What it shows now."""
        return self.told[-1] if self.told else DARK


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[WatchedPins]:
    lines = [Line("red", 17), Line("green", 27), Line("buzzer", 22)]
    made = Pins.simulated(lines, tmp_path / "pins.log", [])
    yield WatchedPins(made)
    made.close()


@pytest.fixture
def boxes() -> list[Box]:
    return [Box("in"), Box("out")]


@pytest.fixture
def lights(pins: WatchedPins, boxes: list[Box]) -> ReaderLights:
    made = ReaderLights(pins)
    made.join([*boxes, object()])
    return made


@pytest.fixture
def signals(lights: ReaderLights) -> Signals:
    made = Signals(lights, HandLoop())
    lights.is_answering = made.is_answering
    return made


@pytest.mark.feature("F11")
def test_an_answer_shows_at_the_reader_that_the_card_was_held_against_and_nowhere_else(
    lights: ReaderLights, signals: Signals, boxes: list[Box]
) -> None:
    lights.face("out")
    signals.show(Pattern.ADMITTED_IN)
    assert [box.shown for box in boxes] == [DARK, GREEN]
    lights.face("in")
    signals.show(Pattern.BLOCKED)
    assert [box.shown for box in boxes] == [Light(red=True, buzzer=True), DARK]


@pytest.mark.feature("F11")
def test_what_holds_at_rest_shows_at_all(signals: Signals, boxes: list[Box]) -> None:
    signals.rest(Pattern.UNBOUND)
    assert [box.shown for box in boxes] == [Light(red=True)] * 2


def test_the_terminals_own_light_is_on_before_a_readers(
    pins: WatchedPins, lights: ReaderLights, boxes: list[Box]
) -> None:
    seen: list[Light] = []

    def look(name: str, on: bool) -> None:
        seen.append(boxes[0].shown)

    pins.look = look  # type: ignore[method-assign]
    lights.set("green", True)
    assert (seen, boxes[0].shown) == ([DARK], Light(green=True))


def test_a_readers_light_shows_also_where_a_pin_fails(
    pins: WatchedPins, lights: ReaderLights, boxes: list[Box]
) -> None:
    def fail(name: str, on: bool) -> None:
        raise PinFailed(name, "the wire is off")

    pins.look = fail  # type: ignore[method-assign]
    with pytest.raises(PinFailed):
        lights.set("red", True)
    assert boxes[0].shown == Light(red=True)


def test_a_reader_is_told_only_what_is_new(lights: ReaderLights, boxes: list[Box]) -> None:
    for _ in range(3):
        lights.set("green", True)
    assert boxes[0].told == [DARK, Light(green=True)]
