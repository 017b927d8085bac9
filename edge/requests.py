"""Answers what the commands on this machine ask."""

from collections.abc import Mapping
from typing import assert_never

from edge.doors.requests import DoorRequests
from edge.errors import RequestRefused
from edge.local import (
    Answer,
    AskDoor,
    AskInspected,
    AskOpen,
    AskProvision,
    AskReader,
    AskSightings,
    AskSignal,
    AskStatus,
    AskTap,
    Request,
)
from edge.readers import CardSeen
from edge.readers.osdp.requests import provision
from edge.readers.simulated import ReaderAct, SimulatedReader
from edge.report import Report
from edge.sightings import Sightings
from edge.signals.patterns import PATTERNS
from edge.signals.showing import Showing
from edge.visit.recording import Showings
from protocol.cards import CardId


class Requests:
    """`simulated` are the readers that may be tapped from here: none, unless the daemon runs under --simulate."""

    def __init__(
        self,
        report: Report,
        sightings: Sightings,
        showing: Showing,
        doors: DoorRequests,
        visits: Showings,
        simulated: Mapping[str, SimulatedReader] | None,
    ) -> None:
        self._report = report
        self._sightings = sightings
        self._showing = showing
        self._doors = doors
        self._visits = visits
        self._simulated = simulated

    async def respond(self, request: Request) -> Answer:
        """The answer to a request. Raises RequestRefused, CardIdInvalid, LedgerUnusable."""
        match request:
            case AskStatus():
                return self._report.status()
            case AskTap(card, reader):
                return await self._tap(CardId.parse(card), self._reader(reader))
            case AskReader(act, reader):
                return self._act(self._reader(reader), act)
            case AskSignal(pattern, seconds):
                self._showing.show(pattern, seconds)
                return {"pattern": pattern, "says": PATTERNS[pattern].says, "seconds": seconds}
            case AskDoor(door, act):
                return self._doors.look(door) if act is None else self._doors.act(door, act)
            case AskOpen(door):
                return self._doors.open(door)
            case AskSightings(after):
                return await self._report.overview.since(after)
            case AskProvision(reader):
                return await provision(self._report.overview.readers, reader)
            case AskInspected(details):
                return self._visits.note(details)
            case _:
                assert_never(request)

    def _reader(self, name: str | None) -> SimulatedReader:
        if self._simulated is None:
            raise RequestRefused(
                "taps are simulated only under `grindvakt run --simulate`; this daemon serves real cards"
            )
        if not self._simulated:
            raise RequestRefused('no reader is simulated; give one of the settings kind = "simulated"')
        found = self._simulated.get(name if name is not None else next(iter(self._simulated)))
        if found is None:
            raise RequestRefused(f"no simulated reader is called {name!r}; there are {', '.join(self._simulated)}")
        return found

    def _act(self, reader: SimulatedReader, act: ReaderAct) -> Answer:
        reader.act(act)
        return {"reader": reader.name, "act": act, "there": reader.is_there}

    async def _tap(self, card: CardId, reader: SimulatedReader) -> Answer:
        """Hold the card against the reader; the tap goes the way of every other, and its answer comes back here."""
        if not reader.is_there:
            raise RequestRefused(f"reader {reader.name} is not plugged in, so it sees no card")
        awaited = self._sightings.answer_to(CardSeen(card, reader.name))
        reader.tap(card)
        return (await awaited).words()
