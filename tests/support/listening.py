"""Listens to a stream of server-sent events of an application, as a browser does, and hangs up when it has enough."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI


class Line:
    """An open connection to a stream."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._asked = False
        self._events: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        """What the application is told: the request, and at last that nobody listens any more."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """What the application says; every event in a piece of its own, as it is written."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.begun.set()
            return
        if found := event_of(message["body"].decode()):
            await self._events.put(found)
        if not message.get("more_body"):
            await self._events.put(None)

    async def event(self) -> tuple[str, str] | None:
        """The next event, as its name and data; None when the stream has ended."""
        return await self._events.get()

    async def fragment(self) -> str:
        """The next fragment; signs of life are passed over."""
        while (found := await self.event()) is not None:
            if found[0] == "fragment":
                return found[1]
        raise AssertionError("the stream has ended")


def event_of(text: str) -> tuple[str, str] | None:
    """A name and data, where the text has a name."""
    lines = text.split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
    return (names[0], data) if names else None


@asynccontextmanager
async def listening(app: FastAPI, path: str, cookies: str) -> AsyncIterator[Line]:
    """A connection to `path`, open until the block is left."""
    line = Line()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"cookie", cookies.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    serving = asyncio.create_task(app(scope, line.receive, line.send))
    try:
        await line.begun.wait()
        yield line
    finally:
        line.hung_up.set()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(serving, 10)
