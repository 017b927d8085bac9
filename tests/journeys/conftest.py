"""What the journeys share: a real PostgreSQL that waits for the disk, and sites on databases of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import running_chromium
from tests.support.postgres import PostgresServer
from tests.support.site import Site
from tests.support.site_cloud import LOGIN, PASSWORD
from tests.support.site_terminal import Plan

Build = Callable[[Sequence[Plan]], Site]

_numbers = count(1)


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[PostgresServer]:
    """A server with fsync on: what it commits counts."""
    with PostgresServer.temporary() as server:
        yield server


@pytest.fixture(scope="module")
def build(durable_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Makes sites that run until the module ends."""
    with ExitStack() as sites:

        def made(plans: Sequence[Plan]) -> Site:
            number = next(_numbers)
            url = durable_postgres.create(f"site_{number}")
            sites.callback(durable_postgres.drop, f"site_{number}")
            return sites.enter_context(Site(tmp_path_factory.mktemp(f"site-{number}"), url, plans))

        yield made


@pytest.fixture(scope="module")  # while one runs, its driver's event loop counts as running in this thread
def browser() -> Iterator[Browser]:
    """One browser for all journeys of a file."""
    with running_chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor with a window of his own and 10 s of patience; what the page complains of is a fault."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    visited = context.new_page()
    complaints: list[str] = []
    visited.on("pageerror", lambda error: complaints.append(str(error)))
    yield visited
    context.close()
    assert not complaints


def log_in(page: Page, site: Site) -> None:
    """Log in as somebody of the customer does."""
    page.goto(f"{site.cloud.address}/")
    page.get_by_label("Login name").fill(LOGIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def look_at_taps(page: Page, site: Site) -> None:
    """Log in, and be on the page of taps with its stream open."""
    log_in(page, site)
    expect(page.get_by_role("heading", name="Taps", exact=True)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
