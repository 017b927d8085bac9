"""Every page, in both languages, at a desk and on a phone: for everybody to use, and nothing sticks out."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.pages import LOOKS, PHONE, Look, faults_of, wider_than_the_window
from tests.support.moved_clock import START
from tests.support.portal_server import PortalServer
from tests.support.portal_site import GATE, LOOSE, SPARE, a_morning

PAGES: Final = {
    "live": "/",
    "terminals": "/terminals",
    "terminal-bound": f"/terminals/{GATE}",
    "terminal-unbound": f"/terminals/{SPARE}",
    "unbind": f"/terminals/{GATE}/unbind",
    "cards": "/cards",
    "card": f"/cards/{LOOSE}",
}

STILL: Final = {"unbind", "card"}
"""Pages of forms, which nothing changes while somebody fills them in."""


def check(page: Page, look: Look) -> None:
    """What holds for every page."""
    assert page.locator("html").get_attribute("lang") == look.language
    assert faults_of(page) == []
    assert wider_than_the_window(page) == []


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_stand_in_nobodys_way(portal: PortalServer, window: Open, look: Look) -> None:
    portal.site.tap(*a_morning(portal.site, START))
    visitor = window(look)
    page = visitor.page
    page.goto("/login")
    check(page, look)
    visitor.picture("login")
    visitor.log_in()
    for name, path in PAGES.items():
        page.goto(path)
        if name not in STILL:
            expect(page.locator("[data-live-state=live]")).to_be_visible()
        check(page, look)
        visitor.picture(name)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_that_say_no_stand_in_nobodys_way_either(portal: PortalServer, window: Open, look: Look) -> None:
    visitor = window(look)
    page = visitor.page
    page.goto("/login")
    page.locator("#login").fill("karin")
    page.locator("#password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, look)
    visitor.picture("login-refused")
    visitor.log_in()
    check(page, look)
    visitor.picture("live-empty")
    page.goto(f"/terminals/{SPARE}")
    page.locator("form .btn-primary").click()
    expect(page.locator(".gv-wrong")).to_have_count(2)
    check(page, look)
    visitor.picture("terminal-mistakes")
    page.goto(f"/cards/{LOOSE}")
    page.locator("form .btn-primary").click()
    expect(page.locator(".gv-wrong")).to_have_count(2)
    check(page, look)
    visitor.picture("card-mistakes")
    portal.site.confuse(START)
    page.goto("/cards")
    expect(page.locator("#conflicts")).to_be_visible()
    check(page, look)
    visitor.picture("cards-confused")
    page.goto("/nowhere")
    check(page, look)
    visitor.picture("nowhere")


def test_at_four_times_the_size_a_page_still_needs_no_scrolling_sideways(portal: PortalServer, window: Open) -> None:
    """WCAG 2.1, 1.4.10: 1280 pixels at 400 % are 320."""
    portal.site.tap(*a_morning(portal.site, START))
    page = window(Look("sv", (320, PHONE[1]))).log_in()
    for path in PAGES.values():
        page.goto(path)
        assert wider_than_the_window(page) == [], path


def test_what_can_be_pressed_is_large_enough_for_a_thumb(portal: PortalServer, window: Open) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, the links within a sentence excepted."""
    portal.site.tap(*a_morning(portal.site, START))
    page = window(Look("sv", PHONE)).log_in()
    for path in PAGES.values():
        page.goto(path)
        small = page.evaluate(
            """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select')]
                .filter(e => !e.matches('.visually-hidden-focusable, p a, .row-link'))
                .filter(e => { const b = (e.closest('label') || e).getBoundingClientRect();
                               return b.width < 24 || b.height < 24; })
                .map(e => e.outerHTML.slice(0, 120))"""
        )
        assert small == [], path


def test_these_checks_find_what_is_wrong(karin: Page) -> None:
    karin.evaluate("""() => {
        document.documentElement.removeAttribute('lang');
        document.querySelector('h1').innerHTML = '<a href="/">' + 'x'.repeat(400) + '</a><img src="/static/mark.svg">';
    }""")
    found = " ".join(faults_of(karin))
    assert "html-has-lang" in found
    assert "image-alt" in found
    assert "the page scrolls sideways" in wider_than_the_window(karin)
