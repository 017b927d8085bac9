"""Takes the pictures that the README shows: `make screenshots`, of the portal and of a terminal's front panel."""

import logging
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from playwright.sync_api import Browser, Page, expect

from cloud.demo.cast import BLOCKED_PERSON, PEOPLE
from cloud.demo.programs import free_port
from cloud.demo.site import Ports, Site
from cloud.demo.terminals import TERMINALS
from tests.browser.pages import Look, Window
from tests.house.repository import ROOT
from tests.support.chromium import running_chromium
from tests.support.moved_clock import START
from tests.support.portal_server import Furnished, PortalServer
from tests.support.portal_site import a_morning

PICTURES: Final = ROOT / "docs" / "pictures"
LOOK: Final = Look("en", (1200, 760))
PANEL: Final = Look("en", (1280, 800))


def main(folder: Path = PICTURES) -> int:
    """Write the pictures, from real pages of real programs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, running_chromium() as browser:
        portal(browser, Path(name), folder / "portal-live.png")
        panel(browser, Path(name) / "demo", folder / "panel.png")
    print(f"portal-live.png and panel.png are in {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}")
    return 0


def portal(browser: Browser, folder: Path, target: Path) -> None:
    """The live page after a morning; the clock of the portal stands, so the same page gives the same picture."""
    with (
        PortalServer.started(folder, Furnished.made(folder)) as server,
        Window.opened(browser, server.address, LOOK) as window,
    ):
        server.site.tap(*a_morning(server.site, START))
        page = window.log_in()
        expect(page.locator("[data-live-state=live]")).to_be_visible()
        page.evaluate("document.fonts.ready")
        page.screenshot(path=target)


def panel(browser: Browser, folder: Path, target: Path) -> None:
    """A terminal of the demonstration's site, while somebody goes in."""
    north = TERMINALS[0]
    panels = {terminal.id: free_port() for terminal in TERMINALS}
    folder.mkdir()
    ports = Ports(portal=free_port(), broker=free_port(), card=free_port(), panels=panels)
    with Site(folder, ports, ROOT / "node_modules") as site:
        site.build(datetime.now(UTC), print)
        site.start(print)
        with Window.opened(browser, f"http://127.0.0.1:{panels[north.id]}", PANEL) as window:
            page = window.page
            page.goto("/")
            expect(page.get_by_text("Online", exact=True)).to_be_visible(timeout=20_000)
            enters(page, BLOCKED_PERSON.name)
            for person in PEOPLE:
                if enters(page, person.name):
                    page.screenshot(path=target)
                    if page.locator("#green.on").count():  # else the light was faster than the picture
                        return


def enters(page: Page, name: str) -> bool:
    """Somebody taps and, where the door is unlocked, pushes it open."""
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Locked", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("listitem").filter(has_text=name)).to_be_visible()
    if page.locator("#answers li.denied").filter(has_text=name).count():
        return False
    page.locator(".door:not(.is-held)").wait_for()
    page.get_by_role("button", name="Push").click()
    expect(page.get_by_text("Open", exact=True)).to_be_visible()
    page.get_by_role("button", name=name).click()  # still the same holding of the card: its answer is shown anew
    page.locator("#green.on").wait_for()
    return True


if __name__ == "__main__":
    sys.exit(main())
