"""One file during a power cut: the sectors that are on the disk for certain, and what of the rest survives."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SECTOR: Final = 512


class Style(StrEnum):
    """How a cut chooses."""

    NOTHING = "nothing"
    """Only what was synced survives."""
    EVERYTHING = "everything"
    """All survives, as after a kill."""
    PREFIX = "prefix"
    """All up to some moment survives."""
    WRITES = "writes"
    """Any writes survive, whole, and others do not."""
    TORN = "torn"
    """Each sector chooses for itself."""


@dataclass(slots=True)
class Fate:
    """What became of the ledger's writes, and of all names, that were not synced at a cut."""

    survived: int = 0
    lost: int = 0
    torn: int = 0
    names_lost: int = 0

    def add(self, other: "Fate") -> None:
        """Count another cut's in."""
        self.survived += other.survived
        self.lost += other.lost
        self.torn += other.torn
        self.names_lost += other.names_lost


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a write that lies in one sector; `data` None: zeros from `start` on, by a truncation."""

    order: int
    start: int
    data: bytes | None

    def laid_on(self, sector: bytes) -> bytes:
        if self.data is None:
            return sector[: self.start] + bytes(SECTOR - self.start)
        return sector[: self.start] + self.data + sector[self.start + len(self.data) :]


@dataclass(slots=True)
class File:
    """What is on the disk for certain, and what only memory has."""

    sectors: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    pending: dict[int, list[_Piece]] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    """The orders of writes whose sync failed."""

    @classmethod
    def of(cls, content: bytes) -> "File":
        """A file that was there with this content before anything happened."""
        ats = range(0, len(content), SECTOR)
        return cls({at // SECTOR: content[at : at + SECTOR].ljust(SECTOR, b"\0") for at in ats}, len(content))

    @property
    def newest_size(self) -> int:
        """As programs see it."""
        return self.sizes[-1][1] if self.sizes else self.size

    @property
    def waiting(self) -> set[int]:
        """The orders of writes that are not synced yet."""
        return {piece.order for pieces in self.pending.values() for piece in pieces}

    def content(self) -> bytes:
        """The file as programs see it."""
        sectors = dict(self.sectors)
        for number, pieces in self.pending.items():
            sectors[number] = self.seen(number, pieces)
        return _content(self.newest_size, sectors)

    def seen(self, number: int, pieces: Iterable[_Piece]) -> bytes:
        """A sector as programs saw it after these of its pieces, which are its first."""
        sector = self.sectors.get(number, bytes(SECTOR))
        for piece in pieces:
            sector = piece.laid_on(sector)
        return sector

    def write(self, order: int, offset: int, data: bytes) -> None:
        """Some bytes at an offset, as the `order`-th thing that happened."""
        at = 0
        while at < len(data):
            number, start = divmod(offset + at, SECTOR)
            taken = data[at : at + SECTOR - start]
            self.pending.setdefault(number, []).append(_Piece(order, start, taken))
            at += len(taken)
        if offset + len(data) > self.newest_size:
            self.sizes.append((order, offset + len(data)))

    def truncate(self, order: int, size: int) -> None:
        """Another size."""
        if size < self.newest_size:
            first, start = divmod(size, SECTOR)
            for number in {*self.sectors, *self.pending}:
                if number >= first:
                    piece = _Piece(order, start if number == first else 0, None)
                    self.pending.setdefault(number, []).append(piece)
        self.sizes.append((order, size))

    def synced(self, before: int) -> None:
        """A sync that began at `before` has ended well."""
        for number, pieces in list(self.pending.items()):
            covered = [piece for piece in pieces if piece.order < before]
            if not any(piece.order not in self.unsure for piece in covered):
                continue  # nothing, or nothing that the kernel still takes for dirty
            self.sectors[number] = self.seen(number, covered)
            if len(covered) < len(pieces):
                self.pending[number] = pieces[len(covered) :]
            else:
                del self.pending[number]
        for order, size in self.sizes:
            if order < before:
                self.size = size
        self.sizes = [each for each in self.sizes if each[0] >= before]

    def sync_failed(self, before: int) -> None:
        """A sync that began at `before` has failed."""
        self.unsure |= {order for order in self.waiting if order < before}


# --- what survives of one file --------------------------------------------------------------------------------------


def _content(size: int, sectors: Mapping[int, bytes]) -> bytes:
    count = -(-size // SECTOR)
    return b"".join(sectors.get(number, bytes(SECTOR)) for number in range(count))[:size]


def survivor(file: File, chance: random.Random, style: Style, moment: int, fate: Fate) -> bytes:
    """The content after a cut; `moment`: the order up to which all survives, where the style is a prefix."""
    orders = sorted(file.waiting)
    kept = {order for order in orders if _is_kept(order, chance, style, moment)}
    rubbish = chance.choice([bytes(SECTOR), chance.randbytes(SECTOR)])
    sectors = dict(file.sectors)
    seen: dict[int, set[bool]] = {order: set() for order in orders}
    for number, pieces in file.pending.items():
        if style is Style.TORN:
            version = chance.randint(0, len(pieces))
        else:
            version = max((at for at, piece in enumerate(pieces, 1) if piece.order in kept), default=0)
        for at, piece in enumerate(pieces):
            seen[piece.order].add(at < version)
        if version:
            sectors[number] = file.seen(number, pieces[:version])
        elif number * SECTOR >= file.size:
            sectors[number] = rubbish
    for outcomes in seen.values():
        fate.survived += outcomes == {True}
        fate.lost += outcomes == {False}
        fate.torn += len(outcomes) == 2
    return _content(_surviving_size(file, chance, style, moment), sectors)


def _is_kept(order: int, chance: random.Random, style: Style, moment: int) -> bool:
    match style:
        case Style.EVERYTHING:
            return True
        case Style.PREFIX:
            return order <= moment
        case Style.WRITES:
            return chance.random() < 0.5
        case _:
            return False


def _surviving_size(file: File, chance: random.Random, style: Style, moment: int) -> int:
    match style:
        case Style.NOTHING:
            return file.size
        case Style.EVERYTHING:
            return file.newest_size
        case Style.PREFIX:
            return max(each for each in [(0, file.size), *file.sizes] if each[0] <= moment)[1]
        case _:
            return chance.choice([file.size, *(size for _, size in file.sizes)])
