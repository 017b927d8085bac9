"""Plays a month at a terminal's real parts; only time, pins and the cloud's end are the test's."""

import hashlib
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, cast

from edge.clock.timekeeping import Timekeeping, remembered
from edge.clock.trust import Trust
from edge.readers import CardSeen, ReaderBack, ReaderLost, Sighting
from edge.sightings import Sightings
from edge.signals.patterns import Pattern
from edge.signals.resting import Resting
from protocol.cards import CardId
from protocol.clock import ClockReading
from protocol.decision import CardAuthentication, Credential, Mode, Proof
from protocol.entries import Payload, decode_payload
from tests.support.entries import ModelCloud
from tests.support.gate import TERMINAL, Gate, HandClock, gate
from tests.support.hand_clock import HandLoop
from tests.timemachine.happenings import (
    BEGINS,
    SECOND,
    Blocked,
    Bound,
    ClockDeserted,
    ClockSet,
    CloudCame,
    CloudWent,
    Enrolled,
    Happening,
    Held,
    Looked,
    ReaderCame,
    ReaderDied,
    Restarted,
    SwitchedOff,
    SwitchedOn,
    TimeArrived,
)

DRAINED_EVERY: Final = 500
READERS: Final = frozenset({"in", "out", "both"})


class MachineClock(HandClock):
    """Wall clock, time since boot and the kernel's opinion of a machine whose true time is the loop's."""

    def __init__(self, loop: HandLoop) -> None:
        super().__init__(0)
        self.loop = loop
        self.boot = b""
        self.booted_at = 0
        self.wrong_by = 0
        self.is_synchronised = False
        self.trust = Trust()

    def read(self) -> ClockReading:
        now = round(self.loop.now * SECOND)
        utc, since_boot = BEGINS + now + self.wrong_by, now - self.booted_at
        quality = self.trust.judge(utc, utc - since_boot, self.is_synchronised)
        return ClockReading(utc, quality, self.boot, since_boot * 1000)

    @property
    def floor(self) -> int:
        return self.trust.floor


class Patience:
    """In place of lights that blink for weeks: what rests is told and not played."""

    def rest(self, pattern: Pattern, /) -> None:
        """Nobody stands at the gate."""


