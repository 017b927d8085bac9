"""A session ends by itself, by logging out, and everywhere at once."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from cloud.accounts.models import Session
from cloud.audit.models import Audit
from cloud.config import Settings
from tests.support.moved_clock import START, MovedClock
from tests.support.portal_site import Site
from tests.support.queries import counted
from tests.support.visitor import Visitor, words_of


@pytest.mark.feature("B19")
def test_minutes_without_activity_log_the_account_out(karin: Visitor, clock: MovedClock, settings: Settings) -> None:
    clock.move(settings.session_minutes * 60 - 1)
    assert karin.get("/").status_code == 200
    clock.move(settings.session_minutes * 60 - 1)
    assert karin.get("/terminals").status_code == 200
    clock.move(settings.session_minutes * 60)
    assert karin.get("/terminals").headers["location"] == "/login?next=/terminals"


def test_a_post_counts_as_activity_too(karin: Visitor, clock: MovedClock, settings: Settings) -> None:
    form = karin.get("/terminals/kvarnen-reserv/unbind")
    assert form.status_code == 303
    clock.move(settings.session_minutes * 60 - 1)
    karin.send("/terminals/kvarnen-reserv", {"project": "", "place": ""})
    clock.move(settings.session_minutes * 60 - 1)
    assert karin.get("/").status_code == 200


def test_activity_is_not_written_down_for_every_request(karin: Visitor, clock: MovedClock, site: Site) -> None:
    clock.move(10)
    with counted(site.database) as statements:
        karin.get("/")
    assert not [statement for statement in statements if statement.startswith("UPDATE")]
    clock.move(21)
    karin.get("/")
    with site.database.reading() as rows:
        assert rows.scalar(select(Session.seen_at)) == START + timedelta(seconds=31)


def test_an_asset_or_a_refused_page_is_no_activity(karin: Visitor, clock: MovedClock, site: Site) -> None:
    clock.move(600)
    karin.get("/static/grindvakt.css")
    karin.get("/nowhere")
    with site.database.reading() as rows:
        assert rows.scalar(select(Session.seen_at)) == START


@pytest.mark.feature("C41")
def test_logging_out_ends_the_session_for_every_copy_of_its_cookie(visitor: Visitor, web: FastAPI, site: Site) -> None:
    visitor.log_in()
    copy = Visitor(TestClient(web, cookies=dict(visitor.client.cookies)))
    assert copy.get("/").status_code == 200
    out = visitor.log_out()
    assert out.headers["location"] == "/login"
    assert "Du är utloggad." in words_of(visitor.follow(out))
    assert "grindvakt-session" not in visitor.client.cookies
    assert copy.get("/").status_code == 303
    with site.database.reading() as rows:
        assert rows.scalar(select(func.count()).select_from(Session)) == 0
        assert list(rows.scalars(select(Audit.action).order_by(Audit.id)))[-2:] == ["session.begun", "session.ended"]


def test_a_page_that_was_left_open_cannot_log_out_with_the_token_of_another_session(
    karin: Visitor, web: FastAPI
) -> None:
    other = Visitor(TestClient(web))
    other.log_in("granne")
    stolen = {"csrf": other.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]}
    assert karin.client.post("/logout", data=stolen).status_code == 403
    assert karin.get("/").status_code == 200


def test_sessions_that_timed_out_are_forgotten_at_the_next_login(web: FastAPI, clock: MovedClock, site: Site) -> None:
    for _ in range(3):
        Visitor(TestClient(web)).log_in()
    clock.move(3600)
    Visitor(TestClient(web)).log_in()
    with site.database.reading() as rows:
        assert rows.scalar(select(func.count()).select_from(Session)) == 1


def test_a_page_with_people_on_it_is_kept_by_no_cache(karin: Visitor) -> None:
    for path in ("/", "/terminals", "/terminals/kvarnen-norra", "/login", "/nowhere"):
        assert karin.get(path).headers["cache-control"] == "no-store", path
