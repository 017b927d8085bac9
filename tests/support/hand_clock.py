"""A scheduler whose time is moved by hand."""

import heapq
import itertools
import threading
from collections.abc import Callable


class HandTimer:
    """What `call_later` gives."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HandLoop:
    """Fits where an asyncio loop is used for its timers; nothing happens until `advance`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, HandTimer]] = []
        self._order = itertools.count()
        self._soon: list[Callable[[], object]] = []
        self._called = threading.Semaphore(0)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> HandTimer:
        timer = HandTimer(callback)
        heapq.heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> None:
        self._soon.append(callback)
        self._called.release()

    def wait_for_call(self) -> None:
        """Wait in real time until another thread has called in, and run what it asked for."""
        self.wait_until_called()
        self.run_calls()

    def wait_until_called(self, seconds: float = 5.0) -> None:
        """Wait in real time until another thread has called in."""
        assert self._called.acquire(timeout=seconds), "no other thread called in"

    def run_calls(self) -> None:
        """Run what other threads asked for."""
        while self._soon:
            self._soon.pop(0)()

    def next_at(self) -> float | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it, with what other threads asked for."""
        end = self.now + seconds
        self.run_calls()
        while (at := self.next_at()) is not None and at <= end + 1e-9:
            self.now = at
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
            self.run_calls()
        self.now = end
