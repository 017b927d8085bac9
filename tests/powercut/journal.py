"""Reads what shim.c wrote down: every change of the watched files and every sync, in their order."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

MAGIC: Final = b"PCJ1"

_HEAD: Final = struct.Struct("<4sHHHHIQqq")


class Op(IntEnum):
    """What a record tells."""

    OPENED = 1
    """`name` was opened; `number` is 1 where that made it."""
    WRITTEN = 2
    """`data` at offset `number`."""
    TRUNCATED = 3
    """The size became `number`, be it shorter or longer."""
    SYNC_BEGUN = 4
    """A file's, or the folder's where `name` is "."; `number` is the thread."""
    SYNC_ENDED = 5
    """`other` is empty, or "failed"."""
    RENAMED = 6
    """`name` became `other`."""
    UNLINKED = 7
    SYNCED_ALL = 8
    NOT_FOLLOWED = 9
    """Something that the shim cannot follow: what is rebuilt after it would be wrong."""
    NOTED = 10
    """A word of whoever records: `name`."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal; `at` is in monotonic nanoseconds."""

    op: Op
    name: str
    other: str
    inode: int
    number: int
    at: int
    data: bytes


class NotFollowed(Exception):
    """The program did something that the shim has no model of: teach it, or the rebuilt disks mean nothing."""


def read_journal(path: Path) -> list[Record]:
    """All whole records; one cut off at the end, by a kill, is left out. Raises NotFollowed."""
    records = list(_records(path.read_bytes()))
    unknown = sorted({record.name for record in records if record.op is Op.NOT_FOLLOWED})
    if unknown:
        raise NotFollowed(", ".join(unknown))
    return records


def _records(raw: bytes) -> Iterator[Record]:
    at = 0
    while at + _HEAD.size <= len(raw):
        magic, op, name_length, other_length, _, length, inode, number, when = _HEAD.unpack_from(raw, at)
        assert magic == MAGIC, f"no record at byte {at}"
        name_at = at + _HEAD.size
        other_at = name_at + name_length
        data_at = other_at + other_length
        at = data_at + length
        if at > len(raw):
            return
        name, other = raw[name_at:other_at].decode(), raw[other_at:data_at].decode()
        yield Record(Op(op), name, other, inode, number, when, raw[data_at:at])


def note(path: Path, words: str) -> None:
    """Put a word of one's own among the records, at this very moment of what is being recorded."""
    name = words.encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, _HEAD.pack(MAGIC, Op.NOTED, len(name), 0, 0, 0, 0, 0, 0) + name)
    finally:
        os.close(file)
