"""What a visitor sees when something was refused or went wrong: a page in their language that says what to do."""

from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from cloud.errors import CloudError, LoginNeeded
from cloud.portal.headers import security_headers
from cloud.portal.languages import Language, msgid, preferred
from cloud.portal.visits import portal_of, visit_of

STREAMS: Final = "/live/"

FORBIDDEN: Final = (
    msgid("This was not accepted"),
    msgid("The page may have been open for too long. Open it again and do it once more."),
)
MISSING: Final = (
    msgid("There is nothing here"),
    msgid("The address is wrong, or what it led to is not yours to see. Look it up in the lists again."),
)
CONFLICT: Final = (
    msgid("That does not fit any more"),
    msgid("Somebody changed it meanwhile. Open the page again and look at what holds now."),
)
REFUSED: Final = (
    msgid("This cannot be done"),
    msgid("Go back and try another way."),
)
FAULT: Final = (
    msgid("Something went wrong here"),
    msgid("The fault is ours and is written down. Taps are registered all the same. Try again in a moment."),
)
TITLES: Final = {403: FORBIDDEN, 404: MISSING, 405: MISSING, 409: CONFLICT}


def answer_faults(app: FastAPI) -> None:
    """Give every kind of trouble its answer."""
    app.add_exception_handler(LoginNeeded, _ask_to_log_in)
    app.add_exception_handler(CloudError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _apologise)


def _ask_to_log_in(request: Request, _raised: Exception) -> Response:
    """A page leads to the login and back; a stream, which nobody reads, only ends."""
    if request.url.path.startswith(STREAMS):
        return PlainTextResponse("log in first\n", 401)
    if request.method != "GET":
        return RedirectResponse("/login", 303)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303)


def _refuse(request: Request, raised: Exception) -> Response:
    status = raised.status if isinstance(raised, CloudError) else 500
    headers = {}
    if isinstance(raised, HTTPException):
        status, headers = raised.status_code, dict(raised.headers or {})
    title, advice = TITLES.get(status, REFUSED if status < 500 else FAULT)
    portal = portal_of(request)
    with portal.database.reading() as rows:
        page = visit_of(portal, request, rows).page("refused.html", {"title": title, "advice": advice}, status)
    page.headers.update(headers)
    return page


def _apologise(request: Request, _raised: Exception) -> Response:
    """The answer to a fault of ours, without asking a database that may be the reason."""
    portal = portal_of(request)
    language: Language = preferred(None, request.headers.get("accept-language", ""))
    title, advice = FAULT
    given = {"account": None, "csrf": "", "here": "", "back": "/", "note": None, "title": title, "advice": advice}
    headers = security_headers(https=portal.cookies.https) | {"cache-control": "no-store"}
    return HTMLResponse(portal.pages.render(language, "refused.html", **given), 500, headers)
