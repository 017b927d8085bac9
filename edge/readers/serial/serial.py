"""Reads cards from a reader on a serial line, USB or UART."""

import errno
import termios
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import serial

from edge.errors import ReaderGone
from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.serial.frames import Frame, Frames, Noise
from edge.readers.serial.presence import Presence
from edge.readers.serial.profiles import Profile, frames_of
from edge.readers.watching import Turn, Watch
from edge.words import msgid

FIELD_GAP: Final = 1.0
"""Seconds without a frame after which a card has left the field: readers repeat it several times a second."""

SILENCE: Final = 0.2
"""Seconds after which a frame that has begun is given up; at 9600 baud a whole one takes 25 ms."""

BAUD: Final = 9600

_WHY: Final = {
    errno.ENOENT: "nothing is plugged in as {device}",
    errno.ENXIO: "nothing is plugged in as {device}",
    errno.ENODEV: "nothing is plugged in as {device}",
    errno.EACCES: "{device} may not be opened: put the daemon's user into its group, mostly dialout",
    errno.EAGAIN: "another program reads {device}: `fuser -v {device}` names it",
    errno.EBUSY: "another program reads {device}: `fuser -v {device}` names it",
    errno.ENOTTY: "{device} is no serial port",
    errno.EIO: msgid("it was unplugged"),
}


class SerialReader:
    """One serial reader, opened by a path that stays the same when it is plugged in again (`/dev/serial/by-id/…`)."""

    def __init__(
        self,
        name: str,
        device: str,
        frames: Callable[[], Frames] = partial(frames_of, Profile.LINE_HEX),  # noqa: B008  # it makes nothing yet
        baud: int = BAUD,
    ) -> None:
        self.name = name
        self._device = device
        self._frames = frames
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
        except (OSError, termios.error) as exc:  # pyserial's own are OSErrors; a port that goes may raise the other
            raise ReaderGone(self.name, self._told(exc)) from exc

    def _listen(self, watch: Turn, port: serial.Serial) -> None:
        frames, begun = self._frames(), 0
        while not watch.stopping:
            watch.alive()
            received = port.read(1)
            now = time.monotonic_ns()
            begun = begun if len(frames) else now
            if received:
                received += port.read(port.in_waiting)
            for found in frames.feed(received) if received else frames.idle():
                self._report(watch, found, begun)

    def _report(self, watch: Turn, found: Frame | Noise, begun: int) -> None:
        now = time.monotonic_ns()
        match found:
            case Frame(card, raw):
                if self._presence.begins(card, now / 1e9):
                    watch.report(CardSeen(card, self.name, raw=raw, took=now - begun))
            case Noise(why, raw):
                if self._presence.is_worth_telling(now / 1e9):
                    watch.report(CardUnread(self.name, why, raw, now - begun))

    def _told(self, exc: OSError | termios.error) -> str:
        number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else None
        if number is None:  # pyserial's own words, where a port is readable and gives nothing
            return _WHY[errno.EIO]
        known = _WHY.get(number)
        return str(exc.args[-1]) if known is None else known.format(device=self._device)
