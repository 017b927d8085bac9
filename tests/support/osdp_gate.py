"""Two OSDP readers on a simulated bus, and the terminal's side of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.osdp.bus import OsdpBus, OsdpReader
from edge.readers.osdp.keys import Keys, ReaderKeys
from edge.readers.osdp.requests import Outcome
from edge.readers.osdp.simulator import OsdpSimulator, SimulatedOsdpReader
from edge.signals.reader_lights import Light
from tests.support.sightings import Sightings
from tests.support.waiting import until

BAUD: Final = 115200
IN: Final = 0
OUT: Final = 5
KEYS: Final = {IN: bytes(range(1, 17)), OUT: bytes(range(101, 117))}
NAMES: Final = {IN: "in", OUT: "out"}
PATIENCE: Final = 30.0
"""Seconds for anything; on a busy machine each step takes many times what it takes on a quiet one."""


class OsdpGate:
    """`seen` gets what both readers report; `store` is where the terminal keeps their keys."""

    def __init__(self, folder: Path) -> None:
        self.store = ReaderKeys(folder, {})
        self.simulator = OsdpSimulator(folder / "bus", [SimulatedOsdpReader(at, key) for at, key in KEYS.items()])
        self.bus = OsdpBus(str(folder / "bus"), BAUD, self.store)
        self.readers = {address: self.bus.seat(name, address) for address, name in NAMES.items()}
        self.seen = Sightings()

    def know_keys(self) -> None:
        """Let the terminal have the readers' keys already."""
        for address, key in KEYS.items():
            self.store.put(NAMES[address], Keys(key))

    def start(self) -> None:
        """Both ends."""
        self.simulator.start()
        self.start_terminal()

    def start_terminal(self) -> None:
        """The terminal's end only."""
        for reader in self.readers.values():
            reader.start(self.seen.take)

    def stop_terminal(self) -> None:
        """The same."""
        for reader in self.readers.values():
            reader.stop()

    def restart_terminal(self) -> None:
        """As after a power cut of the terminal: only what is on disk is known."""
        self.stop_terminal()
        self.bus = OsdpBus(str(self.simulator.link), BAUD, self.store)
        self.readers = {address: self.bus.seat(name, address) for address, name in NAMES.items()}
        self.start_terminal()

    def __getitem__(self, address: int) -> OsdpReader:
        return self.readers[address]

    def box(self, address: int) -> SimulatedOsdpReader:
        """The reader on the wall."""
        return self.simulator.readers[address]

    def wait_for(self, *addresses: int) -> None:
        """Until these are there."""
        until(lambda: all(self[each].is_there for each in addresses), PATIENCE, f"readers {addresses}")

    def wait_shown(self, address: int, light: Light) -> None:
        """Until the reader shows that."""
        until(lambda: self.box(address).shows == light, PATIENCE, f"reader {address} showing {light}")

    def next(self) -> Sighting:
        """What was reported next."""
        return self.seen.next(PATIENCE)

    def until(self, wanted: Callable[[Sighting], bool]) -> list[Sighting]:
        """Everything up to this."""
        return self.seen.until(wanted, PATIENCE)

    def hold(self, address: int, raw: bytes) -> CardSeen:
        """Hold a card against a reader as people do: again, when nothing comes of it while the reader comes up."""
        self.wait_for(address)
        until(lambda: self.box(address).is_secure, PATIENCE, f"reader {address} in a Secure Channel")
        for _ in range(200):
            self.simulator.tap(address, raw)
            try:
                seen = self.seen.until(lambda sighting: isinstance(sighting, CardSeen | CardUnread), 3.0)[-1]
            except AssertionError:
                continue
            if isinstance(seen, CardSeen):
                return seen
        raise AssertionError(f"reader {address} read no card")

    def provision(self, address: int) -> Outcome:
        """Give the reader a key, and wait for what comes of it."""
        return self[address].provision().result(PATIENCE)


@contextmanager
def osdp_gate(folder: Path, *, keyed: bool = True) -> Iterator[OsdpGate]:
    """Started, and both readers there if their keys are known; not `keyed`: the terminal knows none yet."""
    gate = OsdpGate(folder)
    if keyed:
        gate.know_keys()
    gate.start()
    try:
        if keyed:
            gate.wait_for(IN, OUT)
        yield gate
    finally:
        gate.stop_terminal()
        gate.simulator.stop()
