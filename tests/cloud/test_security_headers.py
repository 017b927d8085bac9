"""Every answer tells the browser what it may do, and no page needs more than that."""

import re

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from cloud.config import Settings
from cloud.errors import AssetMissing
from cloud.portal.assets import OWN, VENDOR
from cloud.portal.pages import TEMPLATES
from cloud.portal.web import build_web
from cloud.wakeups import Wakeups
from tests.support.moved_clock import MovedClock
from tests.support.portal_site import Site
from tests.support.visitor import Visitor, words_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAGES = ("/", "/terminals", "/terminals/kvarnen-norra", "/terminals/kvarnen-norra/unbind", "/login", "/nowhere")


def fall_over(_request: Request) -> Response:
    """A route with a bug."""
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.parametrize("path", [*PAGES, "/health", "/static/grindvakt.css", "/static/nothing", "/bug", "/live/taps"])
def test_every_answer_carries_them(web: FastAPI, karin: Visitor, path: str) -> None:
    web.add_route("/bug", fall_over)
    web.state.portal.streams.close()
    client = TestClient(web, raise_server_exceptions=False, cookies=karin.client.cookies)
    answer = client.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers
    assert "cache-control" in answer.headers


def test_https_is_promised_where_the_portal_is_reached_by_it(site: Site, clock: MovedClock, settings: Settings) -> None:
    config = settings.model_copy(update={"base_url": "https://portal.example"})
    web = build_web(config, site.database, Wakeups(site.database), clock)
    answer = TestClient(web, base_url="https://portal.example").get("/login")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_a_fault_of_ours_is_an_apology_without_details(web: FastAPI, karin: Visitor) -> None:
    web.add_route("/bug", fall_over)
    answer = TestClient(web, raise_server_exceptions=False, cookies=karin.client.cookies).get("/bug")
    assert answer.status_code == 500
    assert "Något gick fel hos oss" in words_of(answer)
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_script_or_style_of_its_own(karin: Visitor, path: str) -> None:
    page = karin.get(path).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page)


def test_htmx_is_told_to_need_neither_style_nor_eval(karin: Visitor) -> None:
    config = re.search(r"""<meta name="htmx-config" content='([^']+)'>""", karin.get("/").text)
    assert config
    assert '"includeIndicatorStyles": false' in config[1]
    assert '"allowEval": false' in config[1]


def test_every_post_form_of_the_templates_carries_a_token() -> None:
    for path in TEMPLATES.glob("*.html"):
        forms = re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(encoding="utf-8"), re.DOTALL)
        assert all('name="csrf" value="{{ csrf }}"' in form for form in forms), path.name


@pytest.mark.parametrize("name", [*VENDOR, *(path.name for path in OWN.iterdir())])
def test_assets_are_served_packed_and_for_ever_under_an_address_that_changes_with_them(
    visitor: Visitor, web: FastAPI, name: str
) -> None:
    address = web.state.assets.address(name)
    answer = visitor.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"].endswith("immutable")
    assert answer.headers["content-type"].split(";")[0] in {
        "text/css",
        "text/javascript",
        "image/svg+xml",
        "font/woff2",
    }
    assert (answer.headers.get("content-encoding") == "gzip") == (not name.endswith(".woff2"))
    plain = visitor.get(address, **{"accept-encoding": "identity"})
    assert plain.content == answer.content
    assert "immutable" not in visitor.get(f"/static/{name}").headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/package.json",
        "/static/../web.py",
        "/static/%2e%2e/web.py",
        "/static/..%2fweb.py",
        "/static/htmx.org/dist/htmx.js",
        "/static/@tabler%2fcore%2fpackage.json",
        "/static/",
    ],
)
def test_nothing_else_of_the_machine_can_be_asked_for(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status_code in (404, 307)


def test_a_machine_without_the_libraries_says_what_to_do(site: Site, clock: MovedClock, settings: Settings) -> None:
    config = settings.model_copy(update={"node_modules": settings.state_dir})
    with pytest.raises(AssetMissing, match="npm ci"):
        build_web(config, site.database, Wakeups(site.database), clock)


def test_a_body_larger_than_any_form_is_refused(visitor: Visitor) -> None:
    visitor.get("/login")
    assert visitor.client.post("/login", data={"password": "x" * 100_000}).status_code == 413
