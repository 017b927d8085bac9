"""The main job, end to end on real parts: a card is held against a reader, and the portal shows it as it happens."""

import itertools
import time
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Build, log_in, look_at_taps
from tests.support.audit import Edge, edges
from tests.support.site import Site, card
from tests.support.site_cloud import PROJECT
from tests.support.site_terminal import Feed, Plan, SiteTerminal
from tests.support.waiting import until

SERIAL, PCSC, SPARE = "gate-serial", "gate-pcsc", "gate-spare"


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """A terminal with a serial reader, one with a PC/SC reader, and one that is bound to no project."""
    return build([Plan(SERIAL, Feed.SERIAL), Plan(PCSC, Feed.PCSC), Plan(SPARE, bound=False)])


@pytest.mark.parametrize(("name", "worker"), [(PCSC, 1), (SERIAL, 2)])
def test_a_tap_is_on_the_page_without_a_reload_and_the_lights_and_the_lock_have_answered(
    site: Site, page: Page, name: str, worker: int
) -> None:
    terminal = site.terminal(name)
    look_at_taps(page, site)
    page.evaluate("window.notReloaded = true")
    terminal.present(bytes.fromhex(site.cards[worker - 1].value))

    row = page.get_by_role("row").filter(has_text=f"Worker {worker}")
    expect(row).to_contain_text("Granted")
    expect(row).to_contain_text(PROJECT)
    expect(row).to_contain_text(name)
    assert page.evaluate("window.notReloaded")

    terminal.withdraw()
    assert until(lambda: terminal.lights, what="green, with the buzzer")
    opened, closed = until(lambda: pulses(terminal), what="the lock opens and closes")[-1]
    assert 0.4 < closed - opened < 1.5, "the access time is half a second, and its guard a second longer"
    terminal.wait_until_sent()
    assert not site.faults_of(terminal)


def pulses(terminal: SiteTerminal) -> list[tuple[float, float]]:
    """When the lock was opened and closed, in seconds; an opening that has not ended is left out."""
    moves = [edge for edge in edges(terminal.pins_file) if edge.pin == "lock-gate"]
    return [(on.at_ns / 1e9, off.at_ns / 1e9) for on, off in pairwise(moves) if on.level and not off.level]


@pytest.mark.feature("A05")
def test_a_terminal_that_is_not_bound_blinks_red_only_all_the_time(site: Site) -> None:
    spare = site.terminal(SPARE)
    blinks = until(lambda: reds(spare)[6:], what="it has blinked for three seconds")
    assert spare.tap(site.cards[9])["reason"] == "unbound"
    more = until(lambda: reds(spare)[len(blinks) + 12 :], what="it blinks on after the tap")
    assert more
    assert not [edge for edge in edges(spare.pins_file) if edge.pin in {"green", "lock-gate"} and edge.level]
    assert all(0.3 < gap < 1.0 for gap in gaps(reds(spare)[:6]))


def reds(terminal: SiteTerminal) -> list[Edge]:
    """Every change of the red light."""
    return [edge for edge in edges(terminal.pins_file) if edge.pin == "red"]


def gaps(changes: list[Edge]) -> list[float]:
    """The seconds between changes."""
    return [(after.at_ns - before.at_ns) / 1e9 for before, after in pairwise(changes)]


@pytest.mark.feature("A06")
def test_binding_in_the_portal_turns_a_terminal_usable_within_a_second(site: Site, page: Page) -> None:
    spare = site.terminal(SPARE)
    log_in(page, site)
    page.get_by_role("link", name="Terminals").first.click()
    page.get_by_role("link", name=SPARE).click()
    page.get_by_label("Project").select_option(site.cloud.project)
    page.get_by_label("Place").fill("South gate")
    page.get_by_label("gate", exact=True).check()
    assert spare.tap(site.cards[10])["outcome"] == "denied"

    strangers = itertools.count(200_001)  # the same card again would count as the same tap
    began = time.monotonic()
    page.get_by_role("button", name="Bind the terminal").click(no_wait_after=True)
    until(lambda: spare.tap(card(next(strangers)))["outcome"] == "granted", 5, "a tap is granted")
    took = time.monotonic() - began
    assert took < 1.0, f"it took {took:.2f} s from the click to a granted tap"

    expect(page.get_by_text("The terminal is bound.")).to_be_visible()
    until(lambda: pulses(spare), what="the lock of the binding opens")
    spare.wait_until_sent()
    assert not site.faults_of(spare)


def test_no_log_holds_a_whole_card_number(site: Site) -> None:
    logs: list[Path] = [site.cloud.program.log, *(terminal.program.log for terminal in site.terminals)]
    said = "".join(log.read_text(errors="replace") for log in logs)
    assert "tap.answered" in said
    assert not [each for each in site.cards if each.value in said]
