"""Keeps an open page up to date: sends the whole fragment at first and after every wake-up (server-sent events)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, format_sse_event

from cloud.wakeups import Listener, Topic, Wakeups

RECONNECT_MS: Final = 1000

Look = Callable[[], str | None]
"""Renders the fragment as it is now, in a worker thread; None once the session has ended."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: at least `pause` between two fragments, and after `beat` without news a look and a sign of life.

    The browser takes 40 s without a sign of life for a dead connection (static/grindvakt.js).
    """

    pause: float = 0.25
    beat: float = 15.0


class Streams:
    """All streams of this process. One that missed something needs no repair: it always sends what is there now."""

    def __init__(self, wakeups: Wakeups, pace: Pace | None = None) -> None:
        self._wakeups = wakeups
        self._pace = pace or Pace()
        self._open: set[Listener] = set()
        self._closing = False

    def answer(self, look: Look, *topics: Topic) -> EventSourceResponse:
        """A response that goes on until the browser, the session or the cloud goes."""
        return EventSourceResponse(self._events(look, topics), headers={"x-accel-buffering": "no"})

    def close(self) -> None:
        """End all streams and begin no more, so that a server can stop without waiting. Call it in the loop."""
        self._closing = True
        for listener in self._open:
            listener.wake()

    async def _events(self, look: Look, topics: tuple[Topic, ...]) -> AsyncIterator[bytes]:
        with self._wakeups.listen(*topics) as listener:
            self._open.add(listener)
            try:
                yield format_sse_event(retry=RECONNECT_MS)
                async for event in self._fragments(look, listener):
                    yield event
            finally:
                self._open.discard(listener)

    async def _fragments(self, look: Look, listener: Listener) -> AsyncIterator[bytes]:
        sent = None
        while not self._closing:
            fragment = await run_in_threadpool(look)
            if fragment is None:
                yield format_sse_event(event="ended", data_str="")
                return
            if fragment == sent:
                yield format_sse_event(event="beat", data_str="")
            else:
                yield format_sse_event(event="fragment", data_str=fragment)
                sent = fragment
                await asyncio.sleep(self._pace.pause)
            await listener.wait(self._pace.beat)
