"""Believes an input only once it has been quiet for a while, so that a contact that bounces says one thing once."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from edge.events import Event
from edge.scheduler import Scheduler

STORM: Final = 100
"""So many windows in a row without quiet are told in the log, once for each storm."""

MOST_CHANGES: Final = 20
"""So many believed changes in a row, one a second forgotten, and a line counts as rattling: a gate in the wind."""

RATTLING: Final = 2.0
"""Seconds that a rattling line must be quiet: nobody passes so often, and the ledger is not a record of the wind."""

_log = structlog.get_logger()


class Level(Protocol):
    """One input line, as it is at this moment."""

    @property
    def is_on(self) -> bool:
        """Says whether it means yes. Raises PinFailed."""

    def watch(self, moved: Callable[[], None]) -> None:
        """Call `moved` at every edge from now on, from whichever thread."""


class Sensor(Protocol):
    """Something that is or is not so, for long enough to be believed."""

    @property
    def is_on(self) -> bool:
        """Says whether it is so."""

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` in the loop's thread whenever it is otherwise."""


class Input:
    """A line debounced by our own code: its level counts when no edge has come for `quiet` seconds.

    However fast it bounces, there is one timer for that and at most one call waiting for the loop; a line that never
    becomes quiet keeps its last level and is told of once. A line that rattles more slowly must be quiet for longer,
    until it has been calm for a while; not so a button, which somebody may hammer on to get out. The level at start
    counts at once.
    """

    def __init__(self, name: str, level: Level, loop: Scheduler, quiet: float, *, is_button: bool = False) -> None:
        self._name = name
        self._level = level
        self._loop = loop
        self._quiet = quiet
        self._is_button = is_button
        self._is_waiting = False
        self._has_moved = False
        self._windows = 0
        self._changes = 0
        self._changed: Callable[[], None] | None = None
        level.watch(self._edge)
        self._is_on = level.is_on

    @property
    def is_on(self) -> bool:
        """What it last was for long enough."""
        return self._is_on

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` in the loop's thread after each change."""
        self._changed = changed

    def _edge(self) -> None:
        """Runs in the pins' own thread, as often as the line likes."""
        self._has_moved = True
        if not self._is_waiting:
            self._is_waiting = True
            self._loop.call_soon_threadsafe(self._wait)

    def _wait(self) -> None:
        self._has_moved = False
        rattles = self._changes >= MOST_CHANGES and not self._is_button
        self._loop.call_later(max(self._quiet, RATTLING) if rattles else self._quiet, self._window_is_over)

    def _window_is_over(self) -> None:
        if self._has_moved:
            self._windows += 1
            if self._windows == STORM:
                _log.warning(Event.INPUT_UNSTEADY, input=self._name, then="its last level counts until it is quiet")
            self._wait()
            return
        self._windows = 0
        self._is_waiting = False  # before it is read: an edge from here on begins a window of its own
        level = self._level.is_on
        if level is not self._is_on:
            self._is_on = level
            self._count()
            if self._changed is not None:
                self._changed()

    def _count(self) -> None:
        if self._changes == 0:
            self._loop.call_later(1.0, self._forget)
        self._changes = min(self._changes + 1, MOST_CHANGES)

    def _forget(self) -> None:
        """A second has passed: one change is forgotten, unless the line moves even now."""
        if not self._is_waiting:
            self._changes -= 1
        if self._changes:
            self._loop.call_later(1.0, self._forget)
