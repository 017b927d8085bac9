"""Which entries of one ledger to send now: a bounded window ahead of its receipts, sent again when none comes."""

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from edge.events import Event
from protocol.messages import Entries, Receipt

LARGEST_BATCH: Final = 500
WINDOW: Final = 4  # batches on their way
WINDOW_BYTES: Final = 1024 * 1024
RECEIPT_WITHIN: Final = 5.0  # seconds; doubled for each time none came, so that a cloud that is away is not shouted at
LONGEST_WAIT: Final = 60.0
MOST_DOUBLINGS: Final = 4
OVERDUE: Final = 1.0  # seconds after which the cloud's asking again is about the first batch on its way

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Sent:
    last: int
    size: int
    at: float


class Source(Protocol):
    """What entries are sent from: a ledger, or the drain of one that was damaged. Each may raise LedgerFault."""

    id: bytes
    receipted: int

    @property
    def unsent(self) -> int:
        """How many entries the cloud has not said it has."""

    @property
    def oldest_unsent(self) -> int | None:
        """When the first of those was registered, in microseconds UTC."""

    def batch(self, after: int, most: int, /) -> Entries | None:
        """The next entries after a number, ready to send."""

    def note_receipt(self, receipt: Receipt, /) -> bool:
        """Take the cloud's word for what it has."""

    def save_receipt(self) -> None:
        """Make that durable."""


class Sending:
    """Pure about time: `now` is any monotonic clock in seconds. What it has in flight is forgotten without harm."""

    def __init__(self, ledger: Source) -> None:
        self.ledger = ledger
        self._on_their_way: deque[_Sent] = deque()
        self._sent = ledger.receipted
        self._heard_at = 0.0
        self._unanswered = 0
        self._asked = False
        self._repeated = -1

    def next(self, now: float) -> Entries | None:
        """What to send now: the entries that follow what was sent, or those sent long ago again; None: wait.

        Raises LedgerFault.
        """
        if self._on_their_way and now >= self._due_at():
            if self._asked:
                self._repeated = self.ledger.receipted  # once: a cloud that is slow is not sent everything thrice
            else:
                self._unanswered += 1
            _log.info(Event.BATCH_REPEATED, after=self.ledger.receipted, sent=self._sent, times=self._unanswered)
            self._begin_again()
        if not self._has_room():
            return None
        entries = self.ledger.batch(self._sent, LARGEST_BATCH)
        if entries is None:
            return None
        self._sent = entries.last
        self._on_their_way.append(_Sent(entries.last, sum(map(len, entries.payloads)), now))
        return entries

    def receipt(self, receipt: Receipt, now: float) -> bool:
        """Take a receipt; one that says no more than before asks for the rest again. False: it is not about our ledger.

        Raises LedgerFault.
        """
        before = self.ledger.receipted
        if not self.ledger.note_receipt(receipt):
            return False
        self._heard_at, self._unanswered = now, 0
        if receipt.upto > before:
            self._advance(receipt.upto)
        elif receipt.upto < before:
            _log.warning(
                Event.RECEIPT_LOWERED, before=before, upto=receipt.upto, then="everything after it is sent again"
            )
            self._begin_again()
        elif self._on_their_way and receipt.upto != self._repeated:
            self._asked = True
        return True

    def reset(self) -> None:
        """On a new connection: what was on its way over the old one may be lost."""
        self._unanswered = 0
        self._begin_again()

    def due_in(self, now: float) -> float | None:
        """Seconds until `next` would send again without being told of anything new; None: never."""
        return max(self._due_at() - now, 0.0) if self._on_their_way else None

    def _due_at(self) -> float:
        if self._asked:  # the cloud is there and lacks it: as soon as it cannot be on its way any more
            return self._on_their_way[0].at + OVERDUE
        wait = min(RECEIPT_WITHIN * (1 << min(self._unanswered, MOST_DOUBLINGS)), LONGEST_WAIT)
        return max(self._on_their_way[0].at, self._heard_at) + wait

    def _has_room(self) -> bool:
        window = 1 if self._unanswered else WINDOW  # after a silence one batch asks whether anybody is there
        on_their_way = self._on_their_way
        return len(on_their_way) < window and sum(sent.size for sent in on_their_way) < WINDOW_BYTES

    def _advance(self, upto: int) -> None:
        ended = None
        while self._on_their_way and self._on_their_way[0].last <= upto:
            ended = self._on_their_way.popleft().last
        # no batch of ours ends there: the cloud had it before, and says so since it has nothing newer
        self._asked = bool(self._on_their_way) and ended != upto
        self._sent = max(self._sent, upto)

    def _begin_again(self) -> None:
        self._asked = False
        self._on_their_way.clear()
        self._sent = self.ledger.receipted
