"""Says when an entry really happened, and writes times as the regulation has them: ÅÅÅÅ:MM:DD and TT:MM:SS."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from edge.clock.timekeeping import CLOCK_SET
from edge.visit.sources import Found, Sources
from protocol.clock import ClockQuality, ClockReading
from protocol.entries import Fact, Payload
from protocol.passes import local

LATEST: Final = 3_345_148_800_000_000  # 2076-01-02 UTC: no right clock shows more


@dataclass(frozen=True, slots=True)
class Times:
    """When something happened and when it was recorded, in microseconds UTC: true where that is known.

    `is_known`: a clock that could be trusted says so, or one that was set right later in the same boot
    (`is_corrected`). Else these are the recorded times, and nobody knows the true ones.
    """

    at: int
    recorded_at: int
    is_known: bool
    is_corrected: bool = False


@dataclass(slots=True)
class Boots:
    """When each boot began whose clock was not trusted, by the newest fact `clock.set` of it (docs/clock.md)."""

    sources: Sources
    _began: dict[bytes, int | None] = field(default_factory=dict)

    def times_of(self, found: Found) -> Times:
        """The true times of an entry, as far as anybody knows them."""
        payload = found.payload
        if payload.clock_quality is not ClockQuality.UNTRUSTED:
            return Times(payload.occurred_at, payload.registered_at, True)
        began = self._began_of(found)
        if began is None:
            return Times(payload.occurred_at, payload.registered_at, False)
        at = began + payload.monotonic // 1000
        return Times(at, at + max(payload.registered_at - payload.occurred_at, 0), True, True)

    def _began_of(self, found: Found) -> int | None:
        boot = found.payload.boot_id
        if boot not in self._began:
            self._began[boot] = self._look_for(found, boot)
        return self._began[boot]

    def _look_for(self, found: Found, boot: bytes) -> int | None:
        """The newest fact of the boot, which lies in one piece: from the entry on until one of another boot."""
        began, word = None, CLOCK_SET.encode()
        for source, first in self.sources.after(found):
            for stored in source.stored(first, source.last_seq):
                raw = stored.payload
                if raw is None or (boot in raw and word not in raw):
                    continue
                if boot not in raw:
                    return began
                for each in source.entries(stored.seq, stored.seq):
                    told = _began_at(each.payload, boot)
                    began = began if told is None else told
        return began


def _began_at(payload: Payload, boot: bytes) -> int | None:
    if not isinstance(payload, Fact) or payload.subject != CLOCK_SET or payload.details.get("boot") != boot.hex():
        return None
    text = payload.details.get("began_at", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < LATEST else None


def moment(at: int, zone: str) -> datetime:
    """What a clock on the wall of the site showed; times that no calendar has become the nearest that it does."""
    return local(ClockReading(at, ClockQuality.HELD, b"", 0), zone)


def date_of(at: int, zone: str) -> str:
    """A date as `ÅÅÅÅ:MM:DD` (SKVFS 2015:6, 13 §)."""
    here = moment(at, zone)
    return f"{here.year:04}:{here.month:02}:{here.day:02}"


def time_of(at: int, zone: str) -> str:
    """A time as `TT:MM:SS` (SKVFS 2015:6, 13 §)."""
    here = moment(at, zone)
    return f"{here.hour:02}:{here.minute:02}:{here.second:02}"


def date_and_time(at: int, zone: str) -> str:
    """Both, with a space between them."""
    return f"{date_of(at, zone)} {time_of(at, zone)}"


def season_of(at: int, zone: str) -> str | None:
    """Which of two it is, where the clocks went back and a time of day comes twice; None at all other times."""
    here = moment(at, zone)
    if here.replace(fold=0).utcoffset() == here.replace(fold=1).utcoffset():
        return None
    return "normaltid" if here.fold else "sommartid"
