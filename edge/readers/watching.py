"""The two threads of a reader: one watches the device, the other that the first does not hang in it."""

import threading
import time
from collections.abc import Callable
from typing import Final

from edge.errors import ReaderGone
from edge.readers import ReaderBack, ReaderLost, Sighting

RETRY: Final = 1.0
"""Seconds between two looks for a reader that is gone."""

STALLED: Final = 5.0
"""Seconds without a sign of life after which a session that still runs no longer counts as a reader."""

LOOK: Final = 0.25
"""Seconds between two looks for such signs."""

MOST_LEFT: Final = 2
"""Sessions left hanging in a device, at most: each is a thread that ends only when the device lets go of it."""

LAST_WORDS: Final = 2.0
"""Seconds that a session has to return once it is told to stop; then it is left as it hangs."""


class Turn:
    """One session with the device. What it says counts until another begins or the watch ends."""

    def __init__(self, watch: "Watch", thread: threading.Thread) -> None:
        self._watch = watch
        self.thread = thread
        self.last_sign = time.monotonic()

    @property
    def stopping(self) -> bool:
        """Says whether the session should return."""
        return not self._watch.counts(self)

    def alive(self) -> None:
        """The device answered just now; to be called at least once a second."""
        self._watch.note_life(self)

    def report(self, sighting: Sighting) -> None:
        """Hand over what the device saw."""
        self._watch.note(self, sighting)


class Watch:
    """Runs `session` again and again until it is stopped.

    A session watches the device and calls `alive` at least once a second; it returns when `stopping`, and raises
    ReaderGone when the device does not answer. Being lost and being back are each reported once. A session that gives
    no sign of life is left behind, and a fresh one begun beside it: a thread that hangs in a device cannot be ended.
    """

    def __init__(self, name: str, session: Callable[[Turn], None]) -> None:
        self._name = name
        self._session = session
        self._seen: Callable[[Sighting], None] = _nobody
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._turn: Turn | None = None
        self._left: list[Turn] = []
        self._answers: bool | None = None  # None: not known yet

    @property
    def is_there(self) -> bool:
        """Says whether the device answered within the last seconds."""
        turn = self._turn
        return turn is not None and self._answers is True and time.monotonic() - turn.last_sign < STALLED

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Begin to watch."""
        self._seen, self._answers = seen, None
        self._stop.clear()
        self._supervisor = threading.Thread(target=self._supervise, name=f"watch of {self._name}", daemon=True)
        self._supervisor.start()

    def stop(self, interrupt: Callable[[], None] | None = None) -> None:
        """End the session; `interrupt` may cut short what it waits for. Takes LAST_WORDS at most, whatever hangs."""
        with self._lock:
            self._stop.set()
            turn, self._turn = self._turn, None
        if self._supervisor is None:
            return
        if turn is not None:
            self._end(turn, interrupt)
        self._supervisor.join()
        self._supervisor = None
        self._seen = _nobody

    def counts(self, turn: Turn) -> bool:
        """Says whether this is the session that speaks for the device."""
        return turn is self._turn

    def note_life(self, turn: Turn) -> None:
        """The device answered this session."""
        turn.last_sign = time.monotonic()
        if self._answers is True:
            return
        with self._lock:
            if not self.counts(turn):
                return
            was_lost, self._answers = self._answers is False, True
            if was_lost:
                self._seen(ReaderBack(self._name))

    def note(self, turn: Turn, sighting: Sighting) -> None:
        """Pass on what this session saw, if it still counts."""
        with self._lock:
            if self.counts(turn):
                self._seen(sighting)

    def _note_loss(self, turn: Turn, why: str) -> None:
        with self._lock:
            if self.counts(turn) and self._answers is not False:
                self._answers = False
                self._seen(ReaderLost(self._name, why))

    def _end(self, turn: Turn, interrupt: Callable[[], None] | None) -> None:
        threads = [turn.thread]
        if interrupt is not None:  # in a thread of its own, since it may hang where the session does
            threads.append(threading.Thread(target=interrupt, name=f"end of {self._name}", daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(LAST_WORDS)

    def _supervise(self) -> None:
        while (turn := self._begin()) is not None:
            turn.thread.join(LOOK)
            while turn.thread.is_alive() and not (self._stop.is_set() or self._is_left(turn)):
                turn.thread.join(LOOK)
            self._stop.wait(RETRY)

    def _begin(self) -> Turn | None:
        with self._lock:
            if self._stop.is_set():
                return None
            thread = threading.Thread(target=self._run, name=f"reader {self._name}", daemon=True)
            self._turn = turn = Turn(self, thread)
            thread.start()
        return turn

    def _run(self) -> None:
        with self._lock:
            turn = self._turn
        if turn is None:  # stopped at once
            return
        try:
            self._session(turn)
        except ReaderGone as exc:
            self._note_loss(turn, exc.reason)

    def _is_left(self, turn: Turn) -> bool:
        """Whether this session hangs and is left; the last of MOST_LEFT is waited for, since no other fares better."""
        if time.monotonic() - turn.last_sign < STALLED:
            return False
        self._note_loss(turn, f"it has given no sign of life for {STALLED:g} seconds")
        self._left = [each for each in self._left if each.thread.is_alive()]
        if len(self._left) >= MOST_LEFT:
            return False
        self._left.append(turn)
        return True


def _nobody(sighting: Sighting) -> None:
    """Takes what is seen before the start and after the stop."""
