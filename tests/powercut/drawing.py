"""Draws from a seed where the power is cut, where a daemon is killed, and how its disk fails."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.powercut.file import Style
from tests.powercut.journal import Op, Record
from tests.powercut.judging import LIT, PINS
from tests.powercut.shim import EIO, ENOSPC, Fault
from tests.powercut.terminal import LEDGER, WAL

KILLS: Final = [("pwrite64", WAL, 60), ("fdatasync", WAL, 25), ("write", PINS, 60), ("pwrite64", LEDGER, 20)]
"""Where a daemon is killed in between, and how many such calls may pass before."""

FAULTS: Final = [("fdatasync", WAL, EIO), ("pwrite64", WAL, EIO), ("pwrite64", WAL, ENOSPC), ("fdatasync", LEDGER, EIO)]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the power went: after so many records of the journal; how the rest was chosen, and from which seed."""

    moment: int
    style: Style
    seed: str


def drawn_cuts(records: Sequence[Record], chance: random.Random, seed: str, count: int) -> list[Cut]:
    """Cuts at any moment, just after a green, and around what happens rarely."""
    lit = [at for at, record in enumerate(records, 1) if record.name == PINS and LIT in record.data]
    rare = [at for at, record in enumerate(records, 1) if _is_rare(record)]
    cuts = []
    for number in range(count):
        moments = chance.choice([range(1, len(records) + 1), lit, rare]) or range(1, len(records) + 1)
        moment = min(max(chance.choice(moments) + chance.choice([0, 0, 0, -1, 1, 2]), 1), len(records))
        cuts.append(Cut(moment, chance.choice(list(Style)), f"{seed} {number}"))
    return cuts


def _is_rare(record: Record) -> bool:
    """What belongs to beginnings, migrations, checkpoints and failures."""
    if record.op in {Op.RENAMED, Op.UNLINKED, Op.TRUNCATED} or record.name == "." or record.other == "failed":
        return True
    opened = record.op is Op.OPENED and bool(record.number)
    return opened or (record.name in {LEDGER, f"{LEDGER}-journal"} and record.op is not Op.OPENED)


def drawn_kill(chance: random.Random) -> tuple[str, str, int]:
    """The call at which a daemon is killed, the file, and how many such calls pass before."""
    call, suffix, most = chance.choice(KILLS)
    return call, suffix, chance.randint(0, most)


def drawn_error(chance: random.Random, left: int) -> Fault:
    """A disk that fails soon, so many times."""
    call, suffix, error = chance.choice(FAULTS)
    return Fault(call, suffix, error, skip=chance.randint(0, 4), left=left)


def begun_logs(records: Sequence[Record]) -> int:
    """How often a write-ahead log was begun, mostly anew after a checkpoint: its header, at offset 0, was written."""
    return sum(record.op is Op.WRITTEN and record.name == WAL and record.number == 0 for record in records)
