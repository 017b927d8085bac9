"""A terminal's real parts in one process: ledger and tables on disk, simulated pins, and time moved by hand."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.answers import Answer
from edge.daemon import LOOKED_BACK
from edge.doors.door import Door, Sensors, Times
from edge.doors.door_log import DoorLog
from edge.doors.locks import RelayLock
from edge.guard import RepeatGuard
from edge.knowledge import Knowledge, Mounting
from edge.ledger.ledger import Ledger
from edge.movements import Movements
from edge.pins.lines import Line
from edge.pins.pins import Pins
from edge.readers import CardSeen
from edge.signals.signals import Signals
from edge.tables.tables import Effect, Tables
from edge.terminal import Terminal
from protocol.cards import CardId
from protocol.clock import ClockQuality, ClockReading
from protocol.decision import PLAIN, Binding, BlockReason, Credential, Enrolment, Mode, ReaderDirection, TableName
from protocol.entries import DoorChange, Tap
from protocol.errors import TerminalId
from protocol.messages import VERSION, TableChange
from protocol.passes import Direction
from protocol.tables import (
    BLOCK_REASONS,
    EVERYBODY,
    Presence,
    Row,
    Table,
    block_key,
    encode_value,
    pack_keys,
    pack_rows,
)
from tests.support.hand_clock import HandLoop

TERMINAL: Final = TerminalId("gate-1")
PROJECT: Final = "00000000000000a1"
NOON: Final = 1_781_092_800_000_000  # 2026-06-10 12:00 UTC
ANNA: Final = CardId.parse("uid:04A1B2C3D4E5F6")
BORIS: Final = CardId.parse("uid:04FFEEDDCCBBAA")
READERS: Final = {
    "in": Mounting(ReaderDirection.IN),
    "out": Mounting(ReaderDirection.OUT),
    "both": Mounting(ReaderDirection.TOGGLE),
    "shed": Mounting(ReaderDirection.IN, ("shed",)),
}


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, utc: int = NOON) -> None:
        self.utc = utc
        self.monotonic = 1_000_000_000
        self.quality = ClockQuality.SYNCHRONISED
        self._floor = utc

    def read(self) -> ClockReading:
        if self.quality is not ClockQuality.UNTRUSTED:
            self._floor = self.utc
        return ClockReading(self.utc, self.quality, b"b" * 16, self.monotonic)

    @property
    def floor(self) -> int:
        return self._floor

    def pass_by(self, seconds: float) -> None:
        """Let time go on."""
        self.utc += int(seconds * 1_000_000)
        self.monotonic += int(seconds * 1_000_000_000)


class WatchedPins:
    """The simulated lines, with somebody looking at the moment one is set."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.order: list[tuple[str, bool]] = []

    def set(self, name: str, on: bool, /) -> None:
        self.look(name, on)
        self.order.append((name, on))
        self.pins.set(name, on)

    def look(self, name: str, on: bool) -> None:
        """For a test to put something else here."""


@dataclass
class Lock:
    """The line of a door, watched like the others."""

    pins: WatchedPins
    name: str

    def set(self, on: bool) -> None:
        self.pins.set(self.name, on)


@dataclass
class Cloud:
    """What the cloud would send down, applied at once."""

    tables: Tables
    epoch: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    version: int = 0

    def bind(self, mode: Mode = Mode.OPEN, **changed: Any) -> None:
        """Bind the terminal to the project, with a roster, a blocklist and presence; the rest as it is named."""
        named = (
            TableName(Table.ROSTER, PROJECT, self.epoch),
            TableName(Table.BLOCKLIST, EVERYBODY, self.epoch),
            TableName(Table.PRESENCE, PROJECT, self.epoch),
        )
        plain = Binding(PROJECT, "Kvarnen", "North gate", "Europe/Stockholm", mode, False, None, ("gate",), named)
        self._put(Table.BINDING, TERMINAL, (b"", encode_value(msgspec.structs.replace(plain, **changed))))

    def enrol(self, card: CardId, person: str, company: str = "00000000000000c1", **changed: Any) -> None:
        """Put a card on the project's roster."""
        enrolment = msgspec.structs.replace(Enrolment(person, company), **changed)
        self._put(Table.ROSTER, PROJECT, (str(card).encode(), encode_value(enrolment)))

    def tell(self, key: bytes, direction: Direction, at: int) -> None:
        """Tell of somebody who was seen at another gate of the project."""
        self._put(Table.PRESENCE, PROJECT, (key, encode_value(Presence(direction, at, "gate-2"))))

    def block(self, card: CardId, reason: BlockReason = BlockReason.LOST) -> None:
        """Put a card on everybody's blocklist."""
        key = block_key(self.epoch, card).to_bytes(8, "big", signed=True)
        self._put(Table.BLOCKLIST, EVERYBODY, (key, bytes([BLOCK_REASONS.index(reason)])))

    def _put(self, table: Table, scope: str, *rows: Row) -> None:
        held = next((each.held for each in self.tables.held() if each.name == table), 0)
        packed = pack_rows(table, rows)
        checksum = hashlib.sha256(packed).digest()
        drops = pack_keys(table, [])
        change = TableChange(VERSION, table, scope, self.epoch, held, held + 1, 0, 1, checksum, packed, drops)
        assert self.tables.apply(change) is Effect.APPLIED


