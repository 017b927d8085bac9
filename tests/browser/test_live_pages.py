"""Open pages follow what happens: without reloading, through a cloud that was away, until the session ends."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.support.moved_clock import START
from tests.support.portal_server import PortalServer
from tests.support.portal_site import GATE, SPARE, TapDraft


def anna(portal: PortalServer, seconds: int = 0) -> TapDraft:
    """Anna goes in."""
    holder = portal.site.holders["Anna Lindqvist"]
    return TapDraft(GATE, holder, START + timedelta(seconds=seconds), portal.site.project)


def test_a_tap_appears_without_reloading(portal: PortalServer, karin: Page) -> None:
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    expect(karin.get_by_text("Inga blippningar än")).to_be_visible()
    karin.evaluate("window.notReloaded = true")
    portal.site.tap(anna(portal))
    row = karin.get_by_role("row").filter(has_text="Anna Lindqvist")
    expect(row).to_contain_text("Kvarnholmens Bygg AB")
    expect(row).to_contain_text("Godkänd")
    portal.site.tap(anna(portal, 5))
    expect(karin.locator("[data-row]")).to_have_count(2)
    expect(karin.locator("[data-row].fresh")).to_have_count(1)
    assert karin.evaluate("window.notReloaded")


def test_a_page_says_that_the_cloud_is_away_and_catches_up_by_itself(portal: PortalServer, karin: Page) -> None:
    portal.site.tap(anna(portal))
    expect(karin.locator("[data-row]")).to_have_count(1)
    karin.evaluate("window.notReloaded = true")
    portal.stop()
    expect(karin.get_by_text("Anslutningen bröts – försöker igen")).to_be_visible()
    expect(karin.get_by_text("Uppdateras direkt")).to_be_hidden()
    portal.site.tap(*(anna(portal, seconds) for seconds in range(1, 4)))
    portal.start()
    expect(karin.locator("[data-row]")).to_have_count(4, timeout=20_000)
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    expect(karin.get_by_text("Anslutningen bröts")).to_be_hidden()
    assert karin.evaluate("window.notReloaded")


def test_a_page_whose_session_ended_leads_to_the_login_and_back(portal: PortalServer, karin: Page) -> None:
    karin.goto("/terminals")
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    portal.clock.move(31 * 60)
    portal.site.hear(GATE, portal.clock.now())
    expect(karin).to_have_url(f"{portal.address}/login?next=/terminals")


def test_a_session_that_ended_while_the_cloud_was_away_leads_to_the_login_too(
    portal: PortalServer, karin: Page, window: Open
) -> None:
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    portal.stop()
    portal.clock.move(31 * 60)
    portal.start()
    expect(karin).to_have_url(f"{portal.address}/login?next=/", timeout=20_000)


def test_a_terminals_state_follows_without_reloading_and_the_focus_stays(portal: PortalServer, karin: Page) -> None:
    karin.goto("/terminals")
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    link = karin.get_by_role("link", name="Norra grinden")
    link.focus()
    portal.site.hear(GATE, portal.clock.now(), online=False, queue_depth=3)
    row = karin.get_by_role("row").filter(has=link)
    expect(row).to_contain_text("Offline")
    expect(row).to_contain_text("3 poster")
    expect(link).to_be_focused()


def test_a_form_that_is_being_filled_in_is_left_alone_by_what_the_terminal_says(
    portal: PortalServer, karin: Page
) -> None:
    karin.goto(f"/terminals/{SPARE}")
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    karin.get_by_label("Plats").fill("Östra gri")
    portal.site.hear(SPARE, portal.clock.now(), queue_depth=3)
    expect(karin.get_by_text("3 poster")).to_be_visible()
    expect(karin.get_by_label("Plats")).to_have_value("Östra gri")
    expect(karin.get_by_label("Plats")).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/terminals", f"/terminals/{GATE}"])
def test_a_server_stops_at_once_though_pages_are_open(portal: PortalServer, karin: Page, path: str) -> None:
    karin.goto(path)
    expect(karin.get_by_text("Uppdateras direkt")).to_be_visible()
    portal.stop()
    expect(karin.get_by_text("Anslutningen bröts – försöker igen")).to_be_visible()
    portal.start()
