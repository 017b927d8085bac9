"""Turns the frames of 125 kHz reader modules, which carry a checksum, into cards."""

from enum import Enum
from functools import reduce
from operator import xor
from typing import Final

from edge.readers.serial.frames import EM_BYTES, HEX_DIGITS, LONGEST, Frame, Noise, named
from edge.words import msgid

STX: Final = 0x02
ETX: Final = 0x03
DIGITS: Final = 2 * (EM_BYTES + 1)  # five bytes and their checksum


class Ending(Enum):
    """What stands between the checksum and ETX."""

    CR_LF = b"\r\n"  # ID-Innovations ID-2, ID-12, ID-20 and their LA series (data sheet of 2013-04-11, section 4)
    NOTHING = b""  # RDM630, RDM6300


_MEANT: Final = {
    Ending.CR_LF.value: msgid("a frame of the profile id-12"),
    Ending.NOTHING.value: msgid("a frame of the profile rdm6300"),
}


class CheckedFrames:
    """Takes apart frames of STX, ten hexadecimal digits, their checksum (XOR of the five bytes) in two, and ETX.

    What stands between two frames is noise, but for CR and LF; a frame begun anew before its end broke off.
    """

    def __init__(self, ending: Ending, *, is_reversed: bool = False) -> None:
        self._ending = ending
        self._is_reversed = is_reversed
        self._kept = bytearray()

    def feed(self, received: bytes) -> list[Frame | Noise]:
        """What these bytes complete. However a stream is chopped, it gives the same values."""
        found: list[Frame | Noise] = []
        for byte in received:
            if byte == STX:
                found += self.idle()
            if len(self._kept) < LONGEST:
                self._kept.append(byte)
            if byte == ETX and self._is_in_frame:
                found.append(self._checked(self._taken()))
        return found

    def idle(self) -> list[Noise]:
        """The line has been silent for longer than a reader pauses within a frame: what is left stays unfinished."""
        why = msgid("the frame broke off") if self._is_in_frame else msgid("bytes outside of a frame")
        rest = self._taken()
        return [Noise(why, rest)] if rest.strip(b"\r\n") else []

    def __len__(self) -> int:
        """How many bytes are kept."""
        return len(self._kept)

    @property
    def _is_in_frame(self) -> bool:
        return bool(self._kept) and self._kept[0] == STX

    def _taken(self) -> bytes:
        taken = bytes(self._kept)
        self._kept.clear()
        return taken

    def _checked(self, frame: bytes) -> Frame | Noise:
        digits, ending = frame[1 : 1 + DIGITS], frame[1 + DIGITS : -1]
        if len(frame) < DIGITS + 2 or not HEX_DIGITS.issuperset(digits):
            return Noise(msgid("a frame without ten hexadecimal digits and a checksum"), frame)
        if ending != self._ending.value:
            return Noise(_MEANT.get(ending, msgid("a frame that is too long")), frame)
        *serial, checksum = bytes.fromhex(digits.decode("ascii"))
        if reduce(xor, serial) != checksum:
            return Noise(msgid("the checksum is wrong"), frame)
        return named(bytes(serial), frame, is_reversed=self._is_reversed)


def checked_frame(serial: bytes, ending: Ending) -> bytes:
    """How such a module names this tag. Raises ValueError for anything but five bytes."""
    if len(serial) != EM_BYTES:
        raise ValueError(f"{len(serial)} bytes: a 125 kHz tag has {EM_BYTES}")
    digits = (serial + bytes([reduce(xor, serial)])).hex().upper().encode()
    return bytes([STX]) + digits + ending.value + bytes([ETX])
