"""Puts a damaged ledger aside, whole and for good, so that a new one can begin; what is put aside is never overwritten.

Power may go between any two steps. A mark says that the ledger must not be used any more and why; the next start ends
what was begun. An aside is complete once the mark has become its note.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.storage import sync_folder

COMPANIONS: Final = ("", "-wal", "-shm")
LONGEST_WHY: Final = 1000

_NAME: Final = re.compile(r"ledger-(\d{1,6})\.(?:damaged(?:-wal|-shm)?|why)")


@dataclass(frozen=True, slots=True)
class Aside:
    """A ledger that was put aside; numbered from 1 in the order of their going."""

    folder: Path
    number: int

    @property
    def database(self) -> Path:
        """Its file; its write-ahead log lies beside it under the name that SQLite expects."""
        return self.folder / f"ledger-{self.number}.damaged"

    @property
    def log(self) -> Path:
        """Its write-ahead log."""
        return self.folder / f"ledger-{self.number}.damaged-wal"

    @property
    def note(self) -> Path:
        """Why it was put aside, in words."""
        return self.folder / f"ledger-{self.number}.why"

    @property
    def drain(self) -> Path:
        """Where what can be read of it goes."""
        return self.folder / f"ledger-{self.number}.drain"

    @property
    def why(self) -> str:
        """What the note says."""
        with suppress(OSError):
            return self.note.read_text(encoding="utf-8", errors="replace").strip() or _NOT_NOTED
        return _NOT_NOTED


_NOT_NOTED: Final = "why was not noted"


def condemn(ledger: Path, why: str) -> None:
    """Mark a ledger as one that must not be used after the next start. The first reason stands. Raises OSError."""
    mark = _mark(ledger)
    try:
        descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        with suppress(OSError):  # a full disk keeps the reason out, and the mark counts all the same
            os.write(descriptor, why.encode()[:LONGEST_WHY])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(ledger.parent)


def is_condemned(ledger: Path) -> bool:
    """Whether a ledger must not be used any more."""
    return _mark(ledger).exists()


def put_aside(ledger: Path, why: str) -> Aside:
    """Move a ledger and its log out of the way, or end what an earlier start began. Raises OSError."""
    condemn(ledger, why)
    folder = ledger.parent
    begun = [aside for aside in asides(folder) if not aside.note.exists()]
    aside = begun[-1] if begun else Aside(folder, max(_numbers(folder), default=0) + 1)
    for companion in COMPANIONS:
        with suppress(FileNotFoundError):
            ledger.with_name(ledger.name + companion).rename(f"{aside.database}{companion}")
    sync_folder(folder)
    _mark(ledger).rename(aside.note)
    sync_folder(folder)
    return aside


def asides(folder: Path) -> list[Aside]:
    """Every ledger that was put aside, in the order of their going."""
    return [Aside(folder, number) for number in sorted(set(_numbers(folder)))]


def _numbers(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            yield int(match[1])


def _mark(ledger: Path) -> Path:
    return ledger.with_name("ledger.condemned")
