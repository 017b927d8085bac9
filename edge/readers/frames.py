"""Turns the bytes of serial readers into card identities: bytes in, values out."""

from dataclasses import dataclass
from typing import Final

from protocol.cards import UID_LENGTHS, CardId, CardKind

LONGEST_LINE: Final = 64
"""Bytes of a line that are kept; a longer one is noise up to its end."""

EM_BYTES: Final = 5  # EM4100: 8 bits version or customer, 32 bits serial
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_ENDS: Final = frozenset(b"\r\n")


@dataclass(frozen=True, slots=True)
class Frame:
    """A card that a reader named, with the line as it came."""

    card: CardId
    raw: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that name no card: why, and what is kept of them."""

    why: str
    raw: bytes


class LineHex:
    """The profile `line-hex`: the card as hex digits, most significant first, ended by CR, LF or CRLF.

    5 bytes are a 125 kHz tag (`em:`); 4, 7 and 10 bytes a chip's serial (`uid:`).
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_overlong = False

    def feed(self, received: bytes) -> list[Frame | Noise]:
        """What these bytes complete. However a stream is chopped, it gives the same values."""
        found: list[Frame | Noise] = []
        for byte in received:
            if byte in _ENDS:
                found += self._end()
            elif len(self._line) < LONGEST_LINE:
                self._line.append(byte)
            else:
                self._is_overlong = True
        return found

    def idle(self) -> list[Noise]:
        """The line has been silent for longer than a reader pauses within a frame: what is left stays unfinished."""
        rest = bytes(self._line)
        self._forget()
        return [Noise("the line broke off", rest)] if rest else []

    def __len__(self) -> int:
        """How many bytes are kept."""
        return len(self._line)

    def _end(self) -> list[Frame | Noise]:
        line, overlong = bytes(self._line), self._is_overlong
        self._forget()
        if not line:
            return []  # between CR and LF, or an empty line
        return [Noise("the line is too long", line) if overlong else _named(line)]

    def _forget(self) -> None:
        self._line.clear()
        self._is_overlong = False


def _named(line: bytes) -> Frame | Noise:
    if not _HEX.issuperset(line):
        return Noise("not only hexadecimal digits", line)
    if len(line) % 2:
        return Noise("an odd number of hexadecimal digits", line)
    serial = bytes.fromhex(line.decode("ascii"))
    if len(serial) == EM_BYTES:
        return Frame(CardId.from_bytes(CardKind.EM, serial), line)
    if len(serial) in UID_LENGTHS:
        return Frame(CardId.from_bytes(CardKind.UID, serial), line)
    return Noise(f"{len(serial)} bytes, expected 4, 5, 7 or 10", line)


class Presence:
    """Tells a card that comes into the field from one that stays there and is repeated.

    Times are seconds of a monotonic clock; a silence of `gap` means that the field was empty.
    """

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._there: CardId | None = None
        self._last = 0.0
        self._last_noise: float | None = None

    def begins(self, card: CardId, now: float) -> bool:
        """Says whether this frame is the first of a new presence."""
        stays = card == self._there and now - self._last < self._gap
        self._there = card
        self._last = now
        return not stays

    def is_worth_telling(self, now: float) -> bool:
        """Says whether noise at this time is more than the ragged edge of a presence or of noise already told."""
        told, self._last_noise = self._last_noise, now
        near_card = self._there is not None and now - self._last < self._gap
        return not near_card and (told is None or now - told >= self._gap)
