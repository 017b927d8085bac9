"""Historik: the passes of a period, and the taps that were denied in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.visit.asking import Asked, By, is_meant
from edge.visit.rows import Row
from edge.visit.taps import Progress, Tapped, Taps
from edge.visit.times import moment
from edge.visit.wording import Wording
from protocol.passes import Pairing, Pass


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Says which taps and passes were asked for."""

    asked: Asked
    wording: Wording

    def means(self, tapped: Tapped) -> bool:
        """Whether a tap is of the project, person and company asked for."""
        asked, here, names = self.asked, self.wording.told.binding, self.wording.names
        tap = tapped.tap
        if here is not None and not asked.every_project and tap.project not in {here.project, None}:
            return False
        if not is_meant(asked.person, tapped.person, names.of(tapped.person), tap.card, *tap.also):
            return False
        return is_meant(asked.company, tapped.company, names.of(tapped.company))

    def holds(self, taps: list[Tapped]) -> bool:
        """Whether what these taps stand for is of the period asked for."""
        if self.asked.by is By.RECORDING:
            return any(self._was_recorded_then(tapped) for tapped in taps)
        known = [tapped for tapped in taps if tapped.times.is_known]
        if not known:
            return any(tapped.is_within for tapped in taps)
        return self.asked.period.holds(moment(known[0].times.at, self.wording.zone).date())

    def _was_recorded_then(self, tapped: Tapped) -> bool:
        """By the time that the ledger has, or by the true one; where nobody knows that, by what lies around it."""
        zone, period = self.wording.zone, self.asked.period
        if period.holds(moment(tapped.tap.registered_at, zone).date()):
            return True
        if not tapped.times.is_known:
            return tapped.is_within
        return period.holds(moment(tapped.times.recorded_at, zone).date())


def passes(taps: Taps, narrowing: Narrowing, progress: Progress) -> Iterator[Row]:
    """The passes of the period, in the order they began."""
    pairing: Pairing[Tapped] = Pairing()
    for tapped in _read(taps, narrowing, progress):
        step = tapped.step()
        if step is not None:
            yield from _asked_for(narrowing, pairing.take(step))
    yield from _asked_for(narrowing, pairing.rest())


def denied(taps: Taps, narrowing: Narrowing, progress: Progress) -> Iterator[Row]:
    """The taps of the period that were denied, in the order of recording."""
    for tapped in _read(taps, narrowing, progress):
        if tapped.step() is None and narrowing.means(tapped) and narrowing.holds([tapped]):
            yield narrowing.wording.of_denied(tapped)


def _read(taps: Taps, narrowing: Narrowing, progress: Progress) -> Iterator[Tapped]:
    begins, ends = narrowing.asked.period.moments(narrowing.wording.zone)
    return taps.between(begins, ends, progress)


def _asked_for(narrowing: Narrowing, found: Iterator[Pass[Tapped]]) -> Iterator[Row]:
    for each in found:
        taps = [step.entry for step in (each.began, each.ended) if step is not None]
        if any(narrowing.means(tapped) for tapped in taps) and narrowing.holds(taps):
            yield narrowing.wording.of_pass(each)
