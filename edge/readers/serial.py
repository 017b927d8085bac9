"""Reads cards from a reader on a serial line, USB or UART."""

import time
from collections.abc import Callable
from typing import Final

import serial

from edge.errors import ReaderGone
from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.frames import Frame, LineHex, Noise, Presence
from edge.readers.watching import Turn, Watch

FIELD_GAP: Final = 1.0
"""Seconds without a frame after which a card has left the field: readers repeat it several times a second."""

SILENCE: Final = 0.2
"""Seconds after which a frame that has begun is given up; at 9600 baud a whole one takes 25 ms."""


class SerialReader:
    """One serial reader, opened by a path that stays the same when it is plugged in again (`/dev/serial/by-id/…`)."""

    def __init__(self, name: str, device: str, baud: int = 9600) -> None:
        self.name = name
        self._device = device
        self._baud = baud
        self._watch = Watch(name, self._session)
        self._presence = Presence(FIELD_GAP)

    @property
    def is_there(self) -> bool:
        """Says whether the port is open and answers."""
        return self._watch.is_there

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Open the port as soon as it is there, and report what is held against the reader."""
        self._watch.start(seen)

    def stop(self) -> None:
        """Close the port; takes as long as one silence at most."""
        self._watch.stop()

    def _session(self, watch: Turn) -> None:
        try:
            with serial.Serial(self._device, self._baud, timeout=SILENCE, exclusive=True) as port:
                port.reset_input_buffer()  # what came while nobody listened is no tap of now
                self._listen(watch, port)
        except (serial.SerialException, OSError) as exc:
            raise ReaderGone(self.name, _told(exc)) from exc

    def _listen(self, watch: Turn, port: serial.Serial) -> None:
        frames = LineHex()
        while not watch.stopping:
            watch.alive()
            received = port.read(1)
            if received:
                received += port.read(port.in_waiting)
            for found in frames.feed(received) if received else frames.idle():
                self._report(watch, found, time.monotonic())

    def _report(self, watch: Turn, found: Frame | Noise, now: float) -> None:
        match found:
            case Frame(card=card):
                if self._presence.begins(card, now):
                    watch.report(CardSeen(card, self.name))
            case Noise(why=why):
                if self._presence.is_worth_telling(now):
                    watch.report(CardUnread(self.name, why))


def _told(exc: OSError) -> str:
    return exc.strerror or str(exc)
