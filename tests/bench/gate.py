"""A terminal's real parts on a real loop, wired as edge/daemon.py does, with somebody looking at the green light."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from edge.answers import Answer
from edge.clock.clock import SystemClock
from edge.clock.trust import Trust
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
from edge.settings import SignalSettings
from edge.sightings import Sightings
from edge.signals.resting import Resting
from edge.signals.signals import Signals
from edge.tables.tables import Effect, Tables
from edge.terminal import Terminal
from protocol.cards import CardId, CardKind
from protocol.clock import ClockReading
from protocol.decision import Binding, Enrolment, Mode, ReaderDirection, TableName
from protocol.entries import Payload, digest, encode_payload, link
from protocol.errors import TerminalId
from protocol.messages import VERSION, TableChange
from protocol.passes import LONGEST_PASS
from protocol.tables import EVERYBODY, Row, Table, encode_value, pack_keys, pack_rows
from tests.bench.loop_thread import LoopThread

TERMINAL: Final = TerminalId("bench-1")
PROJECT: Final = "00000000000000a1"
READER: Final = "grind"
DOOR: Final = "grind"
ENROLLED: Final = 2000
GREEN_WITHIN: Final = 10.0


@dataclass(slots=True)
class Stamps:
    """When a tap passed the borders between the parts of its way, in nanoseconds."""

    handed: int = 0
    begun: int = 0
    decided: int = 0
    encoding: int = 0
    encoded: int = 0
    committed: int = 0
    green: int = 0


class GreenWatch:
    """The simulated lines; notes the moment at which green has been set, after the line stands in the file."""

    def __init__(self, pins: Pins, stamps: Stamps) -> None:
        self._pins = pins
        self._stamps = stamps
        self._awaited = False
        self._came: SimpleQueue[None] = SimpleQueue()

    def set(self, name: str, on: bool, /) -> None:
        self._pins.set(name, on)
        if on and name == "green" and self._awaited:
            self._stamps.green = time.monotonic_ns()
            self._awaited = False
            self._came.put(None)

    def await_green(self) -> None:
        """The next green is the one that counts."""
        self._awaited = True

    def wait(self) -> None:
        """Until it came. Raises TimeoutError."""
        try:
            self._came.get(timeout=GREEN_WITHIN)
        except Empty as exc:
            raise TimeoutError("a tap that should be granted did not turn green; look at build/bench/log") from exc


class StampedClock(SystemClock):
    """The machine's clocks; the terminal looks at them first when it begins and last when it has decided."""

    def __init__(self, stamps: Stamps) -> None:
        super().__init__(Trust(battery=True))
        self._stamps = stamps
        self._looks = 0

    def begin(self) -> None:
        """A tap is coming."""
        self._looks = 0

    def read(self) -> ClockReading:
        reading = super().read()
        self._looks += 1
        if self._looks == 1:
            self._stamps.begun = time.monotonic_ns()
        elif self._looks == 2:
            self._stamps.decided = time.monotonic_ns()
        return reading


class StampedLedger(Ledger):
    """The ledger; what encoding and hashing cost is measured by doing it once more beside it."""

    stamps: Stamps | None = None

    def append(self, payload: Payload) -> int:
        if self.stamps is None:
            return super().append(payload)
        stamps, self.stamps = self.stamps, None  # a door's entry that follows is not part of the tap
        stamps.encoding = time.monotonic_ns()
        link(self.last_hash, self.last_seq + 1, digest(encode_payload(payload)))
        stamps.encoded = time.monotonic_ns()
        seq = super().append(payload)
        stamps.committed = time.monotonic_ns()
        return seq


@dataclass
class Gate:
    """One terminal; `tap` is called by the thread that plays the reader, and gives nanoseconds until green."""

    thread: LoopThread
    stamps: Stamps
    clock: SystemClock
    ledger: Ledger
    tables: Tables
    signals: Signals
    watch: GreenWatch
    sightings: Sightings

    def tap(self, card: CardId) -> int:
        """Hold a card against the reader and wait for green; then the light goes out, and all is as before."""
        seen = CardSeen(card, READER)
        if isinstance(self.clock, StampedClock) and isinstance(self.ledger, StampedLedger):
            self.clock.begin()
            self.ledger.stamps = self.stamps
        self.watch.await_green()
        handed = time.monotonic_ns()
        self.sightings.hand_over(seen)
        self.watch.wait()
        self.stamps.handed = handed
        self.thread.call(self.signals.stop)
        return self.stamps.green - handed


