"""Takes the picture of the portal that the README shows: `make screenshots`, from a real page with a morning's taps."""

import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

import structlog
from playwright.sync_api import expect

from tests.browser.pages import Look, Window
from tests.house.repository import ROOT
from tests.support.chromium import running_chromium
from tests.support.moved_clock import START
from tests.support.portal_server import Furnished, PortalServer
from tests.support.portal_site import a_morning

PICTURE: Final = ROOT / "docs" / "pictures" / "portal-live.png"
LOOK: Final = Look("en", (1200, 760))


def main(target: Path = PICTURE) -> int:
    """Write the picture; the clock of the portal stands, so the same page gives the same picture."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory() as name,
        PortalServer.started(Path(name), Furnished.made(Path(name))) as portal,
        running_chromium() as browser,
        Window.opened(browser, portal.address, LOOK) as window,
    ):
        portal.site.tap(*a_morning(portal.site, START))
        page = window.log_in()
        expect(page.locator("[data-live-state=live]")).to_be_visible()
        page.evaluate("document.fonts.ready")
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)
    print(f"{target.relative_to(ROOT) if target.is_relative_to(ROOT) else target} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
