"""Who asks: one transaction for a request, the account behind the cookie, and the check of every form."""

import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, cast

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from cloud.accounts import sessions
from cloud.accounts.sessions import LoggedIn
from cloud.clock import Clock
from cloud.config import Settings
from cloud.database import Database
from cloud.errors import FormForged, LoginNeeded
from cloud.portal.cookies import Cookie, Cookies
from cloud.portal.forms import Posted, PostedForm
from cloud.portal.languages import Language, msgid, preferred
from cloud.portal.pages import Pages
from cloud.portal.streams import Streams

# the routes that answer without a login; a test walks all others
PUBLIC: Final = frozenset({"/login", "/language/{language}", "/static/{name}", "/health", "/openapi.json"})


class Note(StrEnum):
    """What is said once, on the page after an act; the cookie carries the name, the page says the words."""

    BOUND = "bound"
    UNBOUND = "unbound"
    CARD_GIVEN = "card_given"
    LOGGED_OUT = "logged_out"


NOTES: Final = {
    Note.BOUND: msgid("The terminal is bound. If it is online it takes taps at once, else when it comes back."),
    Note.UNBOUND: msgid("The terminal is no longer bound to a project."),
    Note.CARD_GIVEN: msgid("The card is given. Its taps up to now are shown under that name too."),
    Note.LOGGED_OUT: msgid("You are logged out."),
}


@dataclass(frozen=True, slots=True)
class Portal:
    """What all routes share; `build_web` makes it and puts it into the application's state."""

    config: Settings
    database: Database
    clock: Clock
    cookies: Cookies
    pages: Pages
    streams: Streams


@dataclass(slots=True)
class Visit:
    """One request: the rows it may read or write, who asks, and how the answer is made."""

    portal: Portal
    request: Request
    rows: Session
    now: datetime
    token: str
    known: LoggedIn | None
    form: Posted = field(default_factory=Posted)

    @property
    def account(self) -> LoggedIn:
        """Who is logged in. Raises LoginNeeded."""
        if self.known is None:
            raise LoginNeeded
        return self.known

    @property
    def is_due_to_be_noted(self) -> bool:
        """Says whether the account's activity has not been written down for a while."""
        return self.known is not None and self.known.is_stale

    @property
    def address(self) -> str:
        """The network address that asks."""
        return self.request.client.host if self.request.client else ""

    @property
    def language(self) -> Language:
        """The one chosen in this browser, else the account's, else what the browser asks for."""
        chosen = self.portal.cookies.get(self.request, Cookie.LANGUAGE)
        if chosen is None and self.known is not None:
            chosen = self.known.language
        return preferred(chosen, self.request.headers.get("accept-language", ""))

    def page(self, template: str, given: Mapping[str, object], status: int = 200) -> HTMLResponse:
        """A page; a note that was left for it is shown once."""
        cookies = self.portal.cookies
        left = cookies.get(self.request, Cookie.NOTE)
        csrf = self._expected() or secrets.token_urlsafe(32)
        shared = {
            "account": self.known,
            "csrf": csrf,
            "here": self.request.url.path,
            "back": self._back(),
            "note": NOTES[Note(left)] if left in set(Note) else None,
            "now": self.now,
        }
        response = HTMLResponse(self.portal.pages.render(self.language, template, **shared, **given), status)
        if left is not None:
            cookies.drop(response, Cookie.NOTE)
        if self.known is None:
            cookies.put(response, Cookie.LOGIN_FORM, csrf)
        return response

    def go(self, path: str, note: Note | None = None) -> RedirectResponse:
        """On to another page of ours (RFC 9110, 15.4.4), where the note is shown."""
        response = RedirectResponse(path, 303)
        if note is not None:
            self.portal.cookies.put(response, Cookie.NOTE, note.value)
        return response

    def say(self, text: str) -> str:
        """A text in the visitor's language."""
        return self.portal.pages.say(self.language, text)

    def say_number(self, texts: tuple[str, str], number: int) -> str:
        """A text that depends on a number, in the visitor's language."""
        return self.portal.pages.say_number(self.language, texts, number)

    def check_form(self, form: Posted) -> None:
        """See that a form came from a page of ours: it brings this session's token, before the login the browser's.

        Raises FormForged.
        """
        expected = self._expected()
        if not expected or not hmac.compare_digest(expected.encode(), form.text("csrf").encode()):
            raise FormForged

    def _expected(self) -> str | None:
        return self.known.csrf if self.known else self.portal.cookies.get(self.request, Cookie.LOGIN_FORM)

    def _back(self) -> str:
        """Where a link that leads back here has to lead: an answer to a form has no address of its own."""
        url = self.request.url
        if self.request.method != "GET":
            return url.path if url.path == "/login" else "/"
        return f"{url.path}?{url.query}" if url.query else url.path


def portal_of(request: Request) -> Portal:
    """The one place that takes the portal out of the application's state."""
    return cast(Portal, request.app.state.portal)


def visit_of(portal: Portal, request: Request, rows: Session) -> Visit:
    """Who asks, whoever that is."""
    now = portal.clock.now()
    token = portal.cookies.get(request, Cookie.SESSION) or ""
    return Visit(portal, request, rows, now, token, sessions.find(rows, token, now, portal.config.session_minutes))


def admit(portal: Portal, request: Request, rows: Session) -> Visit:
    """Who asks, if the route is for them. Raises LoginNeeded."""
    visit = visit_of(portal, request, rows)
    if visit.known is None and request.scope["route"].path not in PUBLIC:
        raise LoginNeeded
    return visit


def watching(request: Request) -> Iterator[Visit]:
    """A request that a page makes by itself: it changes nothing, and is no activity of the account."""
    portal = portal_of(request)
    with portal.database.reading() as rows:
        yield admit(portal, request, rows)


def reading(request: Request) -> Iterator[Visit]:
    """A request that changes nothing but when its account was last seen."""
    portal = portal_of(request)
    with portal.database.reading() as rows:
        visit = admit(portal, request, rows)
        yield visit
    if visit.is_due_to_be_noted:
        with portal.database.transaction() as rows:
            sessions.touch(rows, visit.token, visit.now)


def writing(request: Request, form: PostedForm) -> Iterator[Visit]:
    """A request that is one transaction; nothing is written for a form that is not ours."""
    portal = portal_of(request)
    with portal.database.transaction() as rows:
        visit = admit(portal, request, rows)
        if request.method == "POST":
            visit.check_form(form)
        visit.form = form
        if visit.is_due_to_be_noted:
            sessions.touch(rows, visit.token, visit.now)
        yield visit


Watching = Annotated[Visit, Depends(watching, scope="function")]
Reading = Annotated[Visit, Depends(reading, scope="function")]
Writing = Annotated[Visit, Depends(writing, scope="function")]
