"""The pages of logging in and out, and the choice of language."""

import math
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from sqlalchemy import update
from sqlalchemy.orm import Session

from cloud.accounts import service, sessions, throttle
from cloud.accounts.models import Account
from cloud.audit.service import Action, record
from cloud.errors import NotFound
from cloud.portal.cookies import Cookie
from cloud.portal.forms import PostedForm
from cloud.portal.languages import Language, msgid, msgids
from cloud.portal.visits import Note, Reading, Visit, Writing
from cloud.scope import Scope

# a path on this host: browsers take // and /\ for the beginning of another one's name
LOCAL_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}", re.ASCII)
WRONG: Final = msgid("Login name or password is wrong. Check both and try again.")
TRY_LATER: Final = msgids(
    "Too many failed attempts. Try again in %(num)s minute.", "Too many failed attempts. Try again in %(num)s minutes."
)

router = APIRouter(include_in_schema=False)


def turn() -> Iterator[None]:
    """A password takes 64 MiB and a core while it is compared: few at a time."""
    yield


Turn = Annotated[None, Depends(turn, scope="function", max_concurrency=2)]


@router.get("/login")
def login_page(visit: Reading, next: str = "/") -> Response:  # noqa: A002 - the name that addresses have for it
    """The form, or on to the page for who is logged in already."""
    if visit.known is not None:
        return visit.go(local_path(next))
    return _form(visit, "", next)


@router.post("/login")
def login(visit: Reading, form: PostedForm, _turn: Turn) -> Response:
    """Begin a session. Comparing a password takes long, so nobody is kept from writing meanwhile."""
    to = local_path(form.text("next"))
    if visit.known is not None:
        return visit.go(to)
    visit.check_form(form)
    name = form.text("login", 200)
    wait = throttle.wait(visit.rows, visit.now, name, visit.address)
    if wait > timedelta():
        return _throttled(visit, name, to, wait)
    account = service.verify(visit.rows, name, form.text("password"))
    with visit.portal.database.transaction() as rows:
        if account is not None:
            return _begin(visit, rows, account, to)
        throttle.note_refused(rows, visit.now, name, visit.address)
    return _form(visit, name, to, visit.say(WRONG), 401)


@router.post("/logout")
def logout(visit: Writing) -> Response:
    """End the session, here and in the database (C41)."""
    account = visit.account
    sessions.end(visit.rows, visit.token)
    record(visit.rows, account.scope, visit.now, Action.SESSION_ENDED, account.account, {})
    response = visit.go("/login", Note.LOGGED_OUT)
    visit.portal.cookies.drop(response, Cookie.SESSION)
    return response


@router.get("/language/{language}")
def choose_language(visit: Writing, language: str, next: str = "/") -> Response:  # noqa: A002 - as above
    """Remember the language: in this browser, and in the account of who is logged in for other browsers."""
    if language not in set(Language):
        raise NotFound("language", language)
    if visit.known is not None:
        visit.rows.execute(update(Account).where(Account.id == visit.known.account).values(language=language))
    response = visit.go(local_path(next))
    visit.portal.cookies.put(response, Cookie.LANGUAGE, language)
    return response


def local_path(text: str) -> str:
    """A page of this portal to go on to; anything else, another host above all, is the first page."""
    return text if LOCAL_PATH.fullmatch(text) else "/"


def _begin(visit: Visit, rows: Session, account: Account, to: str) -> Response:
    renewed = account.password_hash  # other than the stored one where that was made with older settings
    rows.execute(update(Account).where(Account.id == account.id).values(password_hash=renewed))
    token = sessions.begin(rows, account.id, visit.now, visit.portal.config.session_minutes)
    record(rows, Scope(account.id, account.customer_id), visit.now, Action.SESSION_BEGUN, account.id, {})
    response = visit.go(to)
    visit.portal.cookies.put(response, Cookie.SESSION, token)
    visit.portal.cookies.drop(response, Cookie.LOGIN_FORM)
    return response


def _throttled(visit: Visit, name: str, to: str, wait: timedelta) -> Response:
    refusal = visit.say_number(TRY_LATER, math.ceil(wait / timedelta(minutes=1)))
    response = _form(visit, name, to, refusal, 429)
    response.headers["retry-after"] = str(math.ceil(wait.total_seconds()))
    return response


def _form(visit: Visit, name: str, to: str, refusal: str = "", status: int = 200) -> Response:
    return visit.page("login.html", {"login": name, "next": to, "refusal": refusal}, status)