@contextmanager
def gate(folder: Path, thread: LoopThread, *, stamped: bool = False) -> Iterator[Gate]:
    """A bound terminal, its state in `folder`; a new one has a roster, and a blocklist that holds nobody."""
    folder.mkdir(exist_ok=True)
    parts = ExitStack()
    try:
        yield thread.call(lambda: _build(folder, thread, parts, stamped))
    finally:
        thread.call(parts.close)


def _build(folder: Path, thread: LoopThread, parts: ExitStack, stamped: bool) -> Gate:
    """The same parts in the same order as in the daemon; only the link is left out, which comes after green."""
    lights = SignalSettings(kind="simulated")
    lines = [Line("red", lights.red), Line("green", lights.green), Line("buzzer", lights.buzzer), Line("lock", 23)]
    pins = Pins.simulated(lines, folder / "pins.log")
    parts.callback(pins.close)
    stamps = Stamps()
    clock = StampedClock(stamps) if stamped else SystemClock(Trust(battery=True))
    ledger = (StampedLedger if stamped else Ledger).open(folder / "ledger.db", TERMINAL, clock)
    parts.callback(ledger.close)
    tables = Tables.open(folder / "tables.db")
    parts.callback(tables.close)
    if tables.binding is None:
        furnish(tables, cards(ENROLLED))
    movements = Movements(ledger.taps_since(clock.read().utc - LONGEST_PASS))
    knowledge = Knowledge(tables, movements, {READER: Mounting(ReaderDirection.TOGGLE)})
    watch = GreenWatch(pins, stamps)
    signals = Signals(watch, thread.loop)
    parts.callback(signals.stop)
    relay = RelayLock(DOOR, pins["lock"], thread.loop)
    log = DoorLog(clock, ledger, _nobody)
    door = Door(DOOR, relay, (Sensors(), Times(access=5.0)), thread.loop, log.note)
    parts.callback(door.stop)
    guard = RepeatGuard[Answer](3.0)
    terminal = Terminal(clock, ledger, knowledge, guard, signals, {DOOR: door}, _online, _nobody)
    sightings = Sightings(thread.loop, terminal, signals, Resting(signals), tables, _nobody)
    sightings.rest()
    return Gate(thread, stamps, clock, ledger, tables, signals, watch, sightings)


def _online() -> bool:
    return True


def _nobody() -> None:
    """Nobody is told of entries and readers here."""


def cards(count: int) -> Sequence[CardId]:
    """That many cards, always the same ones."""
    return [CardId.from_bytes(CardKind.UID, b"\x04" + number.to_bytes(6, "big")) for number in range(1, count + 1)]


def furnish(tables: Tables, enrolled: Iterable[CardId]) -> None:
    """What the cloud would send: a binding, the roster with these cards, and a blocklist that holds nobody."""
    epoch = secrets.token_bytes(16)
    named = (TableName(Table.ROSTER, PROJECT, epoch), TableName(Table.BLOCKLIST, EVERYBODY, epoch))
    binding = Binding(PROJECT, "Kvarnen", "Norra", "Europe/Stockholm", Mode.OPEN, False, None, (DOOR,), named)
    roster = [(str(card).encode(), encode_value(_holder(number))) for number, card in enumerate(enrolled)]
    _put(tables, Table.BINDING, TERMINAL, epoch, [(b"", encode_value(binding))])
    _put(tables, Table.ROSTER, PROJECT, epoch, roster)
    _put(tables, Table.BLOCKLIST, EVERYBODY, epoch, [])


def _holder(number: int) -> Enrolment:
    return Enrolment(f"{number:016x}", f"{0xC0 + number % 20:016x}")


def _put(tables: Tables, table: Table, scope: str, epoch: bytes, rows: Sequence[Row]) -> None:
    packed = pack_rows(table, rows)
    checksum = hashlib.sha256(packed).digest()
    change = TableChange(VERSION, table, scope, epoch, 0, 1, 0, 1, checksum, packed, pack_keys(table, []))
    effect = tables.apply(change)
    if effect is not Effect.APPLIED:
        raise RuntimeError(f"the table {table} was not applied but is {effect}")
