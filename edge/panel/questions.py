"""What a browser on this machine asks: read within bounds, and refused where it comes from somebody else's page."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from edge.errors import TerminalError

LONGEST_HEAD: Final = 8192
LONGEST_BODY: Final = 4096
MOST_HEADERS: Final = 64
OURSELVES: Final = frozenset({"127.0.0.1", "localhost"})
"""Names that a page of ours is opened by; any other is a name that somebody else has pointed at this machine."""


class QuestionRefused(TerminalError):
    """A request that is not answered; `status` says why to the browser."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Question:
    """A request of HTTP/1.1; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


async def read_question(stream: asyncio.StreamReader) -> Question | None:
    """The next request; None when there is none. The stream's limit bounds its head. Raises QuestionRefused."""
    try:
        head = await stream.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as exc:
        raise QuestionRefused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request's head is at most {LONGEST_HEAD} bytes"
        ) from exc
    asked = parse_head(head)
    try:
        body = await stream.readexactly(_length(asked.headers))
    except asyncio.IncompleteReadError:
        return None
    return Question(asked.method, asked.path, asked.headers, body)


def parse_head(head: bytes) -> Question:
    """A request's line and headers (RFC 9112). Raises QuestionRefused."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    match first.split(" "):
        case [method, path, "HTTP/1.1"] if method.isalpha() and path.startswith("/"):
            pass
        case _:
            raise QuestionRefused(HTTPStatus.BAD_REQUEST, "this is not a request of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers or len(headers) == MOST_HEADERS:
            raise QuestionRefused(HTTPStatus.BAD_REQUEST, "a header is malformed, repeated, or one too many")
        headers[name] = value.strip()
    return Question(method, path.partition("?")[0], headers)


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise QuestionRefused(HTTPStatus.LENGTH_REQUIRED, "send the length of the body, and the body as it is")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise QuestionRefused(HTTPStatus.BAD_REQUEST, "the length of the body is no number")
    if int(length) > LONGEST_BODY:
        raise QuestionRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body is at most {LONGEST_BODY} bytes")
    return int(length)


def check_origin(asked: Question) -> None:
    """Refuse what does not come from our own page.

    A page elsewhere can neither read ours under a name of its own (DNS rebinding) nor tap by a form (it cannot send
    JSON without asking first, and nobody would allow it). Raises QuestionRefused.
    """
    host = asked.headers.get("host", "")
    if host.rpartition(":")[0] not in OURSELVES and host not in OURSELVES:
        raise QuestionRefused(HTTPStatus.MISDIRECTED_REQUEST, "open this page by the address that the terminal printed")
    if asked.headers.get("origin", f"http://{host}") != f"http://{host}":
        raise QuestionRefused(HTTPStatus.FORBIDDEN, "only the panel's own page may ask")
    if asked.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and asked.method != "GET":
        raise QuestionRefused(HTTPStatus.FORBIDDEN, "only the panel's own page may ask")
    if asked.method == "POST" and asked.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise QuestionRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "ask in JSON")
