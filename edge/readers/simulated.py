"""Readers without hardware: one that is tapped by the local socket, and a serial one at the end of a pty."""

import argparse
import contextlib
import os
import queue
import sys
import threading
import tty
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, Sighting
from edge.readers.serial.profiles import Profile, spoken
from protocol.cards import CardId

REPEAT: Final = 0.2
"""Seconds between two frames while a tag stays in the field."""

STAY: Final = 0.6
"""Seconds that a tag stays in the field unless said otherwise."""


class ReaderAct(StrEnum):
    """What somebody can do to a simulated reader."""

    UNPLUG = "unplug"
    PLUG = "plug"
    HURRY = "hurry"


class SimulatedReader:
    """A reader whose cards come by `grindvakt tap` and by the panel, where it can be unplugged too."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: Callable[[Sighting], None] | None = None
        self._is_plugged = True

    @property
    def is_there(self) -> bool:
        """Says whether it has been started and is plugged in."""
        return self._seen is not None and self._is_plugged

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Report to `seen` from now on."""
        self._seen = seen

    def stop(self) -> None:
        """Report nothing more."""
        self._seen = None

    def tap(self, card: CardId) -> None:
        """Hold a card against it; before the start, after the stop and unplugged nobody notices."""
        if self._is_plugged:
            self._report(CardSeen(card, self.name))

    def act(self, act: ReaderAct) -> None:
        """Unplug it, plug it in again, or take a card away from it before it is read."""
        match act:
            case ReaderAct.UNPLUG if self._is_plugged:
                self._is_plugged = False
                self._report(ReaderLost(self.name, "it was unplugged"))
            case ReaderAct.PLUG if not self._is_plugged:
                self._is_plugged = True
                self._report(ReaderBack(self.name))
            case ReaderAct.HURRY if self._is_plugged:
                self._report(CardUnread(self.name, "the card was taken away"))
            case _:
                return

    def _report(self, sighting: Sighting) -> None:
        if self._seen is not None:
            self._seen(sighting)


class SerialSimulator:
    """A serial reader of any profile on a pty: `link` leads to it, as udev's by-id paths do.

    While a tag stays in the field its frame is sent again and again, and there is one tag in the field at a time.
    """

    def __init__(self, link: Path, profile: Profile = Profile.LINE_HEX, *, is_reversed: bool = False) -> None:
        self._link = link
        self._profile = profile
        self._is_reversed = is_reversed
        self._tags: queue.SimpleQueue[tuple[bytes, float] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._plugged = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, name=f"serial simulator {link.name}", daemon=True)

    def start(self) -> None:
        """Plug it in, and wait for tags."""
        self.plug()
        self._thread.start()

    def stop(self) -> None:
        """Take it away; a tag in the field is cut short."""
        self._stop.set()
        self._tags.put(None)
        self._thread.join()
        self.unplug()

    def tap(self, serial: bytes, stay: float = STAY) -> None:
        """Hold a tag against it for `stay` seconds, after any that is there.

        Raises ValueError for a serial number that such a reader cannot name.
        """
        self._tags.put((spoken(self._profile, serial, is_reversed=self._is_reversed), stay))

    def plug(self) -> None:
        """Make the port appear, under a new device but the same link."""
        with self._plugged:
            if self._ends is None:
                master, slave = os.openpty()
                tty.setraw(slave)
                os.set_blocking(master, False)
                self._ends = master, slave
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(os.ttyname(slave))

    def unplug(self) -> None:
        """Make the port disappear, in the middle of whatever is sent."""
        with self._plugged:
            if self._ends is not None:
                self._link.unlink(missing_ok=True)
                for end in self._ends:
                    os.close(end)
                self._ends = None

    def send(self, raw: bytes) -> None:
        """Put these bytes on the line; nobody there to read them means that they are lost."""
        with self._plugged, contextlib.suppress(BlockingIOError):
            if self._ends is not None:
                os.write(self._ends[0], raw)

    def _run(self) -> None:
        while not self._stop.is_set():
            tag = self._tags.get()
            if tag is not None:
                self._hold(*tag)

    def _hold(self, frame: bytes, stay: float) -> None:
        while True:
            self.send(frame)
            if self._stop.wait(min(REPEAT, max(stay, 0))) or stay <= REPEAT:
                return
            stay -= REPEAT


def obey(simulator: SerialSimulator, line: str, complain: Callable[[str], None]) -> None:
    """Do what one line of standard input asks: `tap HEX`, and how many seconds the tag stays if it is not 0.6."""
    match line.split():
        case ["tap", serial, *stay] if len(stay) <= 1:
            try:
                simulator.tap(bytes.fromhex(serial), *map(float, stay))
            except ValueError as exc:
                complain(f"{line.strip()}: {exc}")
        case []:
            pass
        case _:
            complain(f"{line.strip()}: write `tap HEX` or `tap HEX SECONDS`")


def main(arguments: list[str] | None = None) -> None:
    """Obey standard input until it ends; says `ready` when the link is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="path under which the serial port appears")
    parser.add_argument(
        "--profile", type=Profile, choices=list(Profile), default=Profile.LINE_HEX, help="how it speaks"
    )
    parser.add_argument("--reversed", action="store_true", help="its bytes come least significant first")
    asked = parser.parse_args(arguments)
    simulator = SerialSimulator(asked.link, asked.profile, is_reversed=asked.reversed)
    simulator.start()
    print("ready", flush=True)  # noqa: T201  # whoever started this waits for it
    try:
        for line in sys.stdin:
            obey(simulator, line, lambda words: print(words, file=sys.stderr, flush=True))  # noqa: T201
    finally:
        simulator.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
