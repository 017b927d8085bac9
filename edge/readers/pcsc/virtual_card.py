"""A card for pcscd's virtual reader: held against it and taken away by a test, a journey or the demonstration."""

import argparse
import contextlib
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Final

from edge.errors import ReaderFault, VirtualReaderFault
from edge.piv.applet import Applet, PivCard
from edge.piv.kept import take


def _atr(body: str) -> bytes:
    """With the byte in front and the check byte that every ATR of a contactless card has (PC/SC part 3, 3.1.3.2.3)."""
    inner = bytes.fromhex(body)
    return b"\x3b" + inner + bytes([reduce(xor, inner)])


ATR: Final = _atr("8F80 0180 4F0C A000000306 03 0001 00000000")  # a storage card, MIFARE 1K
ATR_PIV: Final = _atr("8880 01 00 73C001C0 00 9000")  # ISO/IEC 14443-4; it chains commands, and takes extended lengths
GET_UID: Final = bytes.fromhex("FFCA000000")
SUCCESS: Final = bytes.fromhex("9000")
UNSUPPORTED: Final = bytes.fromhex("6A81")
POWER_OFF, POWER_ON, RESET, TELL_ATR = b"\x00", b"\x01", b"\x02", b"\x04"


class Pulled(Enum):
    """When the card leaves the field by itself."""

    NEVER = auto()
    AFTER_ATR = auto()
    BEFORE_ANSWER = auto()
    MID_ANSWER = auto()


def random_uid() -> bytes:
    """A serial that a chip made up for this touch (ISO/IEC 14443-3, 6.5.4: four bytes, the first 08)."""
    return b"\x08" + secrets.token_bytes(3)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held against the reader, and how it behaves there.

    `status` ends the answer of the reader to the question for the serial. `pulled` happens at the command after the
    first `after` ones; without a number, when the serial is asked for.
    """

    uid: bytes
    piv: PivCard | None = None
    status: bytes = SUCCESS
    pulled: Pulled = Pulled.NEVER
    after: int | None = None

    @property
    def atr(self) -> bytes:
        """What the reader makes up as the answer to reset."""
        return ATR if self.piv is None else ATR_PIV


class VirtualCard:
    """One card beside the virtual reader whose vpcd listens on `port`: a TCP connection is a card in the field.

    pcscd looks every 400 ms, so a card must stay, and stay away, for longer than that to be noticed.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def insert(self, uid: bytes, *, pulled: Pulled = Pulled.NEVER, status: bytes = SUCCESS) -> None:
        """Hold a card that has nothing but this serial against the reader: see `hold`."""
        self.hold(Held(uid, status=status, pulled=pulled))

    def hold(self, held: Held) -> None:
        """Hold a card against the reader, instead of any that is there.

        Raises VirtualReaderFault when no virtual reader listens.
        """
        self.remove()
        try:
            self._line = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError as exc:
            raise VirtualReaderFault(f"nobody listens on port {self._port}: {exc.strerror or exc}") from exc
        self._line.settimeout(None)
        chip = _Chip(self._line, held)
        self._thread = threading.Thread(target=chip.serve, name=f"virtual card {self._port}", daemon=True)
        self._thread.start()

    def remove(self) -> None:
        """Take it away."""
        if self._line is not None:
            with contextlib.suppress(OSError):  # it may have gone already
                self._line.shutdown(socket.SHUT_RDWR)
            if self._thread is not None:
                self._thread.join()
            self._line.close()
            self._line = self._thread = None


class _Chip:
    """Answers the reader over one connection: two bytes of length, then a control byte or an APDU."""

    def __init__(self, line: socket.socket, held: Held) -> None:
        self._line = line
        self._held = held
        self._is_powered = False
        self._applet: Applet | None = None
        self._left = held.after

    def serve(self) -> None:
        """Answer until the card is taken away, from either side."""
        with contextlib.suppress(OSError, EOFError):
            while self._react(self._receive(int.from_bytes(self._receive(2), "big"))):
                pass
            self._line.shutdown(socket.SHUT_RDWR)

    def _react(self, message: bytes) -> bool:
        """Says whether the card stays in the field."""
        if message in {POWER_OFF, POWER_ON, RESET}:
            self._is_powered = message != POWER_OFF
            self._applet = None if self._held.piv is None else Applet(self._held.piv)  # it forgets what was selected
            return True
        if message == TELL_ATR:  # also asked of a card without power, to see whether it is there
            self._send(self._held.atr)
            return not (self._is_powered and self._held.pulled is Pulled.AFTER_ATR)
        return self._answer(message)

    def _answer(self, command: bytes) -> bool:
        pulled = self._held.pulled if self._is_due(command) else Pulled.NEVER
        if pulled is Pulled.BEFORE_ANSWER:
            return False
        if command == GET_UID:
            answer = self._held.uid + self._held.status
        else:
            answer = UNSUPPORTED if self._applet is None else self._applet.answer(command)
        if pulled is Pulled.MID_ANSWER:
            self._line.sendall(_framed(answer)[:-2])
            return False
        self._send(answer)
        return True

    def _is_due(self, command: bytes) -> bool:
        """Says whether this is the command at which the card is pulled."""
        if self._left is None:
            return command == GET_UID
        self._left -= 1
        return self._left < 0

    def _send(self, message: bytes) -> None:
        self._line.sendall(_framed(message))

    def _receive(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            part = self._line.recv(size - len(received))
            if not part:
                raise EOFError
            # vpcd sends length and message apart; a delayed acknowledgement would cost 44 ms each time
            self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            received += part
        return received


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def obey(card: VirtualCard, line: str, complain: Callable[[str], None]) -> None:
    """Do what one line of standard input asks."""
    words = line.split(maxsplit=2)
    try:
        match words:
            case ["insert", "random"]:
                card.insert(random_uid())
            case ["insert", "piv", folder]:
                kept = take(Path(folder.strip()))
                card.hold(Held(kept.uid or random_uid(), kept.card))
            case ["insert", serial]:
                card.insert(bytes.fromhex(serial))
            case ["remove"]:
                card.remove()
            case []:
                pass
            case _:
                complain(f"{line.strip()}: write `insert HEX`, `insert random`, `insert piv FOLDER` or `remove`")
    except (ValueError, ReaderFault) as exc:
        complain(f"{line.strip()}: {exc}")


def main(arguments: list[str] | None = None) -> None:
    """Obey standard input until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where vpcd listens")
    card = VirtualCard(parser.parse_args(arguments).port)
    for line in sys.stdin:
        obey(card, line, lambda words: print(words, file=sys.stderr, flush=True))  # noqa: T201  # a command's answer
    card.remove()


if __name__ == "__main__":
    main()
