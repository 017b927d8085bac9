"""What stands above every report: which site and whose, shown when and by which clock, and how far the ledger holds."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from edge.errors import LedgerUnusable
from edge.visit.asking import Asked, By, Period, View
from edge.visit.sources import Source, Sources
from edge.visit.times import date_and_time
from edge.visit.told import Told
from edge.visit.words import CLOCKS, printable
from protocol.clock import MICROSECONDS, ClockReading
from protocol.entries import check_link
from protocol.errors import ChainBroken, TerminalId

CHECKED: Final = 20_000
"""Newest entries whose chain is checked before anything is shown: a second's work on a small machine."""

TITLES: Final = {View.PRESENT: "Personalliggare: nulägesrapport", View.HISTORY: "Personalliggare: historik"}
UNKNOWN: Final = "saknas här (anges i portalen)"


@dataclass(frozen=True, slots=True)
class Shown:
    """When and by whom it is shown, and where that stands in the ledger; `why`: why it stands nowhere."""

    terminal: TerminalId
    now: ClockReading
    account: str
    seq: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """What was found of the chain: entries `first` to `last` hold, or it breaks at `broken` for a reason."""

    first: int
    last: int
    broken: int | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """The same for a heading."""
        if self.broken is not None:
            return f"BRUTEN vid post {self.broken}: {self.why}"
        if not self.last:
            return "tom"
        whole = "hela liggaren" if self.first == 1 else "äldre poster: grindvakt ledger verify"
        return f"kontrollerad och hel, post {self.first} till {self.last} ({whole})"


def checked(source: Source, most: int = CHECKED) -> Chain:
    """Follow the chain over the newest entries of a ledger; gaps that a drain may have are passed over."""
    last = source.last_seq
    first = max(last - most + 1, 1)
    seq = first - 1
    try:
        previous = source.ledger.hash_before(first)
        for stored in source.ledger.entries(first, last):
            if stored.seq != seq + 1:
                if not source.ledger.has_gaps:
                    return Chain(first, last, seq + 1, "posten saknas")
                previous = None
            if previous is not None:
                check_link(previous, *stored)
            seq, previous = stored.seq, stored.hash
    except ChainBroken as broken:
        return Chain(first, last, broken.seq, "posten är inte den som registrerades")
    except LedgerUnusable as fault:
        return Chain(first, last, seq + 1, f"den kan inte läsas ({fault.reason})")
    return Chain(first, last)


def heading(asked: Asked, told: Told, sources: Sources, shown: Shown, zone: str) -> list[tuple[str, str]]:
    """Label and value, in order; in a report nothing but names is in another language than Swedish."""
    here = told.binding
    lines = [
        ("Identifikationsnummer", UNKNOWN if here is None or not here.site_id else here.site_id),
        ("Projekt", "terminalen är inte kopplad till något projekt" if here is None else here.project_name),
        ("Plats", "" if here is None else here.place),
        ("Byggherre", _developer(told)),
        ("Terminal", shown.terminal),
        ("Visad", f"{date_and_time(shown.now.utc, zone)} ({zone}) av {shown.account}"),
        ("Klocka", CLOCKS[shown.now.quality]),
        ("Urval", selection(asked)),
        *_ledgers(sources),
        ("Visningen", _recorded(shown)),
    ]
    if asked.view is View.PRESENT:
        lines.append(("Andra grindar", _heard(told, shown.now)))
    return [(label, printable(value)) for label, value in lines if value]


def selection(asked: Asked) -> str:
    """What was asked for, in words."""
    words = []
    if asked.view is View.HISTORY:
        by = "registrerat" if asked.by is By.RECORDING else "arbetspass som började"
        words.append(f"{by} {_period(asked.period)}")
    words += [f"företag: {asked.company}"] if asked.company else []
    words += [f"person: {asked.person}"] if asked.person else []
    words += ["med nekade försök"] if asked.denied else []
    words += ["alla projekt"] if asked.every_project else []
    return "; ".join(words) or "alla"


def _period(period: Period) -> str:
    first, last = (None if day is None else f"{day:%Y:%m:%d}" for day in (period.first, period.last))
    if first is not None and first == last:
        return first
    begins, ends = (f"från och med {first}" if first else "", f"till och med {last}" if last else "")
    return " ".join(part for part in (begins, ends) if part) or "när som helst"


def _developer(told: Told) -> str:
    here = told.binding
    if here is None or not here.developer:
        return UNKNOWN
    return f"{here.developer} {here.developer_number}".strip()


def _ledgers(sources: Sources) -> list[tuple[str, str]]:
    lines = []
    for source in sources.all:
        name = "Liggare" if not source.label else source.name.capitalize()
        lines.append((name, f"{source.ledger.id.hex() or 'utan namn'}, {source.last_seq} poster"))
        chain = checked(source)
        source.broken = chain.words if chain.broken is not None else ""
        lines.append(("Kedja", chain.words))
    return lines or [("Liggare", "här finns ingen liggare än")]


def _recorded(shown: Shown) -> str:
    if shown.seq is None:
        return f"INTE REGISTRERAD: {shown.why}"
    return f"registrerad som post {shown.seq}"


def _heard(told: Told, now: ClockReading) -> str:
    """How old what is known of other gates may be."""
    if told.binding is None:
        return ""
    silence = told.silence()
    if silence is None:
        return "så långt molnet har berättat"
    lasts = timedelta(seconds=silence.lasts(now) // MICROSECONDS)
    hours, minutes = lasts.days * 24 + lasts.seconds // 3600, lasts.seconds // 60 % 60
    return f"så långt molnet har berättat; det hördes senast för högst {hours} h {minutes} min sedan"
