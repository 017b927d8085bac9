"""Turns the lines of serial readers, in hexadecimal or decimal digits, into cards."""

import re
from collections.abc import Callable
from typing import Final

from edge.readers.serial.frames import EM_BYTES, HEX_DIGITS, LONGEST, Frame, Noise, named
from edge.words import msgid

_ENDS: Final = frozenset(b"\r\n")
_DIGITS: Final = frozenset(b"0123456789,")
_WHOLE_TAG: Final = re.compile(rb"\d{12,13}")  # "10H13D": all 40 bits of a tag; some readers print 12 digits
_FOUR_BYTES: Final = re.compile(rb"\d{10}")  # "8H10D": 32 bits
_TWO_WORDS: Final = re.compile(rb"(\d{5}),(\d{5})")  # "4H4H", "08H>55D": the same 32 bits, 16 and 16
_THREE_BYTES: Final = re.compile(rb"\d{8}|\d{3},\d{5}")  # "6H8D", "2.4H>3.5D": what a Wiegand reader of 26 bits keeps

TOO_LARGE: Final = msgid("a number of more than 32 bits: set the reader to 13 digits (10H13D)")
CUT: Final = msgid("only 24 bits of the card's number: set the reader to 13 digits (10H13D) or to hexadecimal digits")
ODD_LENGTH: Final = msgid("not as many digits as a card's number has: 13, 12 or 10, or 5 and 5 with a comma")


class Lines:
    """Takes apart lines that end with CR, LF or CRLF; `named` says which card a line names, or why none."""

    def __init__(self, named: Callable[[bytes], Frame | Noise]) -> None:
        self._named = named
        self._line = bytearray()
        self._is_overlong = False

    def feed(self, received: bytes) -> list[Frame | Noise]:
        """What these bytes complete. However a stream is chopped, it gives the same values."""
        found: list[Frame | Noise] = []
        for byte in received:
            if byte in _ENDS:
                found += self._end()
            elif len(self._line) < LONGEST:
                self._line.append(byte)
            else:
                self._is_overlong = True
        return found

    def idle(self) -> list[Noise]:
        """The line has been silent for longer than a reader pauses within a frame: what is left stays unfinished."""
        rest = bytes(self._line)
        self._forget()
        return [Noise(msgid("the line broke off"), rest)] if rest else []

    def __len__(self) -> int:
        """How many bytes are kept."""
        return len(self._line)

    def _end(self) -> list[Frame | Noise]:
        line, overlong = bytes(self._line), self._is_overlong
        self._forget()
        if not line:
            return []  # between CR and LF, or an empty line
        return [Noise(msgid("the line is too long"), line) if overlong else self._named(line)]

    def _forget(self) -> None:
        self._line.clear()
        self._is_overlong = False


def named_in_hex(line: bytes, *, is_reversed: bool = False) -> Frame | Noise:
    """The card of a line of the profile `line-hex`."""
    if not HEX_DIGITS.issuperset(line):
        return Noise(msgid("not only hexadecimal digits"), line)
    if len(line) % 2:
        return Noise(msgid("an odd number of hexadecimal digits"), line)
    return named(bytes.fromhex(line.decode("ascii")), line, is_reversed=is_reversed)


def named_in_decimal(line: bytes, *, is_reversed: bool = False) -> Frame | Noise:
    """The card of a line of the profile `line-dec`: 13 digits are a whole tag, 10 digits four bytes of a number.

    Nothing is made up for what a reader leaves out: fewer bits than a card has name no card.
    """
    if not _DIGITS.issuperset(line):
        return Noise(msgid("not only decimal digits"), line)
    if _THREE_BYTES.fullmatch(line):
        return Noise(CUT, line)
    if (words := _TWO_WORDS.fullmatch(line)) is not None:
        number, size = _joined(int(words[1]), int(words[2])), 4
    elif _FOUR_BYTES.fullmatch(line):
        number, size = int(line), 4
    elif _WHOLE_TAG.fullmatch(line):
        number, size = int(line), EM_BYTES
    else:
        return Noise(ODD_LENGTH, line)
    if not 0 <= number < 1 << (8 * size):
        return Noise(TOO_LARGE if size < EM_BYTES else msgid("a number of more than 40 bits, which no tag has"), line)
    return named(number.to_bytes(size, "big"), line, is_reversed=is_reversed)


def _joined(high: int, low: int) -> int:
    """Two words of 16 bits as one number; -1 where one is larger than that."""
    return high << 16 | low if max(high, low) < 1 << 16 else -1


def line_of_hex(serial: bytes) -> bytes:
    """How a reader of the profile `line-hex` names this number."""
    return serial.hex().upper().encode() + b"\r\n"


def line_of_decimal(serial: bytes) -> bytes:
    """How a reader of the profile `line-dec` names this number of 4 or 5 bytes. Raises ValueError for others."""
    if len(serial) not in {4, EM_BYTES}:
        raise ValueError(f"{len(serial)} bytes: decimal lines name cards of 4 or 5 bytes")
    return f"{int.from_bytes(serial, 'big'):0{10 if len(serial) == 4 else 13}}\r\n".encode()
