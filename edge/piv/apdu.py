"""Takes command APDUs apart as a card does, and writes the BER-TLV that it answers with."""

from dataclasses import dataclass
from typing import Final, Self

SHORT_MOST: Final = 0x100
EXTENDED_MOST: Final = 0x10000
_HEADER: Final = 4


@dataclass(frozen=True, slots=True)
class Command:
    """One command APDU (ISO/IEC 7816-4, 5.1).

    `expected` is how many bytes the answer may have: 0 where the command carries no Le field.
    """

    class_byte: int
    instruction: int
    p1: int
    p2: int
    body: bytes = b""
    expected: int = 0

    @classmethod
    def parse(cls, given: bytes) -> Self | None:
        """Short or extended length, the cases 1 to 4; None when the lengths do not add up."""
        fields = _fields(given[_HEADER:])
        if len(given) < _HEADER or fields is None:
            return None
        return cls(given[0], given[1], given[2], given[3], *fields)

    @property
    def parameters(self) -> tuple[int, int]:
        """P1 and P2."""
        return self.p1, self.p2


def _fields(rest: bytes) -> tuple[bytes, int] | None:
    """What stands in the data field, and Le."""
    if not rest:
        return b"", 0
    if len(rest) == 1:
        return b"", rest[0] or SHORT_MOST
    if rest[0]:
        return _split(rest[0], rest[1:], SHORT_MOST, 1)
    if len(rest) == 3:
        return b"", int.from_bytes(rest[1:], "big") or EXTENDED_MOST
    return _split(int.from_bytes(rest[1:3], "big"), rest[3:], EXTENDED_MOST, 2)


def _split(size: int, rest: bytes, most: int, width: int) -> tuple[bytes, int] | None:
    body, le = rest[:size], rest[size:]
    if not size or len(body) < size or len(le) not in {0, width}:
        return None
    return body, (int.from_bytes(le, "big") or most) if le else 0


def tlv(tag: int, content: bytes, *, lazy: bool = False) -> bytes:
    """One data object of BER-TLV (ISO/IEC 7816-4, 5.2.2); a lazy card writes every length in three bytes."""
    size = len(content)
    if lazy or size > 0xFF:
        length = b"\x82" + size.to_bytes(2, "big")
    elif size > 0x7F:
        length = bytes([0x81, size])
    else:
        length = bytes([size])
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + length + content


def objects(content: bytes) -> dict[int, bytes] | None:
    """Data objects with tags of one byte, by tag, as they stand in a command; None when they do not fit."""
    found: dict[int, bytes] = {}
    while content:
        size_and_rest = _length(content[1:])
        if size_and_rest is None:
            return None
        size, rest = size_and_rest
        if len(rest) < size:
            return None
        found[content[0]] = rest[:size]
        content = rest[size:]
    return found


def _length(given: bytes) -> tuple[int, bytes] | None:
    if not given:
        return None
    if given[0] < 0x80:
        return given[0], given[1:]
    width = given[0] & 0x7F
    if width not in {1, 2} or len(given) < 1 + width:
        return None
    return int.from_bytes(given[1 : 1 + width], "big"), given[1 + width :]
