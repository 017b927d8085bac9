"""What is wrong at rest is shown by its weight, and the light returns to it after every answer."""

import itertools

import pytest
from structlog.testing import capture_logs

from edge.errors import PinFailed
from edge.signals.patterns import Pattern
from edge.signals.resting import PRIORITY, Resting


class Light:
    """Remembers what it was told to rest on."""

    def __init__(self) -> None:
        self.pattern = Pattern.READY
        self.is_broken = False

    def rest(self, pattern: Pattern, /) -> None:
        self.pattern = pattern
        if self.is_broken:
            raise PinFailed("red", "no such line")


@pytest.fixture
def light() -> Light:
    return Light()


@pytest.fixture
def resting(light: Light) -> Resting:
    return Resting(light)


def test_when_nothing_is_wrong_it_waits_for_a_card(resting: Resting) -> None:
    assert (resting.worst, resting.held) == (Pattern.READY, ())


@pytest.mark.feature("F11")
@pytest.mark.parametrize(("worse", "other"), list(itertools.combinations(PRIORITY, 2)), ids=str)
def test_the_worse_of_two_is_shown_whichever_came_first_and_then_the_other(
    resting: Resting, light: Light, worse: Pattern, other: Pattern
) -> None:
    for first, second in itertools.permutations((worse, other)):
        resting.hold(first, on=True)
        resting.hold(second, on=True)
        assert light.pattern is worse
        assert resting.held == (worse, other)
        resting.hold(worse, on=False)
        assert light.pattern is other
        resting.hold(other, on=False)
        assert light.pattern is Pattern.READY


def test_what_is_held_twice_is_over_at_once(resting: Resting, light: Light) -> None:
    resting.hold(Pattern.READER_FAULT, on=True)
    resting.hold(Pattern.READER_FAULT, on=True)
    resting.hold(Pattern.READER_FAULT, on=False)
    assert light.pattern is Pattern.READY


def test_whoever_wants_to_know_is_told_when_something_begins_or_ends_and_not_between(resting: Resting) -> None:
    told: list[tuple[Pattern, ...]] = []
    resting.on_change = lambda: told.append(resting.held)
    for on in (True, True, False, False):
        resting.hold(Pattern.READER_FAULT, on=on)
    assert told == [(Pattern.READER_FAULT,), ()]


def test_an_answer_cannot_be_held(resting: Resting) -> None:
    """A green light for ever would promise what nobody recorded."""
    with pytest.raises(ValueError, match="admitted_in answers a tap"):
        resting.hold(Pattern.ADMITTED_IN, on=True)


def test_a_light_that_fails_is_said_and_what_holds_is_remembered(resting: Resting, light: Light) -> None:
    light.is_broken = True
    with capture_logs() as lines:
        resting.hold(Pattern.DOOR_ALARM, on=True)
    assert [line["event"] for line in lines] == ["signal.failed"]
    assert resting.worst is Pattern.DOOR_ALARM
