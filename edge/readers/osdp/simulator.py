"""OSDP readers without hardware: libosdp's own peripherals on a bus that is a pty, with all that people do to them."""

import contextlib
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from edge.readers.osdp.library import Act, Colour, LocalStatus, Peripheral
from edge.signals.reader_lights import Light

TICK: Final = 0.005
"""Seconds after which libosdp is given its turn, when nothing comes before that."""

_MOST: Final = 1024
_TENTH: Final = 0.1  # OSDP counts in these

T = TypeVar("T")


class SimulatedOsdpReader:
    """One reader of a simulated bus: what its box does. All of it but `shows` goes through the bus.

    Its key outlives its power, as in a reader's flash; what waits to be polled does not.
    """

    def __init__(self, address: int, key: bytes | None = None) -> None:
        self.address = address
        self.key = key
        self.is_on = True
        self.is_wired = True
        self.is_open = False
        self.dies_at: Act | None = None
        self.takes_key_first = True
        self.heard: list[Act] = []
        self._peripheral: Peripheral | None = None
        self._received = bytearray()
        self._send: Callable[[bytes], None] = _nowhere
        self._resting, self._lit, self._lit_until, self._sounds_until = Colour.DARK, Colour.DARK, 0.0, 0.0

    @property
    def is_secure(self) -> bool:
        """Says whether a Secure Channel stands."""
        peripheral = self._peripheral
        return peripheral is not None and peripheral.is_secure

    @property
    def shows(self) -> Light:
        """What somebody in front of it sees and hears now."""
        now = time.monotonic()
        colour = self._lit if now < self._lit_until else self._resting
        return Light(bool(colour & Colour.RED), bool(colour & Colour.GREEN), now < self._sounds_until)

    def turn(self, send: Callable[[bytes], None]) -> None:
        """Do what it does with its power on: for the bus's thread."""
        self._send = send
        if self._is_dead():
            return
        if self._peripheral is None:
            self._peripheral = Peripheral(self.address, self.key, self, self._obey)
            if self.is_open:
                self._peripheral.report(LocalStatus(True, False))
        self._peripheral.refresh()
        self._is_dead()  # it may have died of what it was told: what libosdp took meanwhile is lost with it

    def receive(self, received: bytes) -> None:
        """What is on the wires."""
        if self.is_on and self.is_wired:
            self._received += received[-_MOST:]

    def read(self, most: int) -> bytes:
        """For its libosdp."""
        taken = bytes(self._received[:most])
        del self._received[:most]
        return taken

    def write(self, packet: bytes) -> int:
        """For its libosdp; a reader that is just dying does not get to answer."""
        if self.is_on and self.is_wired:
            self._send(packet)
        return len(packet)

    def act(self, act: Callable[[Peripheral], T]) -> T | None:
        """Do something that only a reader under power notices."""
        return None if self._peripheral is None else act(self._peripheral)

    def _is_dead(self) -> bool:
        if not self.is_on:
            self._lose_power()
        return not self.is_on

    def _lose_power(self) -> None:
        if self._peripheral is not None:
            self._peripheral.close()
            self._peripheral = None
        self._received.clear()
        self._resting = self._lit = Colour.DARK
        self._sounds_until = 0.0

    def _obey(self, act: Act, command: dict[str, Any]) -> None:
        self.heard = [*self.heard[-99:], act]
        dies = act is self.dies_at
        if act is Act.SET_KEY and (not dies or self.takes_key_first):
            self.key = bytes(command["data"])
        if dies:
            self.is_on, self.dies_at = False, None
            return
        now = time.monotonic()
        if act is Act.SHOW and command["temporary"]:
            lit = command["control_code"] == 2  # 1 ends it
            self._lit = Colour(command["on_color"])
            self._lit_until = now + command["timer_count"] * _TENTH if lit else 0.0
        elif act is Act.SHOW:
            self._resting = Colour(command["on_color"])
        elif act is Act.SOUND:
            sounds = command["control_code"] == 2
            self._sounds_until = now + command["on_count"] * _TENTH if sounds else 0.0
        elif act is Act.ASK_STATUS and self.is_open and self._peripheral is not None:
            self._peripheral.report(LocalStatus(True, False))  # the binding answers by itself that all is well


