"""The serial port of an OSDP bus: opened for one program, never waited for, and its faults are told when asked."""

import errno
import os
import select
import termios
import time
from collections.abc import Callable
from typing import Final

import serial

_SOM: Final = 0x53  # start of a packet; the address follows (OSDP 2.2, packet format)
_MOST: Final = 1024
_WHY: Final = {
    **dict.fromkeys((errno.ENOENT, errno.ENXIO, errno.ENODEV), "nothing is plugged in as {device}"),
    **dict.fromkeys((errno.EAGAIN, errno.EBUSY), "another program uses {device}: `fuser -v {device}` names it"),
    errno.EACCES: "{device} may not be opened: put the daemon's user into its group, mostly dialout",
    errno.EIO: "the bus was unplugged from {device}",
    errno.ENOTTY: "{device} is no serial port",
}


class OsdpLine:
    """The port while it is open; a port that goes is `fault`, and reads and writes go nowhere from then on."""

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._port: serial.Serial | None = None
        self._asked = 0
        self._awaits = False
        self._come = b""
        self.fault: OSError | None = None
        self.moved = False
        self.began = 0
        self.asked: dict[int, float] = {}
        self.heard: dict[int, float] = {}

    def open(self) -> None:
        """Open the port. Raises OSError."""
        self.close()
        try:
            self._port = serial.Serial(self._device, self._baud, timeout=0, write_timeout=0, exclusive=True)
            self._port.reset_input_buffer()
        except termios.error as exc:
            raise OSError(*exc.args) from exc
        self.fault, self._come = None, b""

    def close(self) -> None:
        """Let go of the port, without waiting for what it has not sent."""
        port, self._port = self._port, None
        if port is not None:
            _quietly(port.reset_output_buffer)
            _quietly(port.close)

    def wait(self, wake: int, seconds: float) -> None:
        """Until something comes, or somebody writes to `wake`, or the time is over."""
        port = None if self._port is None or self.fault is not None else self._port.fileno()
        ready, _, _ = select.select([wake] if port is None else [wake, port], [], [], seconds)
        if wake in ready:
            os.read(wake, 64)
        if port is not None and port in ready and not self._come:
            now = time.monotonic_ns()
            self._come = self._taken(port)
            if not self._come and self.fault is None:
                self.fault = OSError(errno.EIO, "unplugged")  # it said that there is something, and there is not
            self._note(now)

    @property
    def has_come(self) -> bool:
        """Says whether something waits to be read."""
        return bool(self._come)

    def read(self, most: int) -> bytes:
        """What has come; notes who has answered when. `began` is when an answer's first bytes came, in nanoseconds."""
        if self._port is None or self.fault is not None:
            return b""
        come = self._come or self._taken(self._port.fileno())
        self._come = come[most:]
        if come:
            self._note(time.monotonic_ns())
            self.moved = True
        return come[:most]

    def write(self, packet: bytes) -> int:
        """Send a packet; notes who is asked when."""
        if self._port is None or self.fault is not None:
            return len(packet)
        self._asked = packet[packet.find(_SOM) + 1] & 0x7F
        self.asked[self._asked] = time.monotonic()
        self._awaits = self.moved = True
        try:
            return os.write(self._port.fileno(), packet)
        except BlockingIOError:
            return len(packet)  # a port that takes nothing: no answer comes, and the reader is asked again
        except OSError as exc:
            self.fault = exc
            return len(packet)

    def _taken(self, port: int) -> bytes:
        try:
            return os.read(port, _MOST)
        except BlockingIOError:
            return b""
        except OSError as exc:
            self.fault = exc
            return b""

    def _note(self, now: int) -> None:
        if self._awaits:
            self._awaits, self.began = False, now
        self.heard[self._asked] = now / 1e9


def _quietly(act: Callable[[], object]) -> None:
    try:
        act()
    except (OSError, termios.error):  # it is gone: there is nothing left to let go of
        return


def told(fault: OSError) -> str:
    """What is wrong with a port, and what to do; `{device}` is its name."""
    return _WHY.get(fault.errno or 0, fault.strerror or str(fault))
