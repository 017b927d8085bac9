"""Cloud and broker go away and come back: taps go on all the while, and everything arrives once and in order."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from protocol.cards import CardId
from tests.journeys.conftest import Build, look_at_taps
from tests.support.site import Site
from tests.support.site_terminal import Feed, Plan, SiteTerminal
from tests.support.waiting import until

SOON: Final = 10.0
"""Seconds within which everything has arrived after the last part is back."""


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    return build([Plan("gate-north"), Plan("gate-south", Feed.SERIAL)])


@pytest.fixture
def north(site: Site) -> SiteTerminal:
    return site.terminal("gate-north")


@pytest.fixture
def south(site: Site) -> SiteTerminal:
    return site.terminal("gate-south")


def test_without_cloud_and_broker_taps_are_green_and_recorded_and_arrive_later_once_and_in_order(
    site: Site, north: SiteTerminal, south: SiteTerminal, page: Page
) -> None:
    """Pitfalls 5, 11, 24 and 26: the queue drains, nothing is there twice, and nobody gives up."""
    look_at_taps(page, site)
    page.evaluate("window.notReloaded = true")
    site.cloud.stop()
    site.broker.stop()
    until(lambda: not is_online(north) and not is_online(south), what="both know that they are alone")
    expect(page.get_by_text("Connection lost")).to_be_visible()

    answers = [north.tap(each) for each in site.cards[:20]]
    assert {(answer["outcome"], answer["shown"]) for answer in answers} == {("granted", "recorded_in_offline")}
    for each in site.cards[20:23]:
        hold_and_see_green(south, each)
    assert not site.faults(complete=False)
    assert north.status()["queue"]["depth"] >= len(answers)

    site.broker.start()
    site.cloud.start()
    assert site.wait_until_sent() < SOON
    assert not site.faults()
    row = page.get_by_role("row").filter(has_text="Worker 20")
    expect(row).to_contain_text("Granted", timeout=15_000)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert page.evaluate("window.notReloaded")


def hold_and_see_green(terminal: SiteTerminal, card: CardId) -> None:
    """A card against the serial reader, and the green light that answers it."""
    before = len(terminal.green_since)
    terminal.present(bytes.fromhex(card.value))
    until(lambda: len(terminal.green_since) > before, what="green")


def is_online(terminal: SiteTerminal) -> bool:
    """Whether the terminal says that the broker has let it in."""
    return bool(terminal.status()["link"]["online"])


@pytest.mark.feature("F31")
def test_a_broker_that_is_killed_and_comes_back_empty_loses_nothing(site: Site, north: SiteTerminal) -> None:
    """Pitfall 26: nothing that counts is kept in the broker."""
    for each in site.cards[:5]:
        assert north.tap(each)["outcome"] == "granted"
    site.broker.kill()
    for each in site.cards[5:10]:
        assert north.tap(each)["outcome"] == "granted"
    site.broker.start()
    for each in site.cards[10:15]:
        assert north.tap(each)["outcome"] == "granted"
    assert site.wait_until_sent() < SOON
    assert not site.faults()


def test_a_cloud_that_is_killed_asks_for_the_rest_when_it_is_back(site: Site, north: SiteTerminal) -> None:
    """Pitfall 1: what only the broker had acknowledged counts for nothing, and is sent again."""
    site.cloud.kill()
    for each in site.cards[15:25]:
        answer = north.tap(each)
        assert answer["outcome"] == "granted"
        assert answer["shown"] == "admitted_in", "the broker is there"
    site.cloud.start()
    assert site.wait_until_sent() < SOON
    assert not site.faults()


def test_a_daemon_that_is_killed_goes_on_where_it_was(site: Site, north: SiteTerminal) -> None:
    """Pitfall 2: no queue in memory stands in front of the ledger."""
    site.cloud.kill()
    for each in site.cards[25:30]:
        assert north.tap(each)["outcome"] == "granted"
    north.kill()
    north.start()
    for each in site.cards[25:30]:
        assert north.tap(each)["outcome"] == "granted"
    site.cloud.start()
    assert site.wait_until_sent() < SOON
    assert not site.faults()
