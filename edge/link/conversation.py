"""What terminal and cloud say to each other while a connection stands: entries and status, receipts and tables."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from edge.clock.clock import Clock
from edge.errors import LedgerFault, TablesUnusable
from edge.events import Event
from edge.link.certificate import Certificate
from edge.link.downlink import open_down
from edge.link.outbox import Outbox
from edge.tables.tables import Effect, Tables
from protocol.errors import ProtocolError, TerminalId
from protocol.messages import VERSION, Entries, Pull, Receipt, Status, TableChange
from protocol.signatures import Verifier
from protocol.tables import Table
from protocol.topics import Up

STATUS_EVERY: Final = 20.0
TRY_STORAGE_AGAIN: Final = 5.0
SHOW_AGAIN: Final = 60.0  # seconds after which a certificate that the cloud does not know is shown once more
ASK_AGAIN: Final = 5.0  # seconds without a change after which a table that is lacking is pulled once more
CHANGES_WAITING: Final = 500

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Condition:
    """What a status says beside what is known here: the version, whether readers are there, the states of doors.

    `held` is what is wrong while nobody taps, the worst first.
    """

    software: str
    readers: dict[str, bool]
    doors: dict[str, str]
    held: tuple[str, ...] = ()


class Wire(Protocol):
    """A connection to the broker that stands."""

    lost: asyncio.Future[str]

    def publish(self, what: Up, message: Entries | Pull | Status) -> None:
        """Hand a message to the broker."""

    def lose(self, why: str) -> None:
        """Give the connection up."""


class Conversation:
    """The same over all connections, one at a time; each begins anew with what is held and what is not receipted."""

    def __init__(
        self, terminal: TerminalId, clock: Clock, outbox: Outbox, tables: Tables, condition: Callable[[], Condition]
    ) -> None:
        self._terminal = terminal
        self._clock = clock
        self._outbox = outbox
        self._tables = tables
        self._condition = condition
        self._told_depth = 0
        self.nonce = b""
        self.certificate = Certificate()
        self._pulled = 0.0
        self.entries_wait = asyncio.Event()
        self.status_changed = asyncio.Event()
        self._changes: asyncio.Queue[TableChange] = asyncio.Queue(CHANGES_WAITING)

    async def hold(self, wire: Wire) -> None:
        """Say what there is to say until the connection is lost."""
        self._outbox.reset()
        self._pull(wire)
        async with asyncio.TaskGroup() as tasks:
            parts = (self._report(wire), self._send(wire), self._apply(wire))
            running = [tasks.create_task(part) for part in parts]
            await asyncio.wait({wire.lost})
            for task in running:
                task.cancel()

    def arrived(self, topic: bytes, sealed: bytes, wire: Wire, verifier: Verifier) -> None:
        """Obey a message from the broker, or say in the log why not."""
        try:
            opened = open_down(topic, sealed, self._terminal, verifier)
            self._tables.heard(self._clock.read())
            if isinstance(opened, Receipt):
                self._receipted(opened)
            else:
                self._changes.put_nowait(opened)
        except ProtocolError as refusal:
            named = topic[:200].decode(errors="replace")
            _log.warning(Event.MESSAGE_REFUSED, topic=named, size=len(sealed), why=str(refusal))
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="the entries are sent again")
        except asyncio.QueueFull:
            wire.lose("more changes of tables came than can be applied")

    # --- up ---------------------------------------------------------------------------------------------------------

    async def _send(self, wire: Wire) -> None:
        now = asyncio.get_running_loop().time
        while True:
            self.entries_wait.clear()
            try:
                while (entries := self._outbox.next(now())) is not None:
                    wire.publish(Up.ENTRIES, entries)
                    await asyncio.sleep(0)  # a backlog lets taps through between batches
            except LedgerFault as fault:
                _log.error(Event.LEDGER_FAILED, why=str(fault), then=f"sending goes on in {TRY_STORAGE_AGAIN:g} s")
                await asyncio.sleep(TRY_STORAGE_AGAIN)
                continue
            await _set_within(self.entries_wait, self._outbox.due_in(now()))

    async def _report(self, wire: Wire) -> None:
        while True:
            self.status_changed.clear()
            status = self.status(online=True)
            self._told_depth = status.queue_depth
            wire.publish(Up.STATUS, status)
            if self._is_unknown and _now() - self._pulled >= SHOW_AGAIN:
                self._pull(wire)
            self.save_receipt()
            await _set_within(self.status_changed, STATUS_EVERY)

    def _pull(self, wire: Wire) -> None:
        """Ask for what is lacking, and show the certificate whose key names are to be sealed to."""
        self._pulled = _now()
        wire.publish(Up.PULL, Pull(VERSION, self._tables.held(), self.certificate.der))

    def status(self, *, online: bool) -> Status:
        """How this terminal is now; `online=False` for the will and the farewell."""
        now, ledger, condition = self._clock.read(), self._outbox.ledger, self._condition()
        try:
            oldest_unsent = self._outbox.oldest_unsent
        except (LedgerFault, ProtocolError) as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="the status goes without the age of its queue")
            oldest_unsent = None
        return Status(
            version=VERSION,
            online=online,
            nonce=self.nonce,
            at=now.utc,
            clock_quality=now.quality,
            software=condition.software,
            ledger=ledger.id,
            last_seq=ledger.last_seq,
            queue_depth=self._outbox.depth,
            oldest_unsent=oldest_unsent,
            readers=condition.readers,
            doors=condition.doors,
            tables=self._tables.held(),
            conditions=condition.held,
        )

    @property
    def _is_unknown(self) -> bool:
        """Whether the cloud seals no names to this terminal's key: it was away when the certificate was shown."""
        return not self.certificate.is_known(self._tables)

    def save_receipt(self) -> None:
        """Make durable what the cloud has said it has."""
        try:
            self._outbox.save_receipt()
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="the receipt is saved with the next status")

    # --- down -------------------------------------------------------------------------------------------------------

    def _receipted(self, receipt: Receipt) -> None:
        if self._outbox.receipt(receipt, asyncio.get_running_loop().time()):
            self.entries_wait.set()
        if self._told_depth and not self._outbox.depth:
            self.status_changed.set()

    async def _apply(self, wire: Wire) -> None:
        """Apply changes one after the other, off the loop's thread, so that taps go on meanwhile."""
        pull = False
        while True:
            change = await self._next_change(wire)
            try:
                effect = await asyncio.to_thread(self._tables.apply, change)
            except ProtocolError as refusal:
                _log.warning(Event.MESSAGE_REFUSED, table=change.name[:40], why=str(refusal))
                continue
            except TablesUnusable as fault:
                _log.error(Event.TABLE_FAILED, why=str(fault), then=f"asked for again in {TRY_STORAGE_AGAIN:g} s")
                await asyncio.sleep(TRY_STORAGE_AGAIN)
                effect = Effect.MISSING
            if effect is Effect.APPLIED and change.name != Table.PRESENCE:  # that one changes with each tap elsewhere
                self.status_changed.set()
            pull |= effect is Effect.MISSING
            pull |= change.name == Table.BINDING and (self._tables.lacking or self._is_unknown)
            if pull and self._changes.empty():  # several changes that do not fit need one pull
                self._pull(wire)
                pull = False

    async def _next_change(self, wire: Wire) -> TableChange:
        """The next change. While a table that counts is lacking it is asked for again: without its blocklist a
        terminal admits blocked cards, and both question and answer can be lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN if self._tables.lacking else None):
                    return await self._changes.get()
            self._pull(wire)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _set_within(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
