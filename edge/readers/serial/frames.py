"""What the bytes of a serial reader come to: cards that it names, and noise."""

from dataclasses import dataclass
from typing import Final, Protocol

from protocol.cards import UID_LENGTHS, CardId, CardKind

LONGEST: Final = 64
"""Bytes of a line or frame that are kept; a longer one is noise up to its end."""

EM_BYTES: Final = 5  # EM4100: 8 bits version or customer, 32 bits serial
HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Frame:
    """A card that a reader named, with the line or frame as it came."""

    card: CardId
    raw: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that name no card: why, and what is kept of them."""

    why: str
    raw: bytes


class Frames(Protocol):
    """Bytes in, values out. However a stream is chopped, it gives the same values, and LONGEST bounds what is kept."""

    def feed(self, received: bytes) -> list[Frame | Noise]:
        """What these bytes complete."""

    def idle(self) -> list[Noise]:
        """The line has been silent for longer than a reader pauses within a frame: what is left stays unfinished."""

    def __len__(self) -> int:
        """How many bytes are kept."""


def named(serial: bytes, raw: bytes, *, is_reversed: bool) -> Frame | Noise:
    """The card of this serial number: 5 bytes are a 125 kHz tag (`em:`), 4, 7 and 10 a chip's serial (`uid:`)."""
    first_to_last = serial[::-1] if is_reversed else serial
    if len(serial) == EM_BYTES:
        return Frame(CardId.from_bytes(CardKind.EM, first_to_last), raw)
    if len(serial) in UID_LENGTHS:
        return Frame(CardId.from_bytes(CardKind.UID, first_to_last), raw)
    return Noise(f"{len(serial)} bytes, expected 4, 5, 7 or 10", raw)
