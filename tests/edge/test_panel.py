"""The panel shows what the pins do, obeys its own page, and answers nobody else's."""

import ast
import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doors import simulated_door
from edge.doors.door import DoorState
from edge.doors.simulated_door import Act
from edge.errors import PanelUnavailable, RequestRefused
from edge.local import Answer, AskTap, Request
from edge.panel.questions import LONGEST_BODY, LONGEST_HEAD, Question, QuestionRefused, check_origin, parse_head
from edge.panel.server import FILES, MOST_CONNECTIONS, STATIC, Panel
from edge.panel.view import PanelCard
from edge.readers.simulated import ReaderAct
from edge.signals.patterns import PATTERNS, Pattern
from protocol.cards import CardId

T = TypeVar("T")
OURS = {"host": "127.0.0.1:8080", "content-type": "application/json"}


# --- what a browser asks ----------------------------------------------------------------------------------------------


def test_a_request_is_its_method_its_path_and_its_headers() -> None:
    asked = parse_head(b"GET /panel.css?v=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept:  */* \r\n\r\n")
    assert (asked.method, asked.path) == ("GET", "/panel.css")
    assert asked.headers == {"host": "127.0.0.1:8080", "accept": "*/*"}


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: a\r\n" % number for number in range(65)) + b"\r\n",
    ],
)
def test_a_malformed_request_is_refused(head: bytes) -> None:
    with pytest.raises(QuestionRefused) as refused:
        parse_head(head)
    assert refused.value.status is HTTPStatus.BAD_REQUEST


@given(head=st.binary(max_size=400))
def test_no_bytes_whatever_escape_as_anything_but_a_refusal(head: bytes) -> None:
    try:
        asked = parse_head(head)
    except QuestionRefused:
        return
    assert asked.path.startswith("/")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "rebound.example:8080"}, HTTPStatus.MISDIRECTED_REQUEST),
        ({"host": "127.0.0.1.example"}, HTTPStatus.MISDIRECTED_REQUEST),
        ({"host": ""}, HTTPStatus.MISDIRECTED_REQUEST),
        ({"origin": "http://evil.example"}, HTTPStatus.FORBIDDEN),
        ({"origin": "null"}, HTTPStatus.FORBIDDEN),
        ({"origin": "http://127.0.0.1:9999"}, HTTPStatus.FORBIDDEN),
        ({"sec-fetch-site": "cross-site"}, HTTPStatus.FORBIDDEN),
        ({"content-type": "text/plain"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"content-type": ""}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ],
    ids=str,
)
def test_only_our_own_page_may_tap(headers: dict[str, str], status: HTTPStatus) -> None:
    """Neither a name that somebody points here (DNS rebinding), nor a form or script of another page."""
    with pytest.raises(QuestionRefused) as refused:
        check_origin(Question("POST", "/ask", {**OURS, **headers}))
    assert refused.value.status is status


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "localhost"])
def test_our_own_page_may_tap(host: str) -> None:
    own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    check_origin(Question("POST", "/ask", {**OURS, **own}))


# --- the server -------------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """What is to be seen, and what was asked; a card that is no card is refused."""

    seen: dict[str, Any] = field(default_factory=lambda: {"shown": "ready"})
    asked: list[Request] = field(default_factory=list)

    def look(self) -> dict[str, Any]:
        return dict(self.seen)

    async def respond(self, request: Request) -> Answer:
        self.asked.append(request)
        if isinstance(request, AskTap):
            return {"card": str(CardId.parse(request.card))}
        raise RequestRefused("not here")


