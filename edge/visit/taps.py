"""Takes taps out of the ledgers here, each with its true time and whoever holds the card by now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.visit.names import Names
from edge.visit.sources import MARGIN, Found, Source, Sources
from edge.visit.times import Boots, Times
from edge.visit.told import Told
from protocol.clock import ClockQuality
from protocol.entries import Outcome, Tap
from protocol.passes import LONGEST_PASS, Movement, Step
from protocol.tables import presence_key

Progress = Callable[[int, int], None]
LOOK_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class Tapped:
    """A tap as the ledger has it, when it really was, and for whom it counts.

    `person` and `company` are the entry's own; where it has none, those of whoever holds the card by now
    (`is_completed`). `is_within`: nobody knows when it was, but it lies between entries of the time asked for.
    """

    found: Found
    tap: Tap
    times: Times
    person: str | None
    company: str | None
    is_completed: bool
    is_within: bool = True

    @property
    def key(self) -> bytes:
        """Who it is, as presence has it."""
        return presence_key(self.tap.card, self.person, self.company)

    def step(self) -> "Step[Tapped] | None":
        """The same on its way into a pass; None for a tap that moved nobody: it was denied."""
        tap, times = self.tap, self.times
        if tap.outcome is not Outcome.GRANTED or tap.direction is None:
            return None
        quality = ClockQuality.SYNCHRONISED if times.is_corrected else tap.clock_quality
        movement = Movement(tap.direction, times.at, tap.boot_id, tap.monotonic, quality)
        return Step((tap.project, self.key), movement, self)


@dataclass(frozen=True, slots=True)
class Taps:
    """Every tap here, read again each time that it is asked for: nothing is kept."""

    sources: Sources
    boots: Boots
    told: Told
    names: Names

    def between(self, begins: int | None, ends: int | None, progress: Progress) -> Iterator[Tapped]:
        """Those that belong to a time, in the order of recording, and as many around it as passes may reach over it.

        Times in microseconds UTC, None: without an end. `progress` is told (entries read, entries there are).
        """
        for source in self.sources.all:
            yield from self._of(source, begins, ends, progress)

    def _of(self, source: Source, begins: int | None, ends: int | None, progress: Progress) -> Iterator[Tapped]:
        first = 1 if begins is None else source.first_since(begins - LONGEST_PASS)
        after, newest = 0, None
        for found in source.entries(first):
            if not found.seq % LOOK_EVERY:
                progress(found.seq - first, source.last_seq - first)
            is_placed = found.payload.clock_quality is not ClockQuality.UNTRUSTED
            if is_placed:
                newest = found.payload.registered_at
            if ends is not None and newest is not None and newest >= ends + LONGEST_PASS:
                after += is_placed
                if after > MARGIN:
                    return
            else:
                after = 0
            if isinstance(found.payload, Tap):
                is_within = newest is None or ends is None or newest < ends
                yield self._tapped(found, found.payload, is_within=is_within)

    def _tapped(self, found: Found, tap: Tap, *, is_within: bool) -> Tapped:
        times = self.boots.times_of(found)
        if tap.person is not None:
            return Tapped(found, tap, times, tap.person, tap.company, False, is_within)
        here, cards = self.told.binding, (tap.card, *tap.also)
        holder = None
        if here is not None and here.project == tap.project:
            holder = self.told.holder(cards) or self.names.holder(cards)
        if holder is None:
            return Tapped(found, tap, times, None, None, False, is_within)
        return Tapped(found, tap, times, holder.person, holder.company, True, is_within)
