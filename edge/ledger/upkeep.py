"""Looks after the ledger beside the taps: reads damaged ones, checks the one in use, keeps its room, and says so."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from typing import Final

import structlog

from edge.clock.clock import Clock
from edge.errors import LedgerDamaged, LedgerFault
from edge.events import Event
from edge.ledger.aside import Aside, asides
from edge.ledger.check import LedgerCheck
from edge.ledger.drain import Drain
from edge.ledger.facts import fact
from edge.ledger.ledger import Ledger
from edge.ledger.reserve import Reserve
from edge.ledger.retention import Retention
from edge.ledger.salvage import TOLD, Salvaged, Stopped, is_named, mark_told, salvage, stage_of
from edge.link.outbox import Outbox
from edge.signals.patterns import Pattern
from protocol.clock import ClockReading

LOOK_EVERY: Final = 5.0  # seconds
TEND_EVERY: Final = 60.0
READ_EVERY: Final = 10  # minutes after which a damaged ledger that could not be read is tried again
CHECK_EVERY: Final = 7 * 24 * 60  # minutes
BREATH: Final = 0.004  # seconds that the thread leaves to the taps after each millisecond or so of work
BATCHES: Final = 10  # of payloads that go at one tending

_log = structlog.get_logger()


class Upkeep:
    """A task of the loop; what takes long is done in a thread of its own, over connections of its own."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        clock: Clock,
        hold: Callable[[Pattern, bool], None],
        wake: Callable[[], None],
        retain_days: int,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._hold = hold
        self._wake = wake
        self._folder: Path = ledger.path.parent
        self._reserve = Reserve(self._folder)
        self._retention = Retention(ledger.path, retain_days)
        self._ending = Flag()
        self._check: LedgerCheck | None = None
        self._unread = asides(self._folder)
        ledger.make_room = self._reserve.give_up
        self._show()

    async def run(self) -> None:
        """Go on for ever: what was damaged first, since the cloud waits for it."""
        self._ending.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_on())
                while True:
                    await self._read_asides()
                    await self._check_ledger()
                    for minute in range(CHECK_EVERY):
                        self._ledger.is_short |= not await asyncio.to_thread(self._tend, self._clock.read())
                        if minute % READ_EVERY == READ_EVERY - 1:
                            await self._read_asides()
                        await asyncio.sleep(TEND_EVERY)
        finally:
            self._ending.set()
            if self._check is not None:
                self._check.stop()

    # --- in the loop ------------------------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        while True:
            if self._ledger.is_short:
                await asyncio.to_thread(self._reserve.take)
            self._show()
            await asyncio.sleep(LOOK_EVERY)

    def _show(self) -> None:
        """Hold the lights to what is so now, and try a ledger that failed: nobody taps at a gate that shows a fault."""
        self._hold(Pattern.LEDGER_SALVAGED, bool(self._unread or self._outbox.depth_behind))
        if self._ledger.failures:
            self._try_again()
        if self._ledger.is_short and self._reserve.is_held:
            self._ledger.is_short = False
            self._hold(Pattern.LEDGER_FAULT, bool(self._ledger.failures))
        elif self._ledger.is_short:
            self._hold(Pattern.LEDGER_FAULT, True)

    def _try_again(self) -> None:
        failures = self._ledger.failures
        try:
            self._ledger.append(fact(self._clock, "ledger.resumed", {"failures": str(failures)}))
        except LedgerFault:
            return
        _log.warning(Event.LEDGER_RESUMED, failures=failures)
        self._hold(Pattern.LEDGER_FAULT, self._ledger.is_short)
        self._wake()

    async def _read_asides(self) -> None:
        for aside in list(self._unread):
            try:
                await self._read(aside)
            except LedgerFault as fault:
                _log.error(Event.LEDGER_FAILED, why=str(fault), then=f"it is tried again in {READ_EVERY} minutes")
            else:
                self._unread.remove(aside)
                self._show()

    async def _read(self, aside: Aside) -> None:
        """Read one to its end, tell the cloud what is lost, and send what is left. Raises LedgerFault."""
        if await asyncio.to_thread(stage_of, aside) != TOLD:
            salvaged = await asyncio.to_thread(self._salvage, aside)
            if salvaged is None:
                return  # the daemon ends
            self._tell(salvaged)
            await asyncio.to_thread(mark_told, aside)
        if await asyncio.to_thread(is_named, aside):
            self._outbox.take_up(Drain(aside.drain))
            self._wake()

    def _tell(self, salvaged: Salvaged) -> None:
        for details in salvaged.declarations():
            self._ledger.append(fact(self._clock, "ledger.lost", details))
        self._ledger.append(fact(self._clock, "ledger.salvaged", salvaged.summary()))
        _log.warning(Event.LEDGER_SALVAGED, **salvaged.summary())

    async def _check_ledger(self) -> None:
        upto = self._ledger.last_seq
        self._check = LedgerCheck(self._ledger.path, self._ledger.terminal, upto)
        try:
            purged = await asyncio.to_thread(self._check.run, self._breathe)
        except LedgerDamaged as damage:
            self._ledger.on_damage(damage)
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="it is checked again in a week")
        else:
            if purged is not None:
                _log.info(Event.LEDGER_CHECKED, entries=upto, purged=purged)
        self._check = None

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _breathe(self) -> bool:
        """Let taps through; whether the daemon ends."""
        return self._ending.wait(BREATH)

    def _salvage(self, aside: Aside) -> Salvaged | None:
        try:
            return salvage(aside, self._ledger.terminal, self._breathe)
        except Stopped:
            return None

    def _tend(self, now: ClockReading) -> bool:
        """Keep room, in the file and on the disk; whether the reserve is held."""
        try:
            for _ in range(BATCHES):
                if not self._retention.purge_some(now) or self._breathe():
                    break
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="payloads stay for another minute")
        return self._reserve.take()
