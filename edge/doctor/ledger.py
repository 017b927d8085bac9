"""Looks into the ledger's file: whether it opens, whether its newest links hold, and what was put aside before it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.errors import LedgerUnusable
from edge.ledger.aside import asides, is_condemned
from edge.ledger.inspection import LedgerInspection
from edge.settings import TerminalSettings
from edge.words import _
from protocol.entries import check_link
from protocol.errors import ChainBroken

PART: Final = "ledger"
LOOKED_AT: Final = 1000
"""Entries at the end of the chain; `grindvakt ledger verify` looks at all."""


@dataclass(frozen=True, slots=True)
class Book:
    """What a look at the file gave. `checked`: links that hold; `broken`: the first that does not.

    `forbidden`: we may not look. `aside`: why each earlier ledger was put aside, oldest first.
    """

    is_there: bool = True
    forbidden: bool = False
    unusable: str = ""
    owner: str = ""
    entries: int = 0
    receipted: int = 0
    checked: int = 0
    broken: str = ""
    condemned: bool = False
    aside: tuple[str, ...] = ()


def look_at_ledger(folder: Path, *, runs: bool) -> Book:
    """Open it for reading only; `runs`: a daemon may write it meanwhile."""
    path = folder / "ledger.db"
    try:
        if not os.access(folder, os.R_OK | os.X_OK):
            return Book(forbidden=True) if os.access(folder, os.F_OK) else Book(is_there=False)
        aside = tuple(each.why for each in asides(folder))
        condemned = is_condemned(path)
        if not path.exists():
            return Book(is_there=False, condemned=condemned, aside=aside)
        with path.open("rb"):  # says at once whether we may
            pass
        with LedgerInspection(path, at_rest=not runs) as ledger:
            return _read(ledger, condemned, aside)
    except PermissionError:
        return Book(forbidden=True)
    except (LedgerUnusable, OSError) as fault:
        return Book(unusable=str(fault))


def _read(ledger: LedgerInspection, condemned: bool, aside: tuple[str, ...]) -> Book:
    last = ledger.last_seq
    first = max(1, last - LOOKED_AT + 1)
    previous, checked, broken = ledger.hash_before(first), 0, ""
    for entry in ledger.entries(first, last):
        if previous is not None:
            try:
                check_link(previous, *entry)
            except ChainBroken as fault:
                broken = str(fault)
                break
        previous, checked = entry.hash, checked + 1
    return Book(True, False, "", ledger.terminal, last, ledger.receipted, checked, broken, condemned, aside)


def judge_ledger(book: Book, terminal: TerminalSettings, told: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether it records and holds; `told` is what the daemon says of it, None where it gave no answer."""
    yield _judge_file(book, terminal, told)
    if book.condemned:
        found = _("it is marked as damaged; the next start puts it aside and begins another")
        yield bad(PART, found, _("restart the daemon: `systemctl restart grindvakt`, and renew the SD card"))
    if book.aside:
        found = _("{count} damaged before it are kept; the last because: {why}")
        found = found.format(count=len(book.aside), why=book.aside[-1].rstrip("."))
        yield doubtful(
            PART, found, _("look at the disk (`dmesg`) and renew the SD card; the portal shows what is lost")
        )


def _judge_file(book: Book, terminal: TerminalSettings, told: Mapping[str, Any] | None) -> Finding:
    if book.forbidden:
        if told is not None:
            words = _("{count} entries, says the daemon; only root may look into the file")
            return good(PART, words.format(count=told["last_seq"]))
        return unknown(PART, _("you may not look into {path}").format(path=terminal.state_dir), _("ask as root"))
    if not book.is_there:
        return unknown(PART, _("there is none yet: it begins with the daemon's first start"))
    if book.unusable:
        return bad(
            PART, book.unusable, _("keep the file as it is; look at `dmesg` and `journalctl -u grindvakt -n 30`")
        )
    if book.broken:
        found = _("its chain does not hold: {why}").format(why=book.broken)
        return bad(
            PART, found, _("keep the file as it is and call support; `grindvakt ledger verify` looks at all of it")
        )
    if book.owner != terminal.id:
        found = _("it belongs to terminal {owner}, and this one is {terminal}")
        found = found.format(owner=book.owner, terminal=terminal.id)
        return bad(PART, found, _("correct `id` in [terminal], or give this terminal its own state_dir"))
    words = _("{count} entries, {receipted} of them receipted; the newest {checked} are chained as written")
    return good(PART, words.format(count=book.entries, receipted=book.receipted, checked=book.checked))
