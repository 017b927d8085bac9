"""Says passes and denied taps in words: who, for whom, when, when it was recorded, and what has to be said about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edge.visit.names import Names
from edge.visit.rows import MISSING, ONGOING, Mark, Row
from edge.visit.sources import Sources
from edge.visit.taps import Tapped
from edge.visit.times import date_and_time, date_of, season_of, time_of
from edge.visit.told import Told
from edge.visit.words import DENIED, SOURCES, UNKNOWN_PERSON, UNNAMED, WAYS, printable
from protocol.clock import MICROSECONDS, ClockReading
from protocol.passes import LONGEST_PASS, Direction, Pass, is_recent
from protocol.tables import Named, Presence

PASS: Final = "pass"  # noqa: S105  # a pass of work
DENIED_TAP: Final = "nekad"
HERE: Final = "är här"


@dataclass(frozen=True, slots=True)
class Wording:
    """Makes rows; times are those of `zone`, and `now` says who may still be here."""

    zone: str
    now: ClockReading
    names: Names
    told: Told
    sources: Sources

    def of_pass(self, found: Pass[Tapped], end: str | None = None) -> Row:
        """A pass; `end` is what to say where nothing ended it."""
        taps = [step.entry for step in (found.began, found.ended) if step is not None]
        began = None if found.began is None else self._mark(found.began.entry)
        ended = None if found.ended is None else self._mark(found.ended.entry)
        elsewhere = self._left_elsewhere(found)
        if end is None:
            end = self._end_of(found) if elsewhere is None else "ut vid annan grind"
        remarks = [*self._remarks(taps), *([] if elsewhere is None else [elsewhere])]
        return self._row(PASS, taps, (began, ended), "" if ended else end, remarks)

    def of_denied(self, tapped: Tapped) -> Row:
        """A denied tap: nobody went through, so that it begins and ends nothing."""
        reason = tapped.tap.reason
        why = "nekad" if reason is None else f"nekad: {DENIED[reason]}"
        return self._row(DENIED_TAP, [tapped], (self._mark(tapped), None), "", [why, *self._remarks([tapped])])

    def of_presence(self, key: bytes, presence: Presence) -> Row:
        """Somebody who came in at another gate, as the cloud has told."""
        person, _, company = key.decode(errors="replace").partition("\0")
        is_card = not company and ":" in person
        name, number = self._name(None if is_card else person)
        company_name, company_number = self._name(company or None, "")
        at = presence.at
        mark = Mark(date_of(at, self.zone), time_of(at, self.zone), f"vid {presence.terminal}", "", at)
        remark = f"kom in vid en annan grind ({presence.terminal}), enligt molnet"
        card = printable(person) if is_card else ""
        return Row(
            PASS, name, number, company_name, company_number, mark, None, HERE, card, SOURCES_ELSEWHERE, "", (remark,)
        )

    def _row(
        self, kind: str, taps: list[Tapped], marks: tuple[Mark | None, Mark | None], end: str, remarks: list[str]
    ) -> Row:
        first = taps[0]
        person, number = self._name(first.person)
        company, company_number = self._name(first.company, "")
        cards = list(dict.fromkeys(tapped.tap.card for tapped in taps))
        sources = list(dict.fromkeys(SOURCES[tapped.tap.source] for tapped in taps))
        here = self.told.binding
        project = first.tap.project or ""
        if here is not None and project == here.project:
            project = ""
        return Row(
            kind,
            person,
            number,
            company,
            company_number,
            *marks,
            end,
            printable(", ".join(cards)),
            ", ".join(sources),
            project,
            tuple(remarks),
        )

    def _name(self, key: str | None, unknown: str = UNKNOWN_PERSON) -> tuple[str, str]:
        """Name and number; of one whose name cannot be told the id."""
        if key is None:
            return unknown, ""
        named = self.names.of(key)
        return (UNNAMED, printable(f"id {key}")) if named is None else (named.name, _number(named))

    def _mark(self, tapped: Tapped) -> Mark:
        at, zone = tapped.times.at, self.zone
        label = self.sources.all[tapped.found.source].label
        day, time, recorded_at = date_of(at, zone), time_of(at, zone), tapped.tap.registered_at
        is_same = at // MICROSECONDS == recorded_at // MICROSECONDS
        recorded = f"{day} {time}" if is_same else date_and_time(recorded_at, zone)
        return Mark(day, time, recorded, f"{label}{tapped.found.seq}", at)

    def _end_of(self, found: Pass[Tapped]) -> str:
        began = found.began
        if began is not None and found.is_open and is_recent(began.movement, LONGEST_PASS, self.now):
            return ONGOING
        return MISSING

    def _left_elsewhere(self, found: Pass[Tapped]) -> str | None:
        """Where the cloud has told that somebody went out since; it tells of the newest movement only."""
        if not found.is_open or found.began is None:
            return None
        last = self.told.presence(found.began.entry.key)
        if last is None or last.direction is not Direction.OUT or last.at < found.began.movement.at:
            return None
        return f"gick ut vid en annan grind ({last.terminal}) {date_and_time(last.at, self.zone)}, enligt molnet"

    def _remarks(self, taps: list[Tapped]) -> Iterator[str]:
        if any(tapped.is_completed for tapped in taps):
            yield "personen kopplades till kortet i efterhand"
        for tapped in taps:
            tap, times = tapped.tap, tapped.times
            way = WAYS[tap.direction] if tap.direction else "försök"
            if tapped.found.is_altered:
                yield f"{way}: posten är inte den som registrerades"
            if times.is_corrected:
                written = date_and_time(tap.occurred_at, self.zone)
                yield f"{way}: klockan var osäker och registrerade {written}; den rätta tiden är uträknad i efterhand"
            elif not times.is_known:
                yield f"{way}: klockan var osäker; den rätta tiden är inte känd"
            if (season := season_of(times.at, self.zone)) is not None:
                yield f"{way}: {time_of(times.at, self.zone)} är {season}"
            if tapped.step() is not None and tap.reason is not None:
                yield f"{way}: {DENIED[tap.reason]}"


SOURCES_ELSEWHERE: Final = "annan grind"


def _number(named: Named) -> str:
    """A number; a foreign one with its country, since only that makes it one."""
    return named.number if named.country == "SE" or not named.number else f"{named.number} ({named.country})"