class Machine:
    """One terminal and its cloud through a month."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = HandLoop()
        self._clock = MachineClock(self._loop)
        self._on = ExitStack()
        self._gate: Gate | None = None
        self._shown_at_off = 0
        self._boots = 0
        self._is_reachable = False
        self._waiting: list[Enrolled | Blocked | Bound] = []
        self._cloud: ModelCloud | None = None
        self._epoch = bytes(16)
        self._held = 0
        self._alive = set(READERS)
        self._take: Callable[[Sighting], None] = _nobody
        self._look: Callable[[], None] = _nobody

    def play(self, happenings: list[Happening]) -> list[Payload]:
        """Let it all happen, and then read what the cloud has, which is what the ledger has."""
        with self._on:
            for happening in happenings:
                self._loop.advance(happening.at / SECOND - self._loop.now)
                self._happen(happening)
            self._drain()
            assert self._gate is not None
            assert self._cloud is not None
            self._gate.ledger.verify(lambda _done, _every: None)
            assert len(self._cloud.payloads) == self._gate.ledger.last_seq
            return [decode_payload(raw) for raw in self._cloud.payloads]

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Held() as held:
                self._hold(held)
            case Enrolled() | Blocked() | Bound():
                self._waiting.append(happening)
                self._apply()
            case ReaderDied(reader=reader):
                self._alive.discard(reader)
                self._tell(ReaderLost(reader, "unplugged"))
            case ReaderCame(reader=reader):
                self._alive.add(reader)
                self._tell(ReaderBack(reader))
            case CloudWent():
                self._is_reachable = False
                self._apply()
            case CloudCame():
                self._is_reachable = True
                self._apply()
                self._drain()
            case _:
                self._happen_to_the_machine(happening)

    def _happen_to_the_machine(
        self, happening: SwitchedOff | SwitchedOn | Restarted | TimeArrived | ClockDeserted | ClockSet | Looked
    ) -> None:
        clock = self._clock
        match happening:
            case SwitchedOff():
                self._stop()
            case SwitchedOn(at=at, shows=shows):
                self._boots += 1
                clock.boot = hashlib.sha256(bytes([self._boots])).digest()[:16]
                clock.wrong_by = self._shown_at_off - at if shows is None else shows - BEGINS - at
                clock.booted_at, clock.is_synchronised = at, False
                self._start()
            case Restarted():
                self._stop()
                self._start()
            case TimeArrived(wrong_by=wrong_by):
                clock.wrong_by, clock.is_synchronised = wrong_by, True
            case ClockDeserted():
                clock.is_synchronised = False
            case ClockSet(by=by):
                clock.wrong_by += by
                clock.is_synchronised = False
            case Looked():
                self._look()

    def _start(self) -> None:
        """Build the parts as the daemon does; what it knows of the right time comes from the ledger."""
        clock = self._clock
        (self._folder / "pins.log").unlink(missing_ok=True)  # a month of lights is much to read back at each start
        clock.trust = remembered(self._folder / "ledger.db", clock.boot, battery=False, certified=None)
        built = self._gate = self._on.enter_context(gate(self._folder, clock, self._loop))
        built.cloud.epoch = self._epoch
        resting = Resting(Patience())
        loop = cast(AbstractEventLoop, self._loop)  # of which nothing but its calls is used
        sightings = Sightings(loop, built.terminal, built.terminal.signals, resting, built.tables, lambda: None)
        built.tables.on_change = sightings.tables_changed
        self._take = sightings.take
        self._look = Timekeeping(clock, built.ledger, resting.hold, lambda: None).look
        self._cloud = self._cloud or ModelCloud(TERMINAL, built.ledger.id)
        for reader in READERS - self._alive:
            self._take(ReaderLost(reader, "unplugged"))
        self._look()
        self._apply()

    def _stop(self) -> None:
        """Take them apart, the last first."""
        self._on.close()
        self._gate = None
        self._shown_at_off = round(self._loop.now * SECOND) + self._clock.wrong_by

    def _tell(self, sighting: Sighting) -> None:
        if self._gate is not None:
            self._take(sighting)

    def _hold(self, held: Held) -> None:
        """A dead reader sees nothing, and a machine that is off has none."""
        if self._gate is None or held.reader not in self._alive:
            return
        also = tuple(CardId.parse(card) for card in held.also)
        credential = Credential(Proof(held.proof), None, None if held.ends is None else BEGINS + held.ends)
        self._take(CardSeen(CardId.parse(held.card), held.reader, also, credential))
        self._held += 1
        if self._held % DRAINED_EVERY == 0:
            self._drain()

    def _apply(self) -> None:
        """What the cloud has changed, once the terminal can hear of it."""
        if self._gate is None:
            return
        self._gate.link.is_online = self._is_reachable
        while self._is_reachable and self._waiting:
            cloud = self._gate.cloud
            match self._waiting.pop(0):
                case Enrolled(card=card, person=person, company=company):
                    cloud.enrol(CardId.parse(card), person, company)
                case Blocked(card=card):
                    cloud.block(CardId.parse(card))
                case Bound(closed=closed, reset=reset, asks=asks):
                    mode = Mode.CLOSED if closed else Mode.OPEN
                    cloud.bind(mode, reset=reset, card_authentication=CardAuthentication(asks))
            self._loop.run_calls()

    def _drain(self) -> None:
        """Send what has no receipt yet."""
        if self._gate is None or self._cloud is None or not self._is_reachable:
            return
        ledger = self._gate.ledger
        while (entries := ledger.batch(ledger.receipted, 1000)) is not None:
            assert ledger.note_receipt(self._cloud.take(entries))


def _nobody(*_: object) -> None:
    raise AssertionError("the machine is off")
