"""An event loop in a thread of its own, as the daemon's is to its readers."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self, TypeVar

PATIENCE: Final = 60.0

T = TypeVar("T")


class LoopThread:
    """Runs a loop from `with` to the end of it; `call` runs a function in the loop's thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the loop's thread, and wait for what it returns or raises."""
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function())
            except BaseException as exc:  # noqa: BLE001  # it is raised where it was asked for
                outcome.set_exception(exc)

        self.loop.call_soon_threadsafe(run)
        return outcome.result(PATIENCE)
