"""Walks over the BER-TLV that a card wrote, which may be odd, cut off or anything else."""

from collections.abc import Iterator
from typing import Final

from edge.errors import CardFault

CUT_OFF: Final = "the card gave less than it announced"
LONGEST_TAG: Final = 3


def fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each field, as they stand (ISO/IEC 7816-4, 5.2.2); lengths may be longer than they need be.

    Nothing is read beyond the field that is asked for. Raises CardFault where one does not end.
    """
    at = 0
    while at < len(raw):
        if raw[at] == 0x00:  # ISO/IEC 7816-4, 5.2.2: may stand between fields, and means nothing
            at += 1
            continue
        tag, at = _tag(raw, at)
        size, at = _size(raw, at)
        if at + size > len(raw):
            raise CardFault(CUT_OFF)
        yield tag, raw[at : at + size]
        at += size


def unwrapped(raw: bytes, tag: int) -> bytes:
    """The value of the first field, which must have this tag; what follows it is left. Raises CardFault."""
    for found, value in fields(raw):
        if found == tag:
            return value
        raise CardFault(f"the card gave a field {found:X} where {tag:X} was expected")
    raise CardFault(CUT_OFF)


def wrapped(tag: int, value: bytes) -> bytes:
    """A field with a tag of one byte, as commands carry it; at most 65535 bytes."""
    size = len(value)
    length = bytes([size]) if size < 0x80 else b"\x81" + bytes([size]) if size < 0x100 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + value


def _tag(raw: bytes, at: int) -> tuple[int, int]:
    end = at + 1
    if raw[at] & 0x1F == 0x1F:
        while end < len(raw) and raw[end] & 0x80:
            end += 1
        end += 1
    if end > len(raw):
        raise CardFault(CUT_OFF)
    if end - at > LONGEST_TAG:
        raise CardFault(f"the card gave a tag of {end - at} bytes")
    return int.from_bytes(raw[at:end]), end


def _size(raw: bytes, at: int) -> tuple[int, int]:
    if at >= len(raw):
        raise CardFault(CUT_OFF)
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    end = at + 1 + (first & 0x7F)
    if first == 0x80 or first > 0x84:
        raise CardFault(f"the card gave a length that begins with {first:02X}")
    if end > len(raw):
        raise CardFault(CUT_OFF)
    return int.from_bytes(raw[at + 1 : end]), end
