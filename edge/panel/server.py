"""Serves the panel on loopback: its files, what is to be seen as it changes, and what is asked of the terminal."""

import asyncio
import itertools
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog

from edge.errors import PanelUnavailable, TerminalError
from edge.events import Event
from edge.local import Answer, Request, decode_request
from edge.panel.questions import LONGEST_HEAD, Question, QuestionRefused, check_origin, read_question
from protocol.errors import ProtocolError

MOST_CONNECTIONS: Final = 32
PATIENCE: Final = 10.0
"""Seconds that a browser has for its request, and for taking an answer."""

LOOK_AGAIN: Final = 0.1
"""Seconds after which is looked again at what tells nobody when it changes: a bolt on its way, the link."""

BEAT: Final = 50
"""Looks without a change after which a page is told that all is as it was: one that has gone is noticed by it."""

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = {
    "/": ("panel.html", "text/html; charset=utf-8"),
    "/panel.css": ("panel.css", "text/css; charset=utf-8"),
    "/panel.js": ("panel.js", "text/javascript; charset=utf-8"),
    "/words.json": ("words.json", "application/json"),
}
GUARDED: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_log = structlog.get_logger()


Look = Callable[[], dict[str, Any]]
"""What is to be seen now."""

Respond = Callable[[Request], Awaitable[Answer]]
"""Obeys what is asked. Raises TerminalError or ProtocolError, whose words the page shows."""


class Panel:
    """The page of one terminal; `serve` says what it shows and whom it asks, in the loop's thread."""

    def __init__(self, port: int) -> None:
        """Take the port, 0 for any that is free. Raises PanelUnavailable."""
        try:
            self._socket = socket.create_server(("127.0.0.1", port))
        except OSError as exc:
            raise PanelUnavailable(port, exc.strerror or str(exc)) from exc
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._connections = 0
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Something that is to be seen is different now; every open page is told at once."""
        for waiting in self._waiting:
            waiting.set()

    def close(self) -> None:
        """Let the port go."""
        self._socket.close()

    async def serve(self, look: Look, respond: Respond) -> None:
        """Serve until cancelled."""
        self._look, self._respond = look, respond
        _log.info(Event.PANEL_OPENED, address=self.address)
        with self._socket.dup() as copy:  # what serves closes its own, and the address stays ours to serve again
            async with await asyncio.start_server(self._serve, sock=copy, limit=LONGEST_HEAD) as server:
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > MOST_CONNECTIONS:  # it is closed without a word, and the browser tries again
                return
            async with asyncio.timeout(PATIENCE):
                asked = await read_question(reader)
            if asked is not None:
                await self._answer(asked, writer)
        except QuestionRefused as refusal:
            with suppress(OSError):
                await _refuse(writer, refusal.status, str(refusal))
        except (OSError, TimeoutError):  # the browser went away or says nothing: that is its business
            return
        except asyncio.CancelledError:  # the daemon stops; asyncio would report a cancelled connection as a bug
            return
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, asked: Question, writer: asyncio.StreamWriter) -> None:
        check_origin(asked)
        match asked.method, asked.path:
            case "GET", path if path in FILES:
                name, kind = FILES[path]
                await _send(writer, HTTPStatus.OK, kind, (STATIC / name).read_bytes())
            case "GET", "/events":
                await self._follow(writer)
            case "POST", "/ask":
                status, answer = await self._asked(asked.body)
                await _send(writer, status, "application/json", _json(answer))
            case _:
                raise QuestionRefused(HTTPStatus.NOT_FOUND, "there is nothing here; the panel is at /")

    async def _asked(self, body: bytes) -> tuple[HTTPStatus, Answer]:
        try:
            return HTTPStatus.OK, await self._respond(decode_request(body))
        except (TerminalError, ProtocolError) as refusal:
            return HTTPStatus.UNPROCESSABLE_ENTITY, {"refused": str(refusal)}

    async def _follow(self, writer: asyncio.StreamWriter) -> None:
        """Tell what is to be seen, now and after each change, as server-sent events, until the browser goes."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            writer.write(_head(HTTPStatus.OK, "text/event-stream"))
            told = b""
            for look in itertools.count():
                changed.clear()
                if (seen := _json(self._look())) != told:
                    writer.write(b"data: " + seen + b"\n\n")
                    told = seen
                elif look % BEAT == 0:
                    writer.write(b": as it was\n\n")
                async with asyncio.timeout(PATIENCE):
                    await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await changed.wait()
        finally:
            self._waiting.discard(changed)


async def _refuse(writer: asyncio.StreamWriter, status: HTTPStatus, why: str) -> None:
    await _send(writer, status, "application/json", _json({"refused": why}))


async def _send(writer: asyncio.StreamWriter, status: HTTPStatus, kind: str, body: bytes) -> None:
    writer.write(_head(status, kind, len(body)) + body)
    async with asyncio.timeout(PATIENCE):
        await writer.drain()


def _head(status: HTTPStatus, kind: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} {status.phrase}", f"Content-Type: {kind}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in GUARDED.items()]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _json(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
