"""Writes down that the ledger was shown: the system logs every event, each showing too (SKVFS 2015:6, 11-13 §§)."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from edge.clock.clock import Clock
from edge.errors import RequestRefused
from edge.ledger.facts import fact
from edge.ledger.start import close_ledger, open_for_one_entry
from edge.state_lock import only_daemon
from protocol.entries import Payload
from protocol.errors import TerminalId

SUBJECT: Final = "ledger.shown"
MOST_BYTES: Final = 600
"""Of all words of one showing: an entry must lie within a page of the ledger, or no salvage would find it."""


class Recorder(Protocol):
    """The part of the ledger that takes entries."""

    def append(self, payload: Payload, /) -> int:
        """Record it durably. Raises LedgerFault."""


@dataclass(frozen=True, slots=True)
class Showings:
    """The daemon's own hand for it; `wake` is the link's."""

    clock: Clock
    ledger: Recorder
    wake: Callable[[], None]

    def note(self, details: Mapping[str, str]) -> dict[str, int]:
        """Record a showing before anything is shown; the number of the entry. Raises RequestRefused, LedgerFault."""
        seq = _recorded(self.clock, self.ledger, details)
        self.wake()
        return {"seq": seq}


def note_without_daemon(folder: Path, terminal: TerminalId, clock: Clock, details: Mapping[str, str]) -> int:
    """The same where no daemon runs; a ledger that is not there or damaged is left as it lies.

    Raises StateInUse, RequestRefused, LedgerFault, ChainBroken, OSError.
    """
    with _as_owner_of(folder), only_daemon(folder):
        ledger = open_for_one_entry(folder, terminal, clock)
        try:
            return _recorded(clock, ledger, details)
        finally:
            close_ledger(ledger)


def _recorded(clock: Clock, ledger: Recorder, details: Mapping[str, str]) -> int:
    size = sum(len(name.encode()) + len(word.encode()) for name, word in details.items())
    if size > MOST_BYTES:
        raise RequestRefused(f"a showing is told in at most {MOST_BYTES} bytes, and these are {size}")
    return ledger.append(fact(clock, SUBJECT, dict(details)))


@contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """What root writes into the state must stay the daemon's: otherwise its next start could not open it."""
    owner = folder.stat()
    if os.geteuid() != 0 or (owner.st_uid, owner.st_gid) == (0, 0):
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
