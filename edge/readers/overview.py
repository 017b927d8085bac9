"""Keeps how each reader is and what was seen last, for people at the terminal."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from edge.clock.clock import Clock
from edge.errors import TablesUnusable
from edge.readers import Reader, ReaderBack, ReaderLost, ReaderTampered, Sighting
from edge.readers.diagnosis import turned
from edge.readers.told import Told, told
from protocol.cards import CardId
from protocol.clock import MICROSECONDS
from protocol.decision import Enrolment

KEPT: Final = 64
MOST_PATIENT: Final = 5.0
"""Seconds that an asker is left waiting for the next sighting; shorter than either side's patience with a line."""


@dataclass(slots=True)
class _State:
    """How a reader is, as far as it has said."""

    why: str | None = None
    lost_at: str | None = None
    is_tampered: bool = False


class Overview:
    """Stands between the readers and whoever answers taps: it passes every sighting on first, and then notes it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        readers: Sequence[Reader],
        kinds: Mapping[str, str],
        look_up: Callable[[CardId], Enrolment | None],
    ) -> None:
        self.readers = readers
        self._loop = loop
        self._clock = clock
        self._kinds = kinds
        self._look_up = look_up
        self._states = {reader.name: _State() for reader in readers}
        self._told: deque[Told] = deque(maxlen=KEPT)
        self._newest = 0
        self._news = asyncio.Event()

    def before(self, pass_on: Callable[[Sighting], None]) -> Callable[[Sighting], None]:
        """What a reader reports to, from any thread, so that `pass_on` gets it first."""

        def take(sighting: Sighting) -> None:
            pass_on(sighting)
            self._loop.call_soon_threadsafe(self._note, sighting)

        return take

    def states(self) -> dict[str, dict[str, Any]]:
        """Each reader: whether it is there, and else why and since when not; whether it was tampered with."""
        return {reader.name: self._state(reader) for reader in self.readers}

    async def since(self, after: int | None) -> dict[str, Any]:
        """What was seen after this number, waiting for it a while; None: what is kept, at once."""
        if after is not None and after == self._newest:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOST_PATIENT):
                    await self._news.wait()
        first = 0 if after is None or after > self._newest else after  # numbers begin anew with the daemon
        told = [msgspec.to_builtins(self._looked_up(each)) for each in self._told if each.number > first]
        return {"newest": self._newest, "sightings": told, "readers": self.states()}

    def _state(self, reader: Reader) -> dict[str, Any]:
        state, there = self._states[reader.name], reader.is_there
        return {
            "there": there,
            "kind": self._kinds[reader.name],
            "why": None if there else state.why,
            "lost_at": None if there else state.lost_at,
            "tampered": state.is_tampered,
        }

    def _note(self, sighting: Sighting) -> None:
        self._newest += 1
        at = datetime.fromtimestamp(self._clock.read().utc / MICROSECONDS, UTC).isoformat(timespec="milliseconds")
        state = self._states[sighting.reader]
        match sighting:
            case ReaderLost(why=why):
                state.why, state.lost_at = why, at
            case ReaderBack():
                state.why = state.lost_at = None
            case ReaderTampered(on=on):
                state.is_tampered = on
            case _:
                pass
        self._told.append(told(sighting, self._newest, at))
        self._news.set()
        self._news = asyncio.Event()

    def _is_enrolled(self, card: CardId) -> bool | None:
        try:
            return self._look_up(card) is not None
        except TablesUnusable:  # a tap says so
            return None

    def _looked_up(self, each: Told) -> Told:
        if each.card is None:
            return each
        card = CardId.parse(each.card)
        other = turned(card)
        known = None if other is None else self._is_enrolled(other)
        return msgspec.structs.replace(each, on_roster=self._is_enrolled(card), turned_on_roster=known)
