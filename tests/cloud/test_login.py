"""Logging in: with the right password only, slowly for who guesses, and on to pages of ours only."""

import hashlib
from dataclasses import replace

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from cloud.accounts.models import Account, Session
from cloud.accounts.routes import local_path
from cloud.accounts.service import UNKNOWN
from cloud.audit.models import Audit
from cloud.audit.service import Action
from cloud.config import Settings
from cloud.portal.web import build_web
from cloud.wakeups import Wakeups
from tests.support.moved_clock import MovedClock
from tests.support.portal_site import PASSWORD, Site
from tests.support.visitor import Visitor, words_of

WRONG = {"sv": "Fel inloggningsnamn eller lösenord.", "en": "Login name or password is wrong."}


def test_the_right_password_leads_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    asked = visitor.get("/terminals?all=1")
    assert asked.headers["location"] == "/login?next=/terminals%3Fall%3D1"
    page = visitor.follow(asked)
    assert 'name="next" value="/terminals?all=1"' in page.text
    assert visitor.log_in(to="/terminals?all=1").headers["location"] == "/terminals?all=1"
    assert "Karin Holm" in visitor.get("/terminals").text


def test_the_login_name_may_be_written_in_capitals(visitor: Visitor) -> None:
    assert visitor.log_in("  Karin ").status_code == 303


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize(
    ("login", "password"),
    [("karin", "wrong"), ("nobody", PASSWORD), ("", ""), ("kar\0in", "\0"), ("\ufffd", "å" * 900)],
)
def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(
    visitor: Visitor, language: str, login: str, password: str
) -> None:
    visitor.get(f"/language/{language}")
    refused = visitor.log_in(login, password)
    assert refused.status_code == 401
    assert WRONG[language] in words_of(refused)
    assert visitor.get("/").status_code == 303


def test_an_unknown_login_is_compared_with_a_hash_as_costly_as_the_others() -> None:
    costs = [replace(extract_parameters(each), salt_len=0) for each in (UNKNOWN, PasswordHasher().hash("any"))]
    assert costs[0] == costs[1]
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(UNKNOWN, PASSWORD)


def test_a_closed_account_gets_in_neither_by_password_nor_by_an_old_session(site: Site, karin: Visitor) -> None:
    with site.database.transaction() as rows:
        rows.execute(update(Account).where(Account.login == "karin").values(active=False))
    assert karin.get("/").headers["location"] == "/login?next=/"
    assert karin.log_in().status_code == 401


def test_a_login_gets_a_new_token_of_which_only_the_hash_is_kept(site: Site, web: FastAPI) -> None:
    tokens = set()
    for _ in range(2):
        visitor = Visitor(TestClient(web))
        visitor.client.cookies.set("grindvakt-session", "chosen-by-somebody-else")
        tokens.add(visitor.log_in().cookies["grindvakt-session"])
    assert len(tokens) == 2
    assert "chosen-by-somebody-else" not in tokens
    with site.database.reading() as rows:
        kept = set(rows.scalars(select(Session.token_hash)))
    assert kept == {hashlib.sha256(token.encode()).hexdigest() for token in tokens}


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(visitor: Visitor) -> None:
    cookies = visitor.log_in().headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("grindvakt-session="))
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(session.split("; "))
    assert "Secure" not in session


def test_over_https_the_cookie_never_leaves_this_host_nor_https(
    site: Site, clock: MovedClock, settings: Settings
) -> None:
    config = settings.model_copy(update={"base_url": "https://portal.example"})
    web = build_web(config, site.database, Wakeups(site.database), clock)
    visitor = Visitor(TestClient(web, base_url="https://portal.example"))
    cookies = visitor.log_in().headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-grindvakt-session="))
    assert "Secure" in session.split("; ")
    assert "Domain" not in session
    assert visitor.get("/").status_code == 200


def test_after_five_failures_a_login_waits_and_is_told_how_long(visitor: Visitor, clock: MovedClock) -> None:
    for _ in range(5):
        assert visitor.log_in(password="guess").status_code == 401
        clock.move(60)
    refused = visitor.log_in()
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "600"
    assert "Försök igen om 10 minuter." in words_of(refused)
    clock.move(9 * 60 + 1)
    assert "Försök igen om 1 minut." in words_of(visitor.log_in())
    clock.move(60)
    assert visitor.log_in().status_code == 303


def test_waiting_is_not_made_longer_by_trying(visitor: Visitor, clock: MovedClock, site: Site) -> None:
    for _ in range(8):
        visitor.log_in(password="guess")
    with site.database.reading() as rows:
        assert len(rows.scalars(select(Audit).where(Audit.action == Action.LOGIN_REFUSED)).all()) == 5
    clock.move(15 * 60)
    assert visitor.log_in().status_code == 303


def test_who_guesses_for_many_logins_is_stopped_by_the_address(web: FastAPI) -> None:
    guesser = Visitor(TestClient(web, client=("203.0.113.7", 1)))
    for number in range(30):
        assert guesser.log_in(f"name{number}", "guess").status_code == 401
    assert guesser.log_in().status_code == 429
    elsewhere = Visitor(TestClient(web, client=("203.0.113.8", 1)))
    assert elsewhere.log_in().status_code == 303


def test_a_login_that_is_guessed_from_many_addresses_waits_too(web: FastAPI) -> None:
    for number in range(5):
        Visitor(TestClient(web, client=(f"203.0.113.{number}", 1))).log_in(password="guess")
    assert Visitor(TestClient(web, client=("203.0.113.99", 1))).log_in("KARIN").status_code == 429


def test_a_refused_login_leaves_no_password_behind(visitor: Visitor, site: Site) -> None:
    visitor.log_in("My-Secret-1", "My-Secret-2")
    with site.database.reading() as rows:
        line = rows.scalars(select(Audit).where(Audit.action == Action.LOGIN_REFUSED)).one()
    assert "secret" not in f"{line.subject} {line.details}".lower()


def test_the_login_form_must_come_from_us(visitor: Visitor) -> None:
    fields = {"login": "karin", "password": PASSWORD, "csrf": "x" * 43}
    assert visitor.client.post("/login", data=fields).status_code == 403
    visitor.get("/login")
    assert visitor.client.post("/login", data=fields).status_code == 403
    assert visitor.client.post("/login", data=fields | {"csrf": ""}).status_code == 403


def test_who_is_logged_in_is_led_past_the_login(karin: Visitor) -> None:
    assert karin.get("/login?next=/terminals").headers["location"] == "/terminals"
    assert karin.client.post("/login", data={"next": "//elsewhere.example"}).headers["location"] == "/"


@pytest.mark.parametrize("path", ["/", "/terminals", "/terminals/a-1?x=1&y=2#here", "/%C3%A5"])
def test_a_login_leads_on_to_paths_of_ours(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "address",
    [
        "",
        "terminals",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "\\\\elsewhere.example",
        "https://elsewhere.example/",
        "javascript:alert(1)",
        "/\t/elsewhere.example",
        "/a\r\nset-cookie: x=1",
        " /",
        "/å",
        "/" + "a" * 600,
    ],
)
def test_a_login_leads_to_no_other_site(address: str) -> None:
    assert local_path(address) == "/"
