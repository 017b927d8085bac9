"""Rebuilds a folder as a power cut may leave it: what was synced is there, of the rest a seeded choice survives.

The model is POSIX at its least obliging, for a disk that keeps its word:

- data of a file counts once a sync of that file, begun after the write, has ended well; until then each 512-byte sector
  is as it was after some of its writes, chosen by itself: writes are lost, torn, and overtake one another;
- a size counts with such a sync too; until then a file may have grown without its data (zeros or rubbish), or have its
  data cut off;
- a name, its removal or a rename counts once the folder was synced; a synced file without a name is gone;
- after a sync that failed, the sectors it was for are clean in memory and not on the disk: a later sync that ends well
  says nothing about them unless they were written again.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.powercut.file import Fate, File, Style, survivor
from tests.powercut.journal import Op, Record

FOLDER: Final = "."
VOLATILE: Final = "-shm"
"""The end of names whose content lives in memory only: written through mmap, and never trusted after a start."""

SHARED: Final = 32768
"""Bytes of such a file, as SQLite makes it."""

COUNTED: Final = "ledger.db"
"""The beginning of the names whose writes are counted; that of the lights loses many, and nobody minds."""

Image = Mapping[str, bytes]
"""Files by their names below the folder."""


@dataclass(frozen=True, slots=True)
class _Naming:
    """A change of a folder: `name` becomes `file` (None: goes), `old` is the name it had."""

    order: int
    name: str
    file: File | None
    old: str = ""


class Disk:
    """A folder while records are played into it; `cut` says what a power cut at this moment leaves."""

    def __init__(self, image: Image) -> None:
        self._names = {name: File.of(content) for name, content in image.items()}
        """As the disk has them for certain."""
        self._seen = dict(self._names)
        """As programs see them."""
        self._namings: list[_Naming] = []
        self._by_inode: dict[int, File] = {}
        self._begun: dict[tuple[int, int], int] = {}
        self._order = 0

    def play(self, record: Record) -> None:
        """Let the next thing happen."""
        self._order += 1
        match record.op:
            case Op.OPENED:
                self._open(record)
            case Op.WRITTEN:
                self._by_inode[record.inode].write(self._order, record.number, record.data)
            case Op.TRUNCATED:
                self._by_inode[record.inode].truncate(self._order, record.number)
            case Op.SYNC_BEGUN:
                self._begun[record.inode, record.number] = self._order
            case Op.SYNC_ENDED:
                self._sync(record, self._begun.pop((record.inode, record.number)))
            case Op.RENAMED:
                file = self._seen.pop(record.name)
                self._seen[record.other] = file
                self._namings.append(_Naming(self._order, record.other, file, record.name))
            case Op.UNLINKED:
                self._seen.pop(record.name, None)
                self._namings.append(_Naming(self._order, record.name, None))
            case Op.SYNCED_ALL:
                for file in [*self._names.values(), *self._seen.values()]:
                    file.synced(self._order)
                self._settle_names(self._order)
            case Op.NOT_FOLLOWED | Op.NOTED:
                pass

    def contents(self) -> dict[str, bytes]:
        """The files as programs see them."""
        return {name: file.content() for name, file in self._seen.items()}

    def cut(self, chance: random.Random, style: Style) -> tuple[dict[str, bytes], Fate]:
        """The files as they may be found after the power came back, and what that cost."""
        fate = Fate()
        moment = chance.choice([0, *sorted(self._waiting())])
        names = self._surviving_names(chance, style, moment, fate)
        image = {}
        for name, file in sorted(names.items()):
            if name.endswith(VOLATILE):
                content = chance.choice([None, b"", bytes(SHARED), chance.randbytes(SHARED)])
                if content is not None:
                    image[name] = content
            else:
                counted = fate if name.startswith(COUNTED) else Fate()
                image[name] = survivor(file, chance, style, moment, counted)
        return image, fate

    def _waiting(self) -> set[int]:
        """The orders of everything that is not synced yet."""
        orders = {naming.order for naming in self._namings}
        for file in [*self._names.values(), *self._seen.values()]:
            orders |= file.waiting
        return orders

    def _open(self, record: Record) -> None:
        known = self._seen.get(record.name)
        if known is None:
            assert record.number, f"{record.name} was there, and the journal never saw it made"
            known = self._seen[record.name] = File()
            self._namings.append(_Naming(self._order, record.name, known))
        self._by_inode[record.inode] = known

    def _sync(self, record: Record, begun: int) -> None:
        file = self._by_inode.get(record.inode)
        if record.name == FOLDER and not record.other:
            self._settle_names(begun)
        elif file is not None and record.other:
            file.sync_failed(begun)
        elif file is not None:
            file.synced(begun)

    def _settle_names(self, before: int) -> None:
        for naming in self._namings:
            if naming.order < before:
                _name(self._names, naming)
        self._namings = [naming for naming in self._namings if naming.order >= before]

    def _surviving_names(self, chance: random.Random, style: Style, moment: int, fate: Fate) -> dict[str, File]:
        names = dict(self._names)
        for naming in self._namings:
            match style:
                case Style.NOTHING:
                    survives = False
                case Style.EVERYTHING:
                    survives = True
                case Style.PREFIX:
                    survives = naming.order <= moment
                case _:
                    survives = chance.random() < 0.5
            if survives:
                _name(names, naming)
            else:
                fate.names_lost += 1
        return names


def replay(image: Image, records: Iterable[Record], moments: Sequence[int]) -> Iterator[tuple[int, Disk]]:
    """The disk after so many records, for each of these numbers, which ascend."""
    disk, played = Disk(image), iter(records)
    done = 0
    for moment in moments:
        while done < moment:
            disk.play(next(played))
            done += 1
        yield moment, disk


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files directly in a folder; what lives in memory only, and sockets, are left out."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not _is_volatile(path.name)}


def write_folder(image: Image, folder: Path) -> None:
    """Make a folder with these files and no others."""
    folder.mkdir(parents=True)
    for name, content in image.items():
        (folder / name).write_bytes(content)


def _is_volatile(name: str) -> bool:
    return name.endswith(VOLATILE)


def _name(names: dict[str, File], naming: _Naming) -> None:
    if naming.old:
        names.pop(naming.old, None)
    if naming.file is None:
        names.pop(naming.name, None)
    else:
        names[naming.name] = naming.file
