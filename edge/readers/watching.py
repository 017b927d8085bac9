"""The thread of a reader's own: it watches one device, and after a fault looks for it until it is back."""

import threading
import time
from collections.abc import Callable
from typing import Final

from edge.errors import ReaderGone
from edge.readers import ReaderBack, ReaderLost, Sighting

RETRY: Final = 1.0
"""Seconds between two looks for a reader that is gone."""

STALLED: Final = 5.0
"""Seconds without a sign of life after which a thread that still runs no longer counts as a reader."""


class Watch:
    """Runs `session` again and again until it is stopped.

    A session watches the device and calls `alive` at least once a second; it returns when `stopping`, and raises
    ReaderGone when the device does not answer. Being lost and being back are each reported once.
    """

    def __init__(self, name: str, session: Callable[["Watch"], None]) -> None:
        self._name = name
        self._session = session
        self._seen: Callable[[Sighting], None] = _nobody
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_lost = False
        self._answered = 0.0

    @property
    def is_there(self) -> bool:
        """Says whether the device answered within the last seconds."""
        thread = self._thread
        if thread is None or not thread.is_alive() or self._is_lost:
            return False
        return time.monotonic() - self._answered < STALLED

    @property
    def stopping(self) -> bool:
        """Says whether the session should return."""
        return self._stop.is_set()

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Begin the thread."""
        self._seen = seen
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=f"reader {self._name}", daemon=True)
        self._thread.start()

    def stop(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """End the thread; `interrupt` may cut short what the session waits for."""
        self._stop.set()
        if self._thread is not None:
            interrupt()
            self._thread.join()
            self._thread = None
        self._seen = _nobody

    def alive(self) -> None:
        """The device answered just now."""
        self._answered = time.monotonic()
        if self._is_lost:
            self._is_lost = False
            self._seen(ReaderBack(self._name))

    def report(self, sighting: Sighting) -> None:
        """Hand over what the device saw."""
        self._seen(sighting)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._session(self)
            except ReaderGone as exc:
                if not self._is_lost:
                    self._is_lost = True
                    self._seen(ReaderLost(self._name, exc.reason))
                self._stop.wait(RETRY)


def _nobody(sighting: Sighting) -> None:
    """Takes what is seen before the start and after the stop."""
