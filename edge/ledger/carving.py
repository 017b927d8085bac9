"""Finds a ledger's rows in raw bytes of its file, whatever else of the file is damaged.

A row lies in one piece within its page (Database File Format, section 2.1: the cell of a table's leaf), so that neither
header, schema nor the tree above it is needed to find it. What is found proves nothing: `weaving` does that.
An entry that overflows its page is not found; those are over 980 bytes long, and nothing records such.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocol.entries import HASH_BYTES, LARGEST_PAYLOAD

OVERLAP: Final = 2 * LARGEST_PAYLOAD
"""Bytes by which pieces of a file must overlap, so that a row on their border is whole in one of them."""

HEAD_BYTES: Final = 128 * 1024  # where a ledger's name and its receipt lie
TAIL_BYTES: Final = 2 * 1024 * 1024  # where the newest entries lie, as long as nothing was purged
LARGEST_LOG: Final = 32 * 1024 * 1024

# each record: number of header bytes, 0 for the key, then a column's type and length as a varint: 2n + 12, text 2n + 13
_ENTRY: Final = re.compile(rb"\x04\x00\x4c\x4c(.{32})(.{32})", re.DOTALL)
_PAYLOAD: Final = re.compile(
    rb"\x04\x00([\x81-\xff][\x00-\x7f])(?=(?:[\x90-\x9f]|\xdc\x00.)(?:\xa3tap|\xa4door|\xa4fact))", re.DOTALL
)
_LEDGER: Final = re.compile(rb"\x01\x04\x00\x2c([\x0f-\x5d])(.{16})([a-z0-9-]{1,40})", re.DOTALL)
_RECEIPT: Final = re.compile(rb"\x01\x04\x00([\x01-\x06\x08\x09])\x4c(.{32,40})", re.DOTALL)
_LONGEST_KEY: Final = 9
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}


@dataclass(slots=True)
class Carved:
    """What looks like rows: (seq, digest, hash), (seq, bytes), (id, terminal), (upto, hash); the last two in order."""

    entries: set[tuple[int, bytes, bytes]] = field(default_factory=set)
    payloads: set[tuple[int, bytes]] = field(default_factory=set)
    ledgers: list[tuple[bytes, str]] = field(default_factory=list)
    receipts: list[tuple[int, bytes]] = field(default_factory=list)


def carve(raw: bytes) -> Carved:
    """Everything in a piece of a ledger's file that looks like one of its rows."""
    found = Carved()
    for match in _ENTRY.finditer(raw):
        seq = _key_before(raw, match.start())
        if seq is not None:
            found.entries.add((seq, match[1], match[2]))
    for match in _PAYLOAD.finditer(raw):
        high, low = match[1]
        size = (((high & 0x7F) << 7 | low) - 12) // 2
        seq = _key_before(raw, match.start())
        payload = raw[match.end() : match.end() + size]
        if not low & 1 and 0 < len(payload) == size <= LARGEST_PAYLOAD and seq is not None:
            found.payloads.add((seq, payload))
    for match in _LEDGER.finditer(raw):
        size = (match[1][0] - 13) // 2
        if match[1][0] & 1 and len(match[3]) >= size:
            found.ledgers.append((match[2], match[3][:size].decode("ascii")))
    for match in _RECEIPT.finditer(raw):
        kind = match[1][0]
        size = _INTEGER_BYTES[kind]
        upto = int.from_bytes(match[2][:size], "big") if size else kind - 8
        if len(match[2]) >= size + HASH_BYTES:
            found.receipts.append((upto, match[2][size : size + HASH_BYTES]))
    return found


def carve_ends(database: Path, log: Path, tail: int = TAIL_BYTES) -> Carved:
    """A quick look: the beginning and the end of a file, then its write-ahead log. What cannot be read is left out."""
    whole = Carved()
    for raw in (*_ends(database, HEAD_BYTES, tail), *_ends(log, LARGEST_LOG, 0)):
        found = carve(raw)
        whole.entries |= found.entries
        whole.payloads |= found.payloads
        whole.ledgers += found.ledgers
        whole.receipts += found.receipts
    return whole


def _ends(path: Path, most_head: int, most_tail: int) -> Iterator[bytes]:
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        yield file.read(most_head)
        if size > most_head and most_tail:
            file.seek(max(size - most_tail, most_head))
            yield file.read(most_tail)


def entry_pattern(seq: int) -> bytes:
    """How the row of an entry begins, for a quick look whether it is anywhere."""
    return as_varint(seq) + b"\x04\x00\x4c\x4c"


def as_varint(number: int) -> bytes:
    """A number below 2**56 as SQLite writes it: seven bits a byte, the highest first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def _varint(raw: bytes) -> int:
    number = 0
    for byte in raw[:8]:
        number = number << 7 | byte & 0x7F
    return number if len(raw) < _LONGEST_KEY else number << 8 | raw[8]


def _key_before(raw: bytes, end: int) -> int | None:
    """The row's number, which ends where the record begins; the record's size, before it, ends in a low byte."""
    start = end - 1
    if start < 0 or raw[start] & 0x80:
        return None
    while start > 0 and end - start < _LONGEST_KEY and raw[start - 1] & 0x80:
        start -= 1
    return _varint(raw[start:end])
