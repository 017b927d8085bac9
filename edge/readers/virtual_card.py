"""A card for pcscd's virtual reader: held against it and taken away by a test, a journey or the demonstration."""

import argparse
import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from enum import Enum, auto
from functools import reduce
from operator import xor
from typing import Final

from edge.errors import VirtualReaderFault

ATR_BODY: Final = bytes.fromhex("8F80 0180 4F0C A000000306 03 0001 00000000")  # PC/SC part 3: a storage card, MIFARE 1K
ATR: Final = b"\x3b" + ATR_BODY + bytes([reduce(xor, ATR_BODY)])
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


class VirtualCard:
    """One card beside the virtual reader whose vpcd listens on `port`: a TCP connection is a card in the field.

    pcscd looks every 400 ms, so a card must stay, and stay away, for longer than that to be noticed.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def insert(self, uid: bytes, *, pulled: Pulled = Pulled.NEVER, status: bytes = SUCCESS) -> None:
        """Hold a card with this serial number against the reader, instead of any that is there.

        Raises VirtualReaderFault when no virtual reader listens.
        """
        self.remove()
        try:
            self._line = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError as exc:
            raise VirtualReaderFault(f"nobody listens on port {self._port}: {exc.strerror or exc}") from exc
        self._line.settimeout(None)
        chip = _Chip(self._line, uid + status, pulled)
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

    def __init__(self, line: socket.socket, answer: bytes, pulled: Pulled) -> None:
        self._line = line
        self._answer = answer
        self._pulled = pulled
        self._is_powered = False

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
            return True
        if message == TELL_ATR:  # also asked of a card without power, to see whether it is there
            self._send(ATR)
            return not (self._is_powered and self._pulled is Pulled.AFTER_ATR)
        if message != GET_UID:
            self._send(UNSUPPORTED)
            return True
        if self._pulled is Pulled.BEFORE_ANSWER:
            return False
        if self._pulled is Pulled.MID_ANSWER:
            self._line.sendall(_framed(self._answer)[:-2])
            return False
        self._send(self._answer)
        return True

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
    """Do what one line of standard input asks: `insert HEX` or `remove`."""
    match line.split():
        case ["insert", serial]:
            try:
                card.insert(bytes.fromhex(serial))
            except (ValueError, VirtualReaderFault) as exc:
                complain(f"{line.strip()}: {exc}")
        case ["remove"]:
            card.remove()
        case []:
            pass
        case _:
            complain(f"{line.strip()}: write `insert HEX` or `remove`")


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
