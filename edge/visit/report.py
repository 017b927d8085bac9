"""Builds a report: its heading, rows one by one, and at the end what cannot be known or could not be read here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from edge.visit.asking import Asked, View
from edge.visit.heading import TITLES, Shown, heading
from edge.visit.history import Narrowing, denied, passes
from edge.visit.names import Names
from edge.visit.present import LOOKED_BACK, present
from edge.visit.rows import Row
from edge.visit.sources import Source, Sources
from edge.visit.taps import Progress, Taps
from edge.visit.times import Boots
from edge.visit.told import Told
from edge.visit.wording import Wording
from edge.visit.words import printable
from protocol.passes import LONGEST_PASS

ZONE: Final = "Europe/Stockholm"  # of a terminal that is not bound: the law is Swedish
MOST_RANGES: Final = 10

PASSES: Final = "Arbetspass"
HERE: Final = "Är här nu"
DENIED: Final = "Nekade försök (inga arbetspass)"

_ELSEWHERE: Final = (
    "Pass vid andra grindar och tillägg som gjorts i portalen finns inte i den här terminalen: portalen visar dem."
)
_NAMES_LACKING: Final = "Namn som saknas här har molnet inte skickat: portalen visar dem."
_RULES: Final = (
    "Ett arbetspass är in och ut för samma person, företag och projekt, högst 13 timmar, och hör till den dag då det "
    "började. Där in eller ut saknas gissas ingenting."
)


class Output(Protocol):
    """Where a report goes."""

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        """The heading."""

    def section(self, title: str) -> None:
        """Rows of one kind follow."""

    def add(self, row: Row) -> None:
        """A row."""

    def end(self, notes: list[str]) -> None:
        """What has to be said about all of it."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report of what lies at this terminal; nothing is read before it is written, and nothing is kept."""

    asked: Asked
    told: Told
    names: Names
    sources: Sources
    shown: Shown
    floor: int
    """The last time known to be right, in microseconds UTC."""

    def write(self, outputs: Iterable[Output], progress: Progress) -> int:
        """Give all of it to the outputs; how many rows there were. What they raise goes through."""
        everywhere = list(outputs)
        lines = heading(self.asked, self.told, self.sources, self.shown, self.zone)
        for output in everywhere:
            output.begin(TITLES[self.asked.view], lines)
        count = 0
        for title, rows in self._sections(progress):
            for output in everywhere:
                output.section(title)
            for row in rows:
                count += 1
                for output in everywhere:
                    output.add(row)
        notes = self._notes(count)
        for output in everywhere:
            output.end(notes)
        return count

    def span(self, source: Source) -> tuple[int, int]:
        """The first and last entry of a ledger that it is made of: of a few too many, rather than of one too few."""
        if source.ledger.has_gaps:  # only from its beginning, as nobody knows the hash after a gap
            return 1, source.last_seq
        if self.asked.view is View.PRESENT:
            return source.first_since(self.floor - LOOKED_BACK), source.last_seq
        begins, ends = self.asked.period.moments(self.zone)
        first = 1 if begins is None else source.first_since(begins - LONGEST_PASS)
        last = source.last_seq if ends is None else source.last_before(ends + LONGEST_PASS)
        return min(first, last + 1), last

    @property
    def zone(self) -> str:
        """Whose wall clocks the times are of."""
        return ZONE if self.told.binding is None else self.told.binding.zone

    @property
    def faults(self) -> list[str]:
        """What is wrong with what was shown; nothing, mostly."""
        sources = self.sources
        faults = list(sources.troubles)
        for source in sources.all:
            name = source.name.capitalize()
            if source.broken:
                faults.append(f"{name}: kedjan är {source.broken}.")
            if source.unreadable:
                faults.append(f"{name}: post {_ranges(source.unreadable)} kan inte läsas.")
            if source.unknown:
                faults.append(f"{name}: {len(source.unknown)} poster skrevs av en senare version och visas inte.")
        if not sources.is_own_there:
            faults.append("Terminalens egen liggare kan inte läsas eller finns inte än.")
        if self.told.trouble is not None:
            faults.append(f"Det som molnet har berättat kan inte läsas ({self.told.trouble}).")
        if self.names.trouble is not None:
            faults.append(f"Namnen kan inte läsas: {self.names.trouble}. Där visas id i stället.")
        if self.shown.seq is None:
            faults.append(f"Visningen registrerades inte i liggaren: {self.shown.why}.")
        return [printable(fault) for fault in faults]

    def _sections(self, progress: Progress) -> Iterator[tuple[str, Iterable[Row]]]:
        wording = Wording(self.zone, self.shown.now, self.names, self.told, self.sources)
        narrowing = Narrowing(self.asked, wording)
        taps = Taps(self.sources, Boots(self.sources), self.told, self.names)
        if self.asked.view is View.PRESENT:
            yield HERE, present(taps, narrowing, self.floor, progress)
            return
        yield PASSES, passes(taps, narrowing, progress)
        if self.asked.denied:
            yield DENIED, denied(taps, narrowing, progress)

    def _notes(self, count: int) -> list[str]:
        notes = [_counted(self.asked.view, count), *self.faults]
        notes += [_RULES] * (self.asked.view is View.HISTORY)
        notes += [_purged(source.name, first) for source in self.sources.all if (first := source.first_kept()) > 1]
        notes += [_NAMES_LACKING] * self.names.are_lacking
        return [*notes, _ELSEWHERE]


def _counted(view: View, count: int) -> str:
    if view is View.PRESENT:
        return f"Antal här: {count}." if count else "Ingen är här, så långt den här terminalen vet."
    return f"Antal rader: {count}." if count else "Inget i urvalet."


def _purged(name: str, first: int) -> str:
    return f"I {name} är innehållet i post 1 till {first - 1} gallrat här sedan molnet fått det: portalen har det."


def _ranges(ranges: list[tuple[int, int]]) -> str:
    words = [str(first) if first == last else f"{first} till {last}" for first, last in ranges[:MOST_RANGES]]
    return ", ".join(words) + (" och fler" if len(ranges) > MOST_RANGES else "")
