"""All routes, walked: nobody gets in without a login, sees another customer's rows, or is made to send a form."""

from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from cloud.accounts.models import Account
from cloud.attendance.models import Entry
from cloud.audit.models import Audit
from cloud.database import Model
from cloud.portal.visits import PUBLIC
from cloud.units.models import Unit
from tests.support.portal_site import FOREIGN, FOREIGN_LOOSE, GATE, LOOSE, Site
from tests.support.visitor import Visitor

# a value for every parameter of a path: one of our own, and what another customer has in its place
OWN = {"key": GATE, "card": LOOSE, "language": "en", "name": "grindvakt.css"}
ANOTHERS = {"key": FOREIGN, "card": FOREIGN_LOOSE}


@dataclass(frozen=True)
class Way:
    """One method of one route."""

    method: str
    path: str

    def with_values(self, values: dict[str, str]) -> str:
        """The address, its parameters filled in."""
        return self.path.format(**(OWN | values))

    @property
    def is_of_a_customer(self) -> bool:
        """Whether it names a row that belongs to somebody."""
        return any(f"{{{name}}}" in self.path for name in ANOTHERS)


def ways(app: FastAPI) -> list[Way]:
    """Every method of every route there is, the schema's included."""
    found = []
    for route in app.routes:
        for inner in getattr(getattr(route, "original_router", None), "routes", [route]):
            methods = getattr(inner, "methods", None) or set()
            found += [Way(method, inner.path) for method in sorted(methods) if method not in {"HEAD", "OPTIONS"}]
    return found


def test_the_walk_sees_every_route(web: FastAPI) -> None:
    """A router that hides its routes from the walk would let a new route go unchecked."""
    assert {way.path for way in ways(web)} >= PUBLIC | {"/", "/terminals", "/terminals/{key}", "/live/taps", "/logout"}


def test_every_parameter_has_a_value_to_walk_with(web: FastAPI) -> None:
    for way in ways(web):
        assert "{" not in way.with_values({})


def test_a_visitor_without_login_is_led_to_it_or_refused_unless_the_route_is_public(web: FastAPI, site: Site) -> None:
    before = state_of(site)
    for way in ways(web):
        anonymous = Visitor(TestClient(web, follow_redirects=False))
        answer = anonymous.client.request(way.method, way.with_values({}))
        if way.path in PUBLIC:
            assert answer.status_code in (200, 303, 403), way
            continue
        assert answer.status_code in (303, 401), way
        if answer.status_code == 303:
            assert answer.headers["location"].partition("?")[0] == "/login", way
        assert "Norra grinden" not in answer.text
    assert state_of(site) == before


def test_the_list_of_public_routes_names_only_routes_that_exist(web: FastAPI) -> None:
    assert {way.path for way in ways(web)} >= PUBLIC


def test_what_belongs_to_another_customer_is_not_there(web: FastAPI, karin: Visitor, site: Site) -> None:
    web.state.portal.streams.close()
    walked = [way for way in ways(web) if way.is_of_a_customer]
    assert walked
    token = {"csrf": csrf_of(karin)}
    before = state_of(site)
    for way in walked:
        address = way.with_values(ANOTHERS)
        filled = {**token, "project": site.project, "place": "x"}
        answer = karin.client.post(address, data=filled) if way.method == "POST" else karin.get(address)
        assert answer.status_code == 404, way
        assert "Grannens" not in answer.text
        missing = way.with_values(dict.fromkeys(ANOTHERS, "no-such"))
        assert karin.get(missing).status_code in (404, 405), "no telling the two apart"
    assert state_of(site) == before


@pytest.mark.parametrize("token", ["", "x" * 43, "another's", None])
def test_a_form_without_this_sessions_token_changes_nothing(
    web: FastAPI, karin: Visitor, site: Site, token: str | None
) -> None:
    if token == "another's":
        neighbour = Visitor(TestClient(web))
        neighbour.log_in("granne")
        token = csrf_of(neighbour)
    before = state_of(site)
    posts = [way for way in ways(web) if way.method == "POST" and way.path != "/login"]
    assert posts
    for way in posts:
        data = {"project": site.project, "place": "x"} | ({} if token is None else {"csrf": token})
        assert karin.client.post(way.with_values({}), data=data).status_code == 403, way
    assert state_of(site) == before
    assert karin.get("/").status_code == 200


@pytest.mark.parametrize("key", ["%00", "a%00b", "%ff", "%ed%a0%80", "x" * 5000, "%2e%2e", "<b>", "{key}"])
def test_what_can_be_no_id_is_not_there_and_no_fault_of_ours(web: FastAPI, karin: Visitor, key: str) -> None:
    token = {"csrf": csrf_of(karin)}
    for way in ways(web):
        if way.is_of_a_customer:
            address = way.path.replace("{key}", key).replace("{card}", key)
            answer = karin.client.post(address, data=token) if way.method == "POST" else karin.get(address)
            assert answer.status_code in (404, 405), (way, answer.status_code)


def test_nothing_but_get_and_post_is_answered(web: FastAPI) -> None:
    assert {way.method for way in ways(web)} == {"GET", "POST"}


def test_asking_for_a_page_changes_nothing(web: FastAPI, karin: Visitor, site: Site) -> None:
    web.state.portal.streams.close()
    before = state_of(site)
    for way in ways(web):
        if way.method == "GET" and not way.path.startswith("/language"):
            assert karin.get(way.with_values({})).status_code in (200, 303), way
    assert state_of(site) == before


def test_the_schema_has_the_interface_for_machines_and_no_pages(web: FastAPI, karin: Visitor) -> None:
    schema = web.openapi()
    assert set(schema["paths"]) == {"/health"}
    answers = schema["paths"]["/health"]["get"]["responses"]
    for status in ("200", "503"):
        assert answers[status]["content"]["application/json"]["schema"]["$ref"].endswith("/Health")
    assert karin.get("/health").json() == {"status": "ok"}


def csrf_of(visitor: Visitor) -> str:
    """The token of the visitor's session."""
    return visitor.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


def state_of(site: Site) -> list[object]:
    """What nobody may change from outside: rows of every table, and what matters in some."""
    with site.database.reading() as rows:
        counts = [rows.scalar(select(func.count()).select_from(table)) for table in Model.metadata.sorted_tables]
        bound = rows.execute(select(Unit.id, Unit.project_id, Unit.place).order_by(Unit.id)).all()
        languages = rows.execute(select(Account.login, Account.language).order_by(Account.login)).all()
        newest = [rows.scalar(select(func.max(model.id))) for model in (Entry, Audit)]
    return [counts, [tuple(row) for row in bound], [tuple(row) for row in languages], newest]
