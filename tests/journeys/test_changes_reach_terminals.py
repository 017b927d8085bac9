"""What is changed in the cloud counts at the gates a moment later, without a button for it."""

import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.journeys.conftest import Build
from tests.support.site import Site, card
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

AT_ONCE: Final = 1.0
"""Seconds from the commit in the cloud until it counts at every connected terminal."""

GATES: Final = ("gate-1", "gate-2")


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """Two gates of a project, and a terminal that is not bound yet."""
    return build([*map(Plan, GATES), Plan("gate-spare", bound=False)])


@pytest.fixture(scope="module")
def gates(site: Site) -> list[SiteTerminal]:
    return [site.terminal(name) for name in GATES]


def seconds_until(counts: Callable[[], bool]) -> float:
    """How long it takes from now on."""
    began = time.monotonic()
    until(counts, 5)
    return time.monotonic() - began


@pytest.mark.feature("A01", "F35")
def test_a_blocked_card_is_denied_at_every_gate_within_a_second(site: Site, gates: list[SiteTerminal]) -> None:
    lost = site.cards[0]
    site.cloud.block(lost)
    assert seconds_until(lambda: has_newest(site, gates)) < AT_ONCE
    answers = [gate.tap(lost) for gate in gates]
    assert [(answer["outcome"], answer["reason"], answer["shown"]) for answer in answers] == [
        ("denied", "blocked", "blocked")
    ] * len(gates)

    site.cloud.unblock(lost)
    assert seconds_until(lambda: has_newest(site, gates)) < AT_ONCE


@pytest.mark.feature("F35")
def test_somebody_new_is_known_at_every_gate_within_a_second(site: Site, gates: list[SiteTerminal]) -> None:
    newcomer, stranger = card(500_001), card(500_002)
    site.cloud.enrol(newcomer, "Newcomer")
    assert seconds_until(lambda: has_newest(site, gates)) < AT_ONCE
    assert {gate.tap(newcomer)["shown"] for gate in gates} == {"admitted_in"}
    assert {gate.tap(stranger)["shown"] for gate in gates} == {"admitted_without_person"}


@pytest.mark.feature("F35")
def test_a_binding_counts_within_a_second_and_brings_its_roster(site: Site) -> None:
    spare = site.terminal("gate-spare")
    site.cloud.bind("gate-spare")
    assert seconds_until(lambda: has_newest(site, [spare])) < AT_ONCE
    assert spare.tap(site.cards[5])["shown"] == "admitted_in"


def has_newest(site: Site, terminals: list[SiteTerminal]) -> bool:
    """Whether all of them count with the tables as the cloud has them."""
    return all(terminal.status()["tables"] == site.cloud.newest(terminal.id) for terminal in terminals)
