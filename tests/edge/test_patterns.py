"""Any two patterns are told apart by their rhythm alone, and green is never shown for what is not recorded."""

import itertools

import pytest

from edge.signals.patterns import PATTERNS, Pattern, Step
from edge.signals.resting import PRIORITY
from tests.support.rhythm import TOLD_APART, between, distance, flashes, glimpses, played

RECORDED = (
    Pattern.ADMITTED_IN,
    Pattern.ADMITTED_OUT,
    Pattern.ADMITTED_WITHOUT_PERSON,
    Pattern.RECORDED_IN_OFFLINE,
    Pattern.RECORDED_OUT_OFFLINE,
    Pattern.RECORDED_WITHOUT_PERSON_OFFLINE,
    Pattern.DOORS_EXPIRED,
)
REFUSED = tuple(each for each in Pattern if each not in {*RECORDED, *PRIORITY, Pattern.READY})


@pytest.mark.feature("F11", "A05")
@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(Pattern, 2)), ids=str)
def test_two_patterns_are_told_apart_without_colours(a: Pattern, b: Pattern) -> None:
    """Two that differ in colour only would be one to a colour-blind worker (DESIGN 5)."""
    assert distance(a, b) >= TOLD_APART


def test_what_is_recorded_and_what_is_refused_differ_by_more() -> None:
    """Here a mistake has consequences."""
    assert min(distance(a, b) for a, b in itertools.product(RECORDED, REFUSED)) > 0.3


@pytest.mark.parametrize("pattern", RECORDED)
def test_what_is_recorded_begins_with_a_long_light(pattern: Pattern) -> None:
    assert played(pattern)[0].ms >= 600


@pytest.mark.parametrize("pattern", [each for each in REFUSED if each is not Pattern.UNBOUND])
def test_what_is_refused_begins_with_a_short_light(pattern: Pattern) -> None:
    assert played(pattern)[0].ms <= 150


@pytest.mark.parametrize("pattern", PRIORITY)
def test_at_rest_green_is_never_lit(pattern: Pattern) -> None:
    assert not any(step.green for step in PATTERNS[pattern].steps)


@pytest.mark.parametrize("pattern", Pattern)
def test_an_answer_is_over_within_four_seconds(pattern: Pattern) -> None:
    assert PATTERNS[pattern].ms * PATTERNS[pattern].times <= 4000


def test_the_measure_finds_patterns_that_are_too_alike() -> None:
    """What it is there for: a planted newcomer that a worker would take for another one."""
    five, six = (flashes([Step(120, red=True), Step(120)] * number) for number in (5, 6))
    assert between(five, six) < TOLD_APART, "nobody counts to six at a glance"
    slower = flashes([Step(700, red=True), Step(150)] * 2)
    assert between(slower, played(Pattern.ADMITTED_OUT)) < TOLD_APART, "a little slower, and in red"
    assert between(flashes([Step(120, red=True)]), flashes([Step(600, green=True)])) == 1


def test_the_measure_takes_the_moment_at_which_what_rests_looks_most_like_the_other() -> None:
    """Who comes by does not see a round from its beginning."""
    assert len(glimpses(Pattern.IDENTIFY, 4000)) == 4
    assert distance(Pattern.IDENTIFY, Pattern.OUT_OF_HOURS) == distance(Pattern.OUT_OF_HOURS, Pattern.IDENTIFY)
