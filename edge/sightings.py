"""Takes what the readers report into the loop, has each sighting answered, and says when a part of that fails."""

import asyncio
from collections.abc import Callable
from typing import assert_never

import structlog

from edge.answers import Answer
from edge.events import Event
from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered, Sighting
from edge.signals.patterns import Pattern
from edge.signals.resting import Resting
from edge.signals.signals import Signals
from edge.tables.tables import Tables
from edge.terminal import Terminal
from protocol.entries import Outcome

_log = structlog.get_logger()


class Sightings:
    """The one way from a reader's thread to the terminal; whoever looks on is told of each tap by `on_answer`.

    `face` hears which reader is answered next.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        terminal: Terminal,
        signals: Signals,
        resting: Resting,
        tables: Tables,
        readers_changed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._terminal = terminal
        self._signals = signals
        self._resting = resting
        self._tables = tables
        self._readers_changed = readers_changed
        self._lost: set[str] = set()
        self._tampered: set[str] = set()
        self.on_answer: Callable[[CardSeen, Answer], None] | None = None
        self.face: Callable[[str], None] = _nobody
        self._awaited: dict[CardSeen, asyncio.Future[Answer]] = {}

    def hand_over(self, sighting: Sighting) -> None:
        """Give a sighting to the loop; a reader calls this from its own thread."""
        self._loop.call_soon_threadsafe(self.take, sighting)

    def answer_to(self, seen: CardSeen) -> asyncio.Future[Answer]:
        """The answer that such a tap gets next; whoever waits for the same one shares it."""
        return self._awaited.setdefault(seen, self._loop.create_future())

    def take(self, sighting: Sighting) -> None:
        """Answer a sighting, in the loop's thread."""
        match sighting:
            case CardSeen():
                self.face(sighting.reader)
                answer = self._terminal.tap(sighting)
                self._resting.hold(Pattern.LEDGER_FAULT, answer.seq is None or self._terminal.ledger.is_short)
                if self.on_answer is not None:
                    self.on_answer(sighting, answer)
                if (awaited := self._awaited.pop(sighting, None)) is not None and not awaited.done():
                    awaited.set_result(answer)
            case CardUnread(reader, why):
                self.face(reader)
                self._signals.show(Pattern.UNREAD)
                _log.warning(Event.CARD_UNREAD, reader=reader, why=why)
            case ReaderTampered(reader, on):
                (self._tampered.add if on else self._tampered.discard)(reader)
                self._readers_changed()
                (_log.error if on else _log.info)(Event.READER_TAMPERED, reader=reader, on=on)
            case ReaderLost(reader, why):
                self._lost.add(reader)
                self._readers_changed()
                _log.error(Event.READER_LOST, reader=reader, why=why)
            case ReaderBack(reader):
                self._lost.discard(reader)
                self._readers_changed()
                _log.info(Event.READER_RETURNED, reader=reader)
            case _:
                assert_never(sighting)
        self.rest()

    @property
    def tampered(self) -> frozenset[str]:
        """The readers that somebody opened or took off their wall, as far as they can tell."""
        return frozenset(self._tampered)

    def tables_changed(self) -> None:
        """Show what holds now, whichever thread brought the change."""
        self._loop.call_soon_threadsafe(self._look_again)

    def _look_again(self) -> None:
        """Who was refused a moment ago need not wait to be asked anew: the reason may be gone."""
        self._terminal.guard.forget(lambda answer: answer.outcome is Outcome.DENIED)
        self.rest()

    def rest(self) -> None:
        """Show what holds when nobody taps, as far as readers and binding decide it."""
        self._resting.hold(Pattern.UNBOUND, self._tables.binding is None)
        self._resting.hold(Pattern.READER_FAULT, bool(self._lost))
        self._resting.hold(Pattern.READER_TAMPER, bool(self._tampered))


def _nobody(reader: str) -> None:
    """No reader has lights of its own."""
