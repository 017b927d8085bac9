"""The part of an event loop that signals and doors use, so that a test can move time by hand."""

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""


class Scheduler(Protocol):
    """An asyncio event loop is one."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call in `delay` seconds, in the loop's thread."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        """Call as soon as the loop can, in the loop's thread; may itself be called from any thread."""
