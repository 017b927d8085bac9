"""Takes what a reader reports, and waits for it instead of sleeping."""

import queue
from collections.abc import Callable

from edge.readers import Sighting


class Sightings:
    """Hand its `take` to a reader's `start`."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Sighting] = queue.SimpleQueue()

    def take(self, sighting: Sighting) -> None:
        """Called by the reader, from its thread."""
        self._queue.put(sighting)

    def next(self, seconds: float = 5.0) -> Sighting:
        """The oldest sighting not asked for yet."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the reader reported nothing within {seconds} s") from None

    def until(self, wanted: Callable[[Sighting], bool], seconds: float = 5.0) -> list[Sighting]:
        """Everything up to the first sighting that is wanted."""
        taken = [self.next(seconds)]
        while not wanted(taken[-1]):
            taken.append(self.next(seconds))
        return taken

    @property
    def is_empty(self) -> bool:
        """Says whether nothing more has been reported so far."""
        return self._queue.empty()
