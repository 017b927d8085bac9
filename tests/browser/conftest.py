"""What the tests in a real browser get: a portal on a real server, and visitors of several kinds."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.pages import Look, Window
from tests.support.chromium import running_chromium
from tests.support.portal_server import Furnished, PortalServer

Open = Callable[..., Window]


@pytest.fixture(scope="module")  # while one runs, its driver's event loop counts as running in this thread
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """A site to copy."""
    return Furnished.made(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def portal(tmp_path: Path, furnished: Furnished) -> Iterator[PortalServer]:
    """A furnished portal of this test's own."""
    with PortalServer.started(tmp_path, furnished) as server:
        yield server


@pytest.fixture
def window(browser: Browser, portal: PortalServer) -> Iterator[Open]:
    """Opens windows; at the end nothing may have complained in any of them."""
    with ExitStack() as opened:

        def open_window(look: Look | None = None, *, scripts: bool = True) -> Window:
            return opened.enter_context(Window.opened(browser, portal.address, look or Look(), scripts=scripts))

        yield open_window


@pytest.fixture
def karin(window: Open) -> Page:
    """Somebody of the customer, logged in, in Swedish at a desk."""
    return window().log_in()
