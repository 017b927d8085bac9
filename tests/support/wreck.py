"""Ledgers as a daemon that was killed leaves them, ways to damage them, and what is still in one piece.

Which rows are intact is found by looking for their bytes, by the written file format and not by the product's reading.
"""

import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from edge.ledger.ledger import Ledger
from edge.ledger.retention import DAY, Retention
from protocol.errors import TerminalId
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock

TERMINAL: Final = TerminalId("gate-1")
FILES: Final = ("ledger.db", "ledger.db-wal", "ledger.db-shm")
LEAF, INTERIOR = 0x0D, 0x05
PAGE_SIZE_AT: Final = 16
TRUNK_AT: Final = 32


@dataclass(frozen=True, slots=True)
class Wreck:
    """A ledger's files, and what stood in it before anything happened to them."""

    folder: Path
    ledger: bytes
    rows: Mapping[int, tuple[bytes, bytes, bytes | None]]
    receipted: int

    @property
    def file(self) -> Path:
        """The database."""
        return self.folder / "ledger.db"

    @property
    def log(self) -> Path:
        """Its write-ahead log."""
        return self.folder / "ledger.db-wal"

    def copied(self, folder: Path) -> "Wreck":
        """The same in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, folder / name)
        return Wreck(folder, self.ledger, self.rows, self.receipted)

    def intact(self, *places: Path) -> set[int]:
        """The numbers whose digest, hash and payload are all still in one piece somewhere."""
        raw = [place.read_bytes() for place in places if place.exists()]
        return {
            seq
            for seq, (digest, entry_hash, payload) in self.rows.items()
            if payload is not None
            and any(_entry_row(seq, digest, entry_hash) in each for each in raw)
            and any(_payload_row(seq, payload) in each for each in raw)
        }

    def pages(self, kind: int) -> list[int]:
        """Where in the file the pages of a kind begin, those after the first."""
        raw, size = self.file.read_bytes(), self.page_size
        return [at for at in range(size, len(raw), size) if raw[at] == kind]

    @property
    def trunk(self) -> int:
        """Where the first page lies that lists those that nothing uses."""
        with self.file.open("rb") as file:
            (number,) = struct.unpack(">I", file.read(TRUNK_AT + 4)[TRUNK_AT:])
        return int(number - 1) * self.page_size

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        with self.file.open("rb") as file:
            return int(struct.unpack(">H", file.read(PAGE_SIZE_AT + 2)[PAGE_SIZE_AT:])[0])


def killed_ledger(
    folder: Path, entries: int, *, checkpointed: int = 0, receipted: int = 0, purged: bool = False
) -> Wreck:
    """A ledger of so many taps, the last of them still in its log, as kill -9 or a power cut leaves it.

    `purged`: the payloads that have a receipt went, and left pages that nothing uses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at_work = folder / "at-work"
    at_work.mkdir()
    with closing(Ledger.open(at_work / "ledger.db", TERMINAL, HandClock())) as ledger:
        for number in range(entries):
            ledger.append(tap(number))
            if number == checkpointed:
                ledger._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if receipted:
            ledger.note_receipt(Receipt(VERSION, ledger.id, receipted, ledger.hash_at(receipted)))
            ledger.save_receipt()
        if purged:
            while Retention(ledger.path, 1, 0, 0).purge_some(HandClock(NOON + 2 * DAY).read()):
                pass
            ledger._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        wreck = Wreck(at_work, ledger.id, _rows(at_work / "ledger.db"), receipted).copied(folder)
    shutil.rmtree(at_work)
    return wreck


def _rows(path: Path) -> dict[int, tuple[bytes, bytes, bytes | None]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
        query = "SELECT entry.seq, digest, hash, bytes FROM entry LEFT JOIN payload USING (seq)"
        return {seq: (digest, entry_hash, raw) for seq, digest, entry_hash, raw in file.execute(query)}


# --- damage ---------------------------------------------------------------------------------------------------------


def flip(path: Path, random: Random, first: int = 0, size: int | None = None) -> None:
    """Turn one bit over in a stretch of a file."""
    with path.open("r+b") as file:
        last = file.seek(0, 2) if size is None else first + size
        at = random.randrange(first, last)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << random.randrange(8)]))


def overwrite(path: Path, at: int, raw: bytes) -> None:
    """Write something else over a stretch of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(raw)


def cut(path: Path, length: int) -> None:
    """Leave only the beginning of a file."""
    with path.open("r+b") as file:
        file.truncate(length)


def regions(wreck: Wreck) -> Iterator[tuple[str, Callable[[Random], None]]]:
    """Every part of a ledger's files by name, with what turns a bit over in it."""
    page = wreck.page_size

    def turn(path: Path, first: int, size: int) -> Callable[[Random], None]:
        return lambda random: flip(path, random, first, size)

    def turn_any(path: Path, pages: list[int]) -> Callable[[Random], None]:
        return lambda random: flip(path, random, random.choice(pages), page)

    yield "header", turn(wreck.file, 0, 100)
    yield "schema", turn(wreck.file, 100, page - 100)
    yield "interior", turn_any(wreck.file, wreck.pages(INTERIOR))
    yield "leaf", turn_any(wreck.file, wreck.pages(LEAF))
    yield "log header", turn(wreck.log, 0, 32)
    yield "log", turn(wreck.log, 32, wreck.log.stat().st_size - 32)
    yield "shared memory", turn(wreck.folder / "ledger.db-shm", 0, 32768)


# --- the written format: a cell is its size, its key, and a record; numbers are varints -----------------------------


def _entry_row(seq: int, digest: bytes, entry_hash: bytes) -> bytes:
    return _varint(seq) + bytes([4, 0, 12 + 2 * 32, 12 + 2 * 32]) + digest + entry_hash


def _payload_row(seq: int, payload: bytes) -> bytes:
    return _varint(seq) + bytes([4, 0]) + _varint(12 + 2 * len(payload)) + payload


def _varint(number: int) -> bytes:
    high, low = divmod(number, 128)
    return bytes([low]) if not high else bytes([high | 0x80, low]) if high < 128 else _high(number)


def _high(number: int) -> bytes:
    return bytes([number >> 14 | 0x80, number >> 7 & 0x7F | 0x80, number & 0x7F])
