"""Opens what the terminal keeps on disk, as soon as the disk lets it; until then the lights say that nothing can be."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from edge.clock.clock import Clock
from edge.errors import LedgerDamaged, LedgerFault, LedgerUnusable, TablesUnusable
from edge.events import Event
from edge.ledger.aside import asides
from edge.ledger.ledger import Ledger
from edge.ledger.reserve import Reserve
from edge.ledger.start import close_ledger, condemned_by, open_ledger
from edge.tables.tables import Tables
from protocol.errors import TerminalId

TRY_AGAIN: Final = 5.0
BETWEEN_ENDS: Final = 60.0
FIRST_FACTS: Final = 2  # entries of a ledger that has just begun

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class State:
    """The files of one terminal, open."""

    ledger: Ledger
    tables: Tables

    def close(self) -> None:
        """Let them go in order."""
        self.tables.close()
        try:
            close_ledger(self.ledger)
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="the next start opens it as it is")


def open_state(folder: Path, terminal: TerminalId, clock: Clock) -> State:
    """Open ledger and tables; a disk that is full gives its reserve for that.

    Raises LedgerUnusable and TablesUnusable, which may pass, LedgerForeign and FileTooNew, which do not.
    """
    try:
        ledger = open_ledger(folder, terminal, clock)
    except LedgerUnusable:
        if not Reserve(folder).give_up():
            raise
        ledger = open_ledger(folder, terminal, clock)
    try:
        return State(ledger, Tables.open(folder / "tables.db"))
    except BaseException:
        close_ledger(ledger)
        raise


async def when_usable(
    open_now: Callable[[], State], say: Callable[[str], None], stopping: "asyncio.Future[int]"
) -> State | None:
    """The state, however long that takes; None when the daemon is told to end before. `say` hears why it waits."""
    while not stopping.done():
        try:
            return open_now()
        except (LedgerUnusable, TablesUnusable) as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then=f"it is opened again in {TRY_AGAIN:g} s")
            say(str(fault))
        await asyncio.wait({stopping}, timeout=TRY_AGAIN)
    return None


class Times(Protocol):
    """The part of the loop that knows how long things take."""

    def time(self) -> float:
        """Seconds of a clock that only goes on."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object:
        """Call in so many seconds."""


def end_on_damage(ledger: Ledger, loop: Times, stop: Callable[[], None]) -> None:
    """From now on damage ends the daemon; the next start puts the ledger aside and begins another at once.

    A ledger that began with this very start is given a minute, so that a disk that damages everything is not written
    full by starts; and where not even the damage can be noted down, an end would mend nothing.
    """
    began, follows = loop.time(), ledger.last_seq <= FIRST_FACTS and bool(asides(ledger.path.parent))
    said: list[LedgerDamaged] = []

    def damaged(damage: LedgerDamaged) -> None:
        if said or not condemned_by(ledger, damage):
            return
        said.append(damage)
        wait = max(began + BETWEEN_ENDS - loop.time(), 0.0) if follows else 0.0
        then = f"the daemon starts anew in {wait:.0f} s and puts it aside"
        _log.critical(Event.LEDGER_DAMAGED, why=str(damage), kept_as=str(ledger.path), then=then)
        loop.call_later(wait, stop)

    ledger.on_damage = damaged
