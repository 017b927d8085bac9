"""Everything that is to be sent: the ledger first, and while it rests what could be read of damaged ones."""

from contextlib import suppress

import structlog
from structlog.typing import FilteringBoundLogger

from edge.errors import LedgerFault
from edge.events import Event
from edge.ledger.drain import Drain
from edge.ledger.ledger import Ledger
from edge.link.sending import Sending
from protocol.errors import ProtocolError
from protocol.messages import Entries, Receipt

_log: FilteringBoundLogger = structlog.get_logger()


class Outbox:
    """Pure about time: `now` is any monotonic clock in seconds. A drain that fails is left until the next start."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._live = Sending(ledger)
        self._drains: dict[bytes, Drain] = {}
        self._behind: dict[bytes, Sending] = {}
        self._told_at = 0

    def take_up(self, drain: Drain) -> None:
        """Send a drain too, once the cloud has all that the ledger says of it until now: which numbers are lost."""
        if (before := self._drains.get(drain.id)) is not None:
            before.close()
        self._drains[drain.id] = drain
        self._behind[drain.id] = Sending(drain)
        self._told_at = self.ledger.last_seq

    @property
    def depth(self) -> int:
        """How many entries the cloud has not said it has."""
        return self.ledger.unsent + self.depth_behind

    @property
    def depth_behind(self) -> int:
        """How many of those are of damaged ledgers."""
        count = 0
        for drain in list(self._drains.values()):
            try:
                count += drain.unsent
            except LedgerFault as fault:
                self._leave(drain.id, fault)
        return count

    @property
    def oldest_unsent(self) -> int | None:
        """When the first of those was registered, in microseconds UTC. Raises LedgerFault, ProtocolError."""
        moments = [self.ledger.oldest_unsent]
        for drain in list(self._drains.values()):
            with suppress(LedgerFault, ProtocolError):  # its sending will say so
                moments.append(drain.oldest_unsent)
        return min((moment for moment in moments if moment is not None), default=None)

    def next(self, now: float) -> Entries | None:
        """What to send now; None: wait. Raises LedgerFault."""
        entries = self._live.next(now)
        if entries is not None:
            return entries
        for ledger, sending in self._open():
            try:
                if (entries := sending.next(now)) is not None:
                    return entries
            except LedgerFault as fault:
                self._leave(ledger, fault)
        return None

    def receipt(self, receipt: Receipt, now: float) -> bool:
        """Take a receipt; one that says no more than before asks for the rest again. False: it is not about ours.

        Raises LedgerFault.
        """
        return self._behind.get(receipt.ledger, self._live).receipt(receipt, now)

    def save_receipt(self) -> None:
        """Make durable what the cloud has said it has. Raises LedgerFault."""
        self.ledger.save_receipt()
        for drain in self._drains.values():
            drain.save_receipt()

    def reset(self) -> None:
        """On a new connection: what was on its way over the old one may be lost."""
        for sending in (self._live, *self._behind.values()):
            sending.reset()

    def due_in(self, now: float) -> float | None:
        """Seconds until `next` would send again without being told of anything new; None: never."""
        due = [self._live.due_in(now), *(sending.due_in(now) for _, sending in self._open())]
        return min((seconds for seconds in due if seconds is not None), default=None)

    def close(self) -> None:
        """Let the drains go; the ledger is its owner's. Raises LedgerFault."""
        while self._drains:
            self._drains.popitem()[1].close()

    def _open(self) -> list[tuple[bytes, Sending]]:
        """The drains that may be sent now; one whose gaps the cloud has not heard of would only be asked for again."""
        return list(self._behind.items()) if self.ledger.receipted >= self._told_at else []

    def _leave(self, ledger: bytes, fault: LedgerFault) -> None:
        _log.error(Event.LEDGER_FAILED, why=str(fault), then="what was read of it is sent after the next start")
        self._behind.pop(ledger, None)
        self._drains.pop(ledger, None)
