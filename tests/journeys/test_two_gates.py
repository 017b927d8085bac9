"""Two gates of one project know the same people inside: whoever goes in at the one comes out at the other."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest

from cloud.projects.policies import Policies
from protocol.cards import CardId
from protocol.decision import AntiPassback, ReaderDirection
from tests.journeys.conftest import Build
from tests.support.site import Site
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

GUARDED: Final = 3.2
"""Seconds after which the same card counts again at the same reader."""

IN, BOTH = "gate-in", "gate-both"
_people = count(0)


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """A gate with a reader for the way in, and one whose reader serves both ways."""
    return build([Plan(IN), Plan(BOTH, direction=ReaderDirection.TOGGLE)])


@pytest.fixture
def somebody(site: Site) -> Iterator[CardId]:
    """Somebody who is not inside, on a project without policies; afterwards there are none again."""
    yield site.cards[next(_people)]
    regulate(site, Policies())


def regulate(site: Site, policies: Policies) -> None:
    """Have these count; returns when both gates know."""
    site.cloud.regulate(policies)
    until(lambda: all(has_newest(site, terminal) for terminal in site.terminals), 20, "the policies have arrived")


def has_newest(site: Site, terminal: SiteTerminal) -> bool:
    return bool(terminal.status()["tables"] == site.cloud.newest(terminal.id))


def presence_of(site: Site, terminal: str) -> int:
    """The version of presence that a gate knows."""
    version: int = site.terminal(terminal).status()["tables"]["presence"]
    return version


def known_at(site: Site, terminal: str, tap: Callable[[], object]) -> None:
    """Tap elsewhere, and wait until this gate knows of it; on a quiet machine that takes a tenth of a second."""
    before = presence_of(site, terminal)
    tap()
    until(lambda: presence_of(site, terminal) > before, 20, f"{terminal} knows")


@pytest.mark.feature("F14")
def test_in_at_one_gate_is_out_at_the_other(site: Site, somebody: CardId) -> None:
    entrance, both = site.terminal(IN), site.terminal(BOTH)
    known_at(site, BOTH, lambda: entrance.tap(somebody))
    assert both.tap(somebody)["shown"] == "admitted_out"
    assert both.tap(site.cards[next(_people)])["shown"] == "admitted_in"


@pytest.mark.feature("F14")
def test_who_came_in_at_one_gate_does_not_come_in_again_at_the_other(site: Site, somebody: CardId) -> None:
    """Hard anti-passback: the card was handed over the fence."""
    entrance, both = site.terminal(IN), site.terminal(BOTH)
    regulate(site, Policies(anti_passback=AntiPassback.HARD))
    known_at(site, IN, lambda: both.tap(somebody))
    refused = entrance.tap(somebody)
    assert (refused["outcome"], refused["reason"]) == ("denied", "anti_passback")
    time.sleep(GUARDED)
    known_at(site, IN, lambda: both.tap(somebody))
    time.sleep(GUARDED)
    assert entrance.tap(somebody)["outcome"] == "granted"


@pytest.mark.feature("F14")
def test_as_many_as_are_allowed_are_counted_over_both_gates(site: Site, somebody: CardId) -> None:
    entrance, both = site.terminal(IN), site.terminal(BOTH)
    inside = known_inside(site)
    regulate(site, Policies(occupancy_limit=inside + 1))
    known_at(site, BOTH, lambda: entrance.tap(somebody))
    another = site.cards[next(_people)]
    refused = both.tap(another)
    assert (refused["outcome"], refused["reason"]) == ("denied", "occupancy_limit")
    known_at(site, IN, lambda: both.tap(somebody))
    assert entrance.tap(another)["outcome"] == "granted", "somebody went out"


def known_inside(site: Site) -> int:
    """How many are inside, by the cloud's own table."""
    return sum(row.direction == "in" for row in site.cloud.presence())


def test_what_happened_without_a_network_takes_nobody_back(site: Site, somebody: CardId) -> None:
    entrance, both = site.terminal(IN), site.terminal(BOTH)
    site.broker.stop()
    entrance.tap(somebody)
    both.tap(somebody)
    time.sleep(GUARDED)
    site.broker.start()
    site.wait_until_sent(30)
    until(lambda: all(has_newest(site, terminal) for terminal in site.terminals), 10, "both know")
    assert both.tap(somebody)["shown"] == "admitted_out", "it saw the person come in later than the entrance did"


def test_the_site_is_in_order(site: Site) -> None:
    site.wait_until_sent()
    assert site.faults() == []
