"""A window of a real browser on the portal, in a language and at a width, and what must hold for every page in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from tests.house.repository import ROOT
from tests.support.portal_site import PASSWORD

DESK: Final = (1280, 860)
PHONE: Final = (375, 812)
PICTURES: Final = ROOT / "build" / "screenshots"
RULES: Final = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
LOGIN: Final = {"sv": ("Inloggningsnamn", "Lösenord", "Logga in"), "en": ("Login name", "Password", "Log in")}


@dataclass(frozen=True, slots=True)
class Look:
    """How a visitor looks at the portal."""

    language: str = "sv"
    size: tuple[int, int] = DESK

    def __str__(self) -> str:
        return f"{self.language}-{self.size[0]}"


LOOKS: Final = tuple(Look(language, size) for language in ("sv", "en") for size in (DESK, PHONE))


@dataclass(slots=True)
class Window:
    """A visitor's window, with cookies of its own; `complaints` is what the browser's console had against us."""

    page: Page
    address: str
    look: Look
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, browser: Browser, address: str, look: Look, *, scripts: bool = True) -> Iterator["Window"]:
        """A window; when it is closed nothing may have complained in it."""
        size: Any = {"width": look.size[0], "height": look.size[1]}
        context = browser.new_context(
            base_url=address, viewport=size, locale=look.language, java_script_enabled=scripts, reduced_motion="reduce"
        )
        context.set_default_timeout(10_000)
        window = cls(context.new_page(), address, look)
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.on("console", lambda message: window.complaints.extend(errors_of(message)))
        window.page.on("response", lambda response: window.complaints.extend(missing_of(response)))
        yield window
        context.close()
        assert not window.complaints, window.complaints

    def log_in(self, login: str = "karin") -> Page:
        """Log in by the form."""
        name, password, button = LOGIN[self.look.language]
        self.page.goto(f"/language/{self.look.language}?next=/login")
        self.page.get_by_label(name).fill(login)
        self.page.get_by_label(password).fill(PASSWORD)
        self.page.get_by_role("button", name=button).click()
        self.page.wait_for_url(f"{self.address}/")
        return self.page

    def picture(self, name: str) -> None:
        """Keep what it looks like, for people to look at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}-{self.look}.png", full_page=True)


def errors_of(message: ConsoleMessage) -> list[str]:
    """An error of the page; that an answer was a refusal, or the cloud away, is what the test did."""
    expected = any(text in message.text for text in ("Failed to load resource", "htmx:sseError", "[object Event]"))
    return [message.text] if message.type == "error" and not expected else []


def missing_of(response: Response) -> list[str]:
    """That a style sheet, script, picture or typeface was not there."""
    return [f"{response.status} {response.url}"] if "/static/" in response.url and not response.ok else []


def faults_of(page: Page) -> list[str]:
    """What stands in the way of people who cannot see or use a page as others do (WCAG 2.2 A and AA), by axe."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


def wider_than_the_window(page: Page) -> list[str]:
    """What sticks out sideways."""
    script = """() => [...document.querySelectorAll('body *')]
        .filter(e => !e.closest('thead, .visually-hidden, .visually-hidden-focusable'))
        .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
        .map(e => e.outerHTML.slice(0, 120))"""
    found: list[str] = page.evaluate(script)
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("the page scrolls sideways")
    return found
