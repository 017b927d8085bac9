"""Reads entries of the ledgers that lie at a terminal in the order they were recorded, damaged ones as far as it goes.

Recorded order is by number; times are another matter: clocks are set, and may have been wrong. So a period is found by
times that a clock vouched for, and over a margin of entries on both sides of it that clocks disagree about.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.errors import LedgerUnusable
from edge.ledger.aside import Aside, asides
from edge.ledger.inspection import LedgerInspection, Stored
from edge.ledger.start import NAME
from protocol.clock import ClockQuality
from protocol.entries import Payload, decode_payload, digest
from protocol.errors import ProtocolError

PAGE: Final = 1000
SMALLEST: Final = 8  # entries that are given up together where the file cannot be read
MARGIN: Final = 5_000  # entries on both sides of a period that are looked at whatever their times say
MOST_FAILURES: Final = 2_000  # readings that fail, after which a file is left alone


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as it was read. `source`: which of the ledgers here. `is_altered`: it is not what was recorded."""

    source: int
    seq: int
    payload: Payload
    is_altered: bool


@dataclass(slots=True)
class Source:
    """One ledger's file; `label` stands before its numbers.

    `unreadable`: numbers that it did not give, as ranges. `unknown`: numbers of what a later version wrote. `broken`:
    what is wrong with its chain, if that was looked at and does not hold.
    """

    number: int
    name: str
    label: str
    ledger: LedgerInspection
    last_seq: int
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)
    failures: int = 0
    broken: str = ""

    @classmethod
    def open(cls, number: int, name: str, label: str, path: Path) -> "Source":
        """Raises LedgerUnusable."""
        ledger = LedgerInspection(path, at_rest=True)  # a log that was lost must not be made anew by looking
        try:
            return cls(number, name, label, ledger, ledger.last_seq)
        except BaseException:
            ledger.close()
            raise

    def entries(self, first: int, last: int | None = None) -> Iterator[Found]:
        """What can be read from an entry on, in order; payloads that were purged are passed over."""
        for stored in self.stored(first, self.last_seq if last is None else last):
            if stored.payload is None:
                continue
            try:
                payload = decode_payload(stored.payload)
            except ProtocolError:
                self.unknown.add(stored.seq)
                continue
            yield Found(self.number, stored.seq, payload, digest(stored.payload) != stored.digest)

    def stored(self, first: int, last: int) -> Iterator[Stored]:
        """The same as it stands in the file."""
        at = first
        while at <= last:
            page = self._read(at, min(at + PAGE - 1, last))
            yield from page
            at = self._next(at + PAGE, last) if not page else at + PAGE

    def first_kept(self) -> int:
        """The first entry whose payload is still here: those that the cloud has may be purged, the oldest first."""
        if self.ledger.has_gaps:
            return 1
        low, high = 1, self.ledger.receipted + 1
        while low < high:
            middle = (low + high) // 2
            if any(stored.payload is None for stored in self.stored(middle, middle)):
                low = middle + 1
            else:
                high = middle
        return low

    def first_since(self, utc: int) -> int:
        """An entry such that nothing before it is of this time (microseconds UTC) or later, as far as clocks can tell.

        The newest entry that a trusted clock places before the time is looked for by halves, and then passed over
        backwards until so many entries in a row are older: clocks that were ahead for a while are among them.
        """
        low, high = 1, self.last_seq + 1
        while low < high:
            middle = (low + high) // 2
            placed = self._placed_from(middle, high)
            if placed is None or placed[1] >= utc:
                high = middle
            else:
                low = placed[0] + 1
        while low > 1:
            begins = max(low - MARGIN, 1)
            times = [at for _, at in self._placed(begins, low - 1)]
            if times and max(times) < utc:
                return low
            low = begins
        return 1

    def last_before(self, utc: int) -> int:
        """An entry such that what comes after it is of this time (microseconds UTC) or later, by the same care."""
        after = 0
        for seq, at in self._placed(self.first_since(utc), self.last_seq):
            after = 0 if at < utc else after + 1
            if after > MARGIN:
                return seq
        return self.last_seq

    def _placed_from(self, first: int, end: int) -> tuple[int, int] | None:
        return next(self._placed(first, min(first + PAGE, end) - 1), None)

    def _placed(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Numbers of entries and when they were registered, where a trusted clock says so."""
        for found in self.entries(first, last):
            if found.payload.clock_quality is not ClockQuality.UNTRUSTED:
                yield found.seq, found.payload.registered_at

    def _read(self, first: int, last: int) -> list[Stored]:
        """A page; of one that cannot be read whole, the halves."""
        try:
            return list(self.ledger.entries(first, last))
        except LedgerUnusable:
            self.failures += 1
            if last - first < SMALLEST or self.failures > MOST_FAILURES:
                self._note_unreadable(first, last)
                return []
        middle = (first + last) // 2
        return [*self._read(first, middle), *self._read(middle + 1, last)]

    def _note_unreadable(self, first: int, last: int) -> None:
        if self.unreadable and self.unreadable[-1][1] == first - 1:
            self.unreadable[-1] = (self.unreadable[-1][0], last)
        elif not any(before <= first <= upto for before, upto in self.unreadable):
            self.unreadable.append((first, last))

    def _next(self, first: int, last: int) -> int:
        """The next number that is there, since ledgers that were read after damage have gaps."""
        if self.failures > MOST_FAILURES:
            return last + 1
        with suppress(LedgerUnusable):
            for stored in self.ledger.entries(first, last):
                return stored.seq
            return last + 1
        return first


@dataclass(slots=True)
class Sources:
    """Every ledger here in the order in which they were written; `troubles` says what could not be opened, and why."""

    all: list[Source] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    is_own_there: bool = False
    """Whether the terminal's own ledger is among them, as the last."""

    @classmethod
    def of(cls, folder: Path) -> "Sources":
        """Those of a state folder."""
        found = cls()
        try:
            put_aside = asides(folder)
        except OSError as exc:
            found.troubles.append(f"Mappen {folder} kan inte läsas: {exc.strerror}.")
            return found
        for aside in put_aside:
            found._add_aside(aside)
        own = folder / NAME
        if own.exists():
            found.is_own_there = found._add("liggaren", "", own)
        return found

    def close(self) -> None:
        """Let the files go."""
        for source in self.all:
            source.ledger.close()

    def after(self, found: Found) -> Iterator[tuple[Source, int]]:
        """Where reading goes on after an entry: sources, each with the first number."""
        yield self.all[found.source], found.seq + 1
        for source in self.all[found.source + 1 :]:
            yield source, 1

    def _add_aside(self, aside: Aside) -> None:
        """What was read of a damaged ledger; before it was read, the ledger itself as far as SQLite gives it."""
        name, label = f"undanlagd liggare {aside.number}", f"{aside.number}:"
        self.troubles.append(
            f"En skadad liggare ligger undan (nr {aside.number}: {aside.why}). Det som har gått att läsa av den visas."
        )
        if aside.drain.exists() and self._add(name, label, aside.drain, quietly=True):
            return
        if aside.database.exists():
            self._add(name, label, aside.database)

    def _add(self, name: str, label: str, path: Path, *, quietly: bool = False) -> bool:
        try:
            self.all.append(Source.open(len(self.all), name, label, path))
        except LedgerUnusable as fault:
            if not quietly:
                self.troubles.append(f"{name.capitalize()} ({path.name}) kan inte läsas: {fault.reason}.")
            return False
        return True