@dataclass
class Link:
    """The link as the terminal knows it."""

    is_online: bool = True
    woken: int = 0

    def wake(self) -> None:
        """There is something to send."""
        self.woken += 1


@dataclass
class Gate:
    """A gate with a reader for each way and one for both, red, green and buzzer, and two doors."""

    folder: Path
    clock: HandClock
    loop: HandLoop
    ledger: Ledger
    tables: Tables
    pins: WatchedPins
    door: Door
    terminal: Terminal
    cloud: Cloud
    link: Link

    def tap(
        self, card: CardId = ANNA, reader: str = "both", also: tuple[CardId, ...] = (), credential: Credential = PLAIN
    ) -> Answer:
        """Hold a card against a reader, some time after whatever was before."""
        self.clock.pass_by(10)
        self.loop.advance(10)
        return self.terminal.tap(CardSeen(card, reader, also, credential))

    @property
    def taps(self) -> list[Tap]:
        """All taps that are in the ledger."""
        return [payload for _, payload in self.ledger.tail(1000) if isinstance(payload, Tap)]

    @property
    def door_changes(self) -> list[DoorChange]:
        """All changes of doors that are in the ledger."""
        return [payload for _, payload in self.ledger.tail(1000) if isinstance(payload, DoorChange)]

    def lit(self) -> set[str]:
        """Which lines are energised now."""
        return {name for name in ("red", "green", "buzzer", "lock-gate", "lock-shed") if self.pins.pins[name].is_on}


@contextmanager
def gate(folder: Path, clock: HandClock | None = None, loop: HandLoop | None = None) -> Iterator[Gate]:
    """A gate whose state is in `folder`; opening it again continues it, as a restart of the daemon does."""
    with ExitStack() as parts:
        clock, loop = clock or HandClock(), loop or HandLoop()
        names = ("red", "green", "buzzer", "lock-gate", "lock-shed")
        pins = Pins.simulated([Line(name, number) for number, name in enumerate(names, 4)], folder / "pins.log")
        parts.callback(pins.close)
        watched = WatchedPins(pins)
        ledger = Ledger.open(folder / "ledger.db", TERMINAL, clock)
        parts.callback(ledger.close)
        tables = Tables.open(folder / "tables.db")
        parts.callback(tables.close)
        signals = Signals(watched, loop)
        parts.callback(signals.stop)
        link = Link()
        doors = DoorLog(clock, ledger, link.wake)
        fitted: dict[str, Door] = {}
        for name in ("gate", "shed"):
            relay = RelayLock(name, Lock(watched, f"lock-{name}"), loop)
            fitted[name] = Door(name, relay, (Sensors(), Times(access=5.0, long_access=20.0)), loop, doors.note)
            parts.callback(fitted[name].stop)
        terminal = Terminal(
            clock=clock,
            ledger=ledger,
            knowledge=Knowledge(tables, Movements(ledger.taps_since(clock.floor - LOOKED_BACK)), READERS),
            guard=RepeatGuard(3.0),
            signals=signals,
            doors=fitted,
            is_online=lambda: link.is_online,
            wake=link.wake,
        )
        yield Gate(folder, clock, loop, ledger, tables, watched, fitted["gate"], terminal, Cloud(tables), link)