class OsdpSimulator:
    """A bus of such readers at the end of a pty: `link` leads to it, as udev's by-id paths do."""

    def __init__(self, link: Path, readers: Sequence[SimulatedOsdpReader]) -> None:
        self.link = link
        self.readers = {reader.address: reader for reader in readers}
        self._lock = threading.RLock()
        self._ends: tuple[int, int] | None = None
        self._bytes_left: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"osdp simulator {link.name}", daemon=True)

    def start(self) -> None:
        """Plug the bus in, with power on every reader."""
        self.plug()
        self._thread.start()

    def stop(self) -> None:
        """Take it all away."""
        self._stop.set()
        self._thread.join()
        self.unplug()
        for reader in self.readers.values():
            self.power(reader.address, False)
            reader.turn(_nowhere)

    # --- what people do -----------------------------------------------------------------------------------------------

    def plug(self) -> None:
        """Make the port appear, under a new device but the same link."""
        with self._lock:
            if self._ends is None:
                ends = os.openpty()
                for end in ends:
                    tty.setraw(end)
                    os.set_blocking(end, False)
                self._ends, self._bytes_left = ends, None
                self.link.unlink(missing_ok=True)
                self.link.symlink_to(os.ttyname(ends[1]))

    def unplug(self) -> None:
        """Make the port disappear, in the middle of whatever is on the wires; the readers keep their power."""
        with self._lock:
            if self._ends is not None:
                self.link.unlink(missing_ok=True)
                for end in self._ends:
                    os.close(end)
                self._ends = None

    def unplug_after(self, sent: int) -> None:
        """Unplug it once the readers have sent so many bytes more."""
        with self._lock:
            self._bytes_left = sent

    def power(self, address: int, on: bool) -> None:
        """Give a reader power or take it."""
        with self._lock:
            self.readers[address].is_on = on

    def wire(self, address: int, on: bool) -> None:
        """Connect a reader's A and B, or take them off; it keeps its power."""
        with self._lock:
            self.readers[address].is_wired = on

    def reset(self, address: int) -> None:
        """Put a reader into install mode, by its button and its power: its key is gone."""
        with self._lock:
            reader = self.readers[address]
            reader.is_on = False
            reader.turn(_nowhere)
            reader.key, reader.is_on = None, True

    def tap(self, address: int, raw: bytes, bits: int | None = None) -> None:
        """Hold a card against a reader."""
        with self._lock:
            self.readers[address].act(lambda box: box.read_card(len(raw) * 8 if bits is None else bits, raw))

    def press(self, address: int, keys: bytes) -> None:
        """Type at a reader."""
        with self._lock:
            self.readers[address].act(lambda box: box.press_keys(keys))

    def open_box(self, address: int, is_open: bool) -> None:
        """Take a reader off its wall, or put it back."""
        with self._lock:
            self.readers[address].is_open = is_open
            self.readers[address].act(lambda box: box.report(LocalStatus(is_open, False)))

    def starve(self, address: int, starves: bool) -> None:
        """Let a reader's supply sink too low, or recover."""
        with self._lock:
            self.readers[address].act(lambda box: box.report(LocalStatus(self.readers[address].is_open, starves)))

    def disturb(self, noise: bytes) -> None:
        """Put bytes on the wires that nobody sent."""
        with self._lock:
            self._put(noise)
            for reader in self.readers.values():
                reader.receive(noise)

    # --- the wires ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                master = None if self._ends is None else self._ends[0]
            if master is None:
                self._stop.wait(TICK)
            else:
                with contextlib.suppress(OSError, ValueError):  # unplugged meanwhile
                    select.select([master], [], [], TICK)
            with self._lock:
                received = self._received()
                for reader in self.readers.values():
                    reader.receive(received)
                    reader.turn(self._put)

    def _received(self) -> bytes:
        if self._ends is None:
            return b""
        with contextlib.suppress(OSError):
            return os.read(self._ends[0], _MOST)
        return b""

    def _put(self, packet: bytes) -> None:
        """To the panel; nobody there to read it means that it is lost.

        The other readers do not hear it: on a pty there is no pause between an answer and the next question, as there
        is on a real bus, and libosdp's peripheral loses its place without one.
        """
        cut = self._bytes_left
        sent = packet if cut is None else packet[:cut]
        if self._ends is not None:
            with contextlib.suppress(OSError):
                os.write(self._ends[0], sent)
        if cut is not None:
            self._bytes_left = cut - len(sent)
            if self._bytes_left <= 0:
                self.unplug()


def _nowhere(packet: bytes) -> None:
    """Nobody is connected."""