@dataclass
class Visit:
    """A panel that is served, and what a browser would do with it."""

    panel: Panel
    scene: Scene

    @property
    def host(self) -> str:
        return self.panel.address.removeprefix("http://").removesuffix("/")

    async def send(self, raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name, _, port = self.host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(raw)
        return reader, writer

    async def raw(self, raw: bytes) -> bytes:
        reader, writer = await self.send(raw)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer

    async def get(self, path: str) -> bytes:
        return await self.raw(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())

    async def patiently(self, is_so: Callable[[bytes], bool]) -> bytes:
        """The answer, asked for again until it is so; a connection that is cut gives none."""
        answer, is_first = b"", True
        async with asyncio.timeout(5):
            while is_first or not is_so(answer):
                is_first = False
                try:
                    answer = await self.get("/")
                except ConnectionError:
                    answer = b""
        return answer

    async def post(self, body: bytes, **headers: str) -> bytes:
        given = {"Host": self.host, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        return await self.raw(f"POST /ask HTTP/1.1\r\n{lines}\r\n".encode() + body)


def visiting(visit: Callable[[Visit], Awaitable[T]]) -> T:
    """What a visit of a served panel gives."""

    async def both() -> T:
        async with served() as here:
            return await visit(here)

    return asyncio.run(both())


@asynccontextmanager
async def served() -> AsyncIterator[Visit]:
    panel, scene = Panel(0), Scene()
    running = asyncio.create_task(panel.serve(scene.look, scene.respond))
    await asyncio.sleep(0)
    yield Visit(panel, scene)
    running.cancel()
    await asyncio.wait({running})
    panel.close()


@pytest.mark.parametrize("path", FILES)
def test_every_file_comes_whole_and_guarded(path: str) -> None:
    head, _, body = visiting(lambda here: here.get(path)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'" in head
    assert b"unsafe" not in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert body == (STATIC / FILES[path][0]).read_bytes()


def test_the_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (STATIC / "panel.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|\son[a-z]+=|<script[^>]*>[^<]", page)
    for name, _ in FILES.values():
        assert "http://" not in (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org", "")
        assert "https://" not in (STATIC / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/nothing", "/../panel.css", "/static/panel.css", "/ask"])
def test_what_is_not_there_is_said_to_be_elsewhere(path: str) -> None:
    assert visiting(lambda here: here.get(path)).startswith(b"HTTP/1.1 404 ")


def test_it_listens_on_this_machine_only() -> None:
    async def bound(here: Visit) -> str:
        return str(here.panel.address)

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", visiting(bound))


def test_a_tap_from_the_page_is_asked_of_the_terminal() -> None:
    async def tap(here: Visit) -> tuple[bytes, list[Request]]:
        answer = await here.post(b'{"ask":"tap","card":"uid:04A1B2C3D4E5F6","reader":"both"}')
        return answer, here.scene.asked

    answer, asked = visiting(tap)
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"card": "uid:04A1B2C3D4E5F6"}
    assert asked == [AskTap("uid:04A1B2C3D4E5F6", "both")]


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b'{"ask":"tap","card":"hello"}', b'{"ask":"status"}'])
def test_what_the_terminal_refuses_is_said_in_its_words(body: bytes) -> None:
    answer = visiting(lambda here: here.post(body))
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["refused"]


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Origin": "http://evil.example"}, {"Content_Type": "text/plain"}], ids=str
)
def test_another_page_can_not_tap(headers: dict[str, str]) -> None:
    async def attack(here: Visit) -> tuple[bytes, list[Request]]:
        given = {name.replace("Content_Type", "Content-Type"): value for name, value in headers.items()}
        return await here.post(b'{"ask":"tap","card":"uid:04A1B2C3D4E5F6"}', **given), here.scene.asked

    answer, asked = visiting(attack)
    assert answer.split()[1] in {b"403", b"415", b"421"}
    assert asked == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * LONGEST_HEAD, b"431"),
        (b"POST /ask HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LONGEST_BODY + 1), b"413"),
        (b"POST /ask HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ],
    ids=["head", "body", "length", "chunked"],
)
def test_what_is_too_large_is_refused_before_it_is_read(raw: bytes, status: bytes) -> None:
    assert visiting(lambda here: here.raw(raw)).split()[1] == status


def test_more_browsers_than_it_can_serve_are_turned_away_until_one_has_gone() -> None:
    async def crowd(here: Visit) -> tuple[bytes, bytes]:
        waiting = [await here.send(b"GET") for _ in range(MOST_CONNECTIONS)]
        turned_away = await here.patiently(lambda answer: not answer)
        for _, writer in waiting:
            writer.close()
        return turned_away, await here.patiently(lambda answer: b" 200 " in answer)

    turned_away, served_again = visiting(crowd)
    assert turned_away == b""
    assert served_again.startswith(b"HTTP/1.1 200 ")


def test_an_open_page_is_told_at_once_what_changed() -> None:
    async def follow(here: Visit) -> list[dict[str, Any]]:
        reader, writer = await here.send(f"GET /events HTTP/1.1\r\nHost: {here.host}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        told = [await event(reader)]
        here.scene.seen = {"shown": "blocked"}
        here.panel.changed()
        async with asyncio.timeout(0.09):  # sooner than it would look by itself
            told.append(await event(reader))
        here.scene.seen = {"shown": "updating"}
        told.append(await event(reader))
        writer.close()
        return told

    assert visiting(follow) == [{"shown": "ready"}, {"shown": "blocked"}, {"shown": "updating"}]


async def event(reader: asyncio.StreamReader) -> Any:
    """The next thing that an open page is told."""
    async with asyncio.timeout(5):
        while True:
            told = await reader.readuntil(b"\n\n")
            if told.startswith(b"data: "):
                return json.loads(told.removeprefix(b"data: "))


def test_a_port_that_is_taken_is_said() -> None:
    taken = Panel(0)
    port = int(taken.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(PanelUnavailable, match=f"port {port}"):
        Panel(port)
    taken.close()


def test_it_can_be_served_again_after_it_was_stopped() -> None:
    """A fault in it is said and it is begun anew, at the same address."""

    async def again() -> bytes:
        panel, scene = Panel(0), Scene()
        for _ in range(2):
            running = asyncio.create_task(panel.serve(scene.look, scene.respond))
            await asyncio.sleep(0)
            answer = await Visit(panel, scene).get("/")
            running.cancel()
            await asyncio.wait({running})
        panel.close()
        return answer

    assert asyncio.run(again()).startswith(b"HTTP/1.1 200 ")


# --- words and cards --------------------------------------------------------------------------------------------------


def test_the_page_has_words_for_everything_in_both_languages() -> None:
    words = json.loads((STATIC / "words.json").read_text(encoding="utf-8"))
    assert set(words) == {"sv", "en"}
    for language in words.values():
        assert list(language["patterns"]) == list(Pattern)
        assert set(language["doors"]) == set(DoorState)
        assert set(language["acts"]) == set(Act)
        assert set(language["readers"]) == set(ReaderAct)
        assert set(language["came_of_it"]) == came_of_acts()
    assert {name: told["says"] for name, told in words["en"]["patterns"].items()} == {
        pattern.value: PATTERNS[pattern].says for pattern in Pattern
    }
    assert words["sv"]["page"].keys() == words["en"]["page"].keys()


def came_of_acts() -> set[str]:
    """Every sentence that a simulated door says."""
    tree = ast.parse(Path(simulated_door.__file__).read_text(encoding="utf-8"))
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    constants = [each.value for value in returned for each in ast.walk(value) if isinstance(each, ast.Constant)]
    return {text for text in constants if isinstance(text, str) and " " in text}


def test_every_word_that_the_script_asks_for_is_there() -> None:
    script = (STATIC / "panel.js").read_text(encoding="utf-8")
    words = json.loads((STATIC / "words.json").read_text(encoding="utf-8"))["en"]["page"]
    fixed = re.findall(r': "(\w+)"', script.partition("const fixed = {")[2].partition("}")[0])
    chosen = [word for both in re.findall(r'said\([^()]*\? "(\w+)" : "(\w+)"\)', script) for word in both]
    asked = {*re.findall(r'said\("(\w+)"', script), *fixed, *chosen}
    assert asked <= set(words)
    assert {"leaf_open", "locked_now", "on", "nothing", "hold", "online"} <= asked


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("uid:04A1B2C3D4E501 Anna Lindqvist (Bygg AB)", PanelCard("uid:04A1B2C3D4E501", "Anna Lindqvist", "Bygg AB")),
        ("em:0102030405 Olle", PanelCard("em:0102030405", "Olle", "")),
    ],
)
def test_a_card_of_the_settings_is_a_number_a_name_and_a_company(text: str, card: PanelCard) -> None:
    assert PanelCard.parse(text) == card
