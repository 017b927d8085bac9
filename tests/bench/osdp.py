"""What the terminal costs over bare libosdp, from a card at an OSDP reader to its sighting; and a bus that idles."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import osdp
import serial

from edge.readers import CardSeen, ReaderBack, ReaderLost, Sighting
from edge.readers.osdp.bus import OsdpBus
from edge.readers.osdp.keys import Keys, ReaderKeys
from edge.readers.osdp.simulator import OsdpSimulator, SimulatedOsdpReader
from tests.bench.figures import Figure, Target, Told
from tests.support.sightings import Sightings
from tests.support.waiting import until

ADDRESS: Final = 3
BAUD: Final = 115200
CARDS: Final = 60
TURNS: Final = 3
COSTS_AT_MOST: Final = 5.0
BACK_WITHIN: Final = 5.0
LOSSES: Final = 5
IDLE: Final = 20.0
PATIENCE: Final = 30.0
MS: Final = 1e3


def osdp_cost(folder: Path, told: Told) -> list[Figure]:
    """Milliseconds of both in turn, seconds until a lost reader is back, and the bus's processor time."""
    ours, bare, answers = list[float](), list[float](), list[float]()
    for turn in range(TURNS):
        told(f"{CARDS} cards over bare libosdp, and {CARDS} over ours, turn {turn + 1} of {TURNS}")
        with _simulator(folder) as (simulator, key):
            bare += _bare(simulator, key)
        with _simulator(folder) as (simulator, key), _bus(folder, simulator, key) as (_, seen):
            for took, sighting in _tapped(simulator, seen):
                ours.append(took)
                answers.append(sighting.took / 1e6)
    with _simulator(folder) as (simulator, key), _bus(folder, simulator, key) as (bus, seen):
        told("an idle bus")
        idle = _idle(bus)
        told(f"{LOSSES} readers lost and back")
        back = [_back(simulator, seen) for _ in range(LOSSES)]
    parts = {"ours": median(ours), "bare": median(bare), "ours p99": _high(ours), "bare p99": _high(bare)}
    return [
        Figure(
            "OSDP card, ours less bare",
            "ms",
            median(ours) - median(bare),
            target=Target(COSTS_AT_MOST),
            parts=parts | {"answer to sighting": median(answers)},
        ),
        Figure("OSDP reader back after its power", "s", max(back), target=Target(BACK_WITHIN), samples=tuple(back)),
        Figure("OSDP bus idle, one reader", "% of a core", idle),
    ]


@contextmanager
def _simulator(folder: Path) -> Iterator[tuple[OsdpSimulator, bytes]]:
    key = secrets.token_bytes(16)
    simulator = OsdpSimulator(folder / "bus", [SimulatedOsdpReader(ADDRESS, key)])
    simulator.start()
    try:
        yield simulator, key
    finally:
        simulator.stop()


@contextmanager
def _bus(folder: Path, simulator: OsdpSimulator, key: bytes) -> Iterator[tuple[OsdpBus, Sightings]]:
    store, seen = ReaderKeys(folder, {}), Sightings()
    store.put("gate", Keys(key))
    bus = OsdpBus(str(simulator.link), BAUD, store)
    reader = bus.seat("gate", ADDRESS)
    reader.start(seen.take)
    until(lambda: reader.is_there, PATIENCE, "the reader")
    try:
        yield bus, seen
    finally:
        reader.stop()


def _cards() -> Iterator[bytes]:
    """Serial numbers, at moments that have nothing to do with the polls."""
    for number in range(CARDS):
        time.sleep(0.05 + secrets.randbelow(50) / 1000)
        yield number.to_bytes(7, "big", signed=False)[::-1] if number else b"\x01" * 7


def _tapped(simulator: OsdpSimulator, seen: Sightings) -> Iterator[tuple[float, CardSeen]]:
    for raw in _cards():
        began = time.monotonic()
        simulator.tap(ADDRESS, raw)
        sighting = seen.next(PATIENCE)
        took = (time.monotonic() - began) * MS
        assert isinstance(sighting, CardSeen), sighting
        yield took, sighting


class _BareChannel(osdp.Channel):  # type: ignore[misc]  # libosdp publishes no types
    """A port as libosdp's own example has it."""

    def __init__(self, port: serial.Serial) -> None:
        super().__init__()
        self._port = port

    def read(self, max_bytes: int) -> bytes:
        return self._port.read(max_bytes)

    def write(self, buf: bytes) -> int:
        return self._port.write(buf) or 0

    def flush(self) -> None:
        self._port.flush()


def _bare(simulator: OsdpSimulator, key: bytes) -> list[float]:
    """The panel that libosdp ships, with its own thread and an event handler."""
    came = threading.Event()

    def handle(address: int, event: dict[str, Any]) -> int:
        if event["event"] == osdp.Event.CardRead:
            came.set()
        return 0

    with serial.Serial(str(simulator.link), BAUD, timeout=0) as port:
        told = osdp.PDInfo(ADDRESS, _BareChannel(port), scbk=key, flags=[osdp.LibFlag.EnforceSecure])
        panel = osdp.ControlPanel([told], log_level=osdp.LogLevel.Emergency, event_handler=handle)
        panel.start()
        try:
            until(lambda: panel.is_sc_active(ADDRESS), PATIENCE, "the Secure Channel")
            return [_waited(simulator, raw, came) for raw in _cards()]
        finally:
            panel.teardown()


def _waited(simulator: OsdpSimulator, raw: bytes, came: threading.Event) -> float:
    came.clear()
    began = time.monotonic()
    simulator.tap(ADDRESS, raw)
    if not came.wait(PATIENCE):
        raise TimeoutError("bare libosdp reported no card")
    return (time.monotonic() - began) * MS


def _idle(bus: OsdpBus) -> float:
    """Percent of a core that the bus's own thread takes."""
    assert bus.thread is not None
    clock = time.pthread_getcpuclockid(bus.thread.ident or 0)
    before = time.clock_gettime(clock)
    time.sleep(IDLE)
    return 100 * (time.clock_gettime(clock) - before) / IDLE


def _back(simulator: OsdpSimulator, seen: Sightings) -> float:
    simulator.power(ADDRESS, False)
    _until(seen, lambda sighting: isinstance(sighting, ReaderLost))
    simulator.power(ADDRESS, True)
    began = time.monotonic()
    _until(seen, lambda sighting: isinstance(sighting, ReaderBack))
    return time.monotonic() - began


def _until(seen: Sightings, wanted: Callable[[Sighting], bool]) -> None:
    seen.until(wanted, PATIENCE)


def _high(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
