"""Takes terminals' entries in: idempotent, without gaps, several batches in one transaction, receipts only after it.

A batch that continues what is held is taken; one that is held already is receipted again; one beyond a gap is answered
with the receipt for what is held, which asks for the rest, unless the terminal declared lost what is missing. A branch
of the chain (a cloned card's) and an entry that cannot be read are kept aside durably with the reason: that counts as
received, or the terminal could never go on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from cloud.attendance.facts import CLOCK_SET
from cloud.attendance.models import Entry, LedgerHead
from cloud.clock import Clock, microseconds
from cloud.database import Database
from cloud.events import Event
from cloud.people.names import tell_of_cards
from cloud.sync import gaps
from cloud.sync.batches import Batch
from cloud.sync.cards import Cards
from cloud.sync.decoding import RefusedBecause, columns_of, place
from cloud.sync.ledgers import Head, Ledgers
from cloud.sync.presence import Movements
from cloud.units.models import Unit
from cloud.wakeups import Topic, announce
from protocol.entries import Outcome as TapOutcome
from protocol.entries import genesis
from protocol.errors import TerminalId
from protocol.messages import VERSION, Receipt
from protocol.passes import LONGEST_PASS

PROJECT: Final = place(Entry.project)
SORTED_AT: Final = place(Entry.sorted_at)
SUBJECT: Final = place(Entry.subject)
CARD, PERSON, OUTCOME = place(Entry.card), place(Entry.person), place(Entry.outcome)
GRANTED: Final = TapOutcome.GRANTED.value

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a batch."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    GAP = "gap"
    FORK = "fork"
    UNKNOWN_TERMINAL = "unknown_terminal"
    UNSTORABLE = "unstorable"


EVENTS = {
    Outcome.TAKEN: Event.BATCH_RECEIPTED,
    Outcome.DUPLICATE: Event.BATCH_RECEIPTED,
    Outcome.GAP: Event.BATCH_GAPPED,
    Outcome.FORK: Event.BATCH_FORKED,
    Outcome.UNKNOWN_TERMINAL: Event.BATCH_REFUSED,
    Outcome.UNSTORABLE: Event.BATCH_REFUSED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch, and what its terminal is told: nothing, where it is refused."""

    terminal: TerminalId
    outcome: Outcome
    receipt: Receipt | None


class Owner(NamedTuple):
    """Whose terminal it is, and the project it is bound to."""

    customer: str
    project: str | None


class Ingest:
    """Takes batches into one database; several processes may do so at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take(self, batches: Sequence[Batch]) -> list[Answer]:
        """Write batches down in one transaction; an answer for each, in order, once they are durable.

        Raises OperationalError or InterfaceError where the database is away: nothing was written, take them again.
        """
        try:
            with self._database.transaction() as session:
                answers = _Taking(session, microseconds(self._clock.now())).take(batches)
        except (OperationalError, InterfaceError):
            raise
        except DBAPIError as exc:
            return self._apart(batches, exc)
        for batch, answer in zip(batches, answers, strict=True):
            _say(batch, answer)
        return answers

    def held(self, terminal: TerminalId, ledger: bytes) -> Receipt:
        """The receipt for what is held of a ledger now; one that says less than was sent asks for the rest."""
        with self._database.reading() as session:
            head = session.get(LedgerHead, (terminal, ledger))
            if head is None:
                return Receipt(VERSION, ledger, 0, genesis(terminal, ledger))
            return Receipt(VERSION, ledger, head.upto, head.hash)

    def _apart(self, batches: Sequence[Batch], exc: DBAPIError) -> list[Answer]:
        """One of them cannot be stored: find out which, so that the others are."""
        if len(batches) > 1:
            return [answer for batch in batches for answer in self.take([batch])]
        answer = Answer(batches[0].key.terminal, Outcome.UNSTORABLE, None)
        _say(batches[0], answer, why=str(exc.orig).partition("\n")[0])
        return [answer]


class _Taking:
    """One transaction."""

    def __init__(self, session: Session, now: int) -> None:
        self._session = session
        self._now = now
        self._movements = Movements(now)
        self._cards = Cards()
        self._nameless: dict[str, set[str]] = {}

    def take(self, batches: Sequence[Batch]) -> list[Answer]:
        """Place every batch, then write all rows at once."""
        owners = self._owners({batch.key.terminal for batch in batches})
        ledgers = Ledgers(self._session, (batch.key for batch in batches if batch.key.terminal in owners))
        answers = []
        for batch in batches:
            owner = owners.get(batch.key.terminal)
            if owner is None:
                answers.append(Answer(batch.key.terminal, Outcome.UNKNOWN_TERMINAL, None))
            else:
                answers.append(self._place(ledgers, batch, owner))
        ledgers.save()
        self._cards.save(self._session, self._now)
        self._movements.save(self._session)
        for project, cards in sorted(self._nameless.items()):
            tell_of_cards(self._session, project, cards)
        if ledgers.entries or ledgers.refused:
            announce(self._session, Topic.ENTRIES)
        return answers

    def _owners(self, terminals: set[TerminalId]) -> dict[str, Owner]:
        found = select(Unit.id, Unit.customer_id, Unit.project_id).where(Unit.id.in_(terminals))
        return {key: Owner(customer, project) for key, customer, project in self._session.execute(found)}

    def _place(self, ledgers: Ledgers, batch: Batch, owner: Owner) -> Answer:
        head = ledgers.heads[batch.key]
        entries = batch.entries
        if entries.first > head.upto + 1:
            if ledgers.is_fork_at(batch.key, entries.first - 1, entries.previous):
                return self._keep_aside(ledgers, batch)
            if not ledgers.gaps.cover(batch.key, head.upto + 1, entries.first - 1):
                return _answer(batch, Outcome.GAP, head.upto, head.hash)
            head.begin_again(entries.first - 1, entries.previous)
        found = ledgers.lost_of(batch) if entries.first <= head.upto else []
        if not (ledgers.belongs(batch) if found else _is_continued(ledgers, batch, head)):
            return self._keep_aside(ledgers, batch)
        self._append(ledgers, batch, owner, found)
        if _goes_on(batch, head):
            self._append(ledgers, batch, owner, range(head.upto + 1, entries.last + 1))
        elif not found:
            return _answer(batch, Outcome.DUPLICATE, head.upto, head.hash)
        return _answer(batch, Outcome.TAKEN, head.upto, head.hash)

    def _append(self, ledgers: Ledgers, batch: Batch, owner: Owner, seqs: Iterable[int]) -> None:
        """These entries become rows; one that cannot be read is kept aside in its place."""
        head = ledgers.heads[batch.key]
        first, payloads, chained = batch.entries.first, batch.entries.payloads, batch.chained
        terminal, ledger = batch.key
        now, project, recently = self._now, owner.project, self._now - LONGEST_PASS
        for seq in seqs:
            links, payload = chained[seq - first], payloads[seq - first]
            columns = columns_of(payload, now)
            if isinstance(columns, RefusedBecause):
                ledgers.refused.append(self._refused(batch, seq, columns))
                log.warning(Event.ENTRY_REFUSED, terminal=terminal, ledger=ledger.hex(), seq=seq, why=columns)
            else:
                ledgers.entries.append((owner.customer, terminal, ledger, seq, *links, payload, now, *columns))
                self._cards.note(owner.customer, terminal, columns)
                if columns[PERSON] is None and columns[OUTCOME] == GRANTED and columns[PROJECT] == project is not None:
                    self._nameless.setdefault(project, set()).add(columns[CARD])
                if columns[SORTED_AT] > recently and columns[PROJECT] == project is not None:
                    self._movements.note(batch.key, seq, columns)
                elif columns[SUBJECT] == gaps.SUBJECT:
                    ledgers.gaps.declare(batch.key, seq, payload)
                elif columns[SUBJECT] == CLOCK_SET and project is not None:
                    self._movements.put_right(batch.key, seq, payload, project)
            head.add(seq, links)

    def _keep_aside(self, ledgers: Ledgers, batch: Batch) -> Answer:
        """Another branch: what differs from the chain we hold is kept, and receipted by the branch's own hash."""
        entries = batch.entries
        held = ledgers.links(batch.key, entries.first, entries.last)
        for seq in range(entries.first, entries.last + 1):
            if held.get(seq) != batch.link_at(seq):
                ledgers.refused.append(self._refused(batch, seq, RefusedBecause.FORK))
        return _answer(batch, Outcome.FORK, entries.last, entries.last_hash)

    def _refused(self, batch: Batch, seq: int, reason: RefusedBecause) -> dict[str, Any]:
        return {
            "terminal": batch.key.terminal,
            "ledger": batch.key.ledger,
            "seq": seq,
            "hash": batch.hash_at(seq),
            "reason": reason.value,
            "payload": batch.entries.payloads[seq - batch.entries.first],
            "received_at": self._now,
        }


def _is_continued(ledgers: Ledgers, batch: Batch, head: Head) -> bool:
    """Says whether the batch lies on the chain we hold; `first` is not beyond it."""
    entries = batch.entries
    if entries.first == head.upto + 1:
        return entries.previous == head.hash
    if entries.last >= head.upto:
        return batch.hash_at(head.upto) == head.hash
    return ledgers.links(batch.key, entries.last, entries.last).get(entries.last) == batch.link_at(entries.last)


def _goes_on(batch: Batch, head: Head) -> bool:
    """Says whether the batch, which lies on the chain we hold, has entries beyond the head that continue it."""
    first, last = batch.entries.first, batch.entries.last
    if last <= head.upto:
        return False
    return (batch.entries.previous if first == head.upto + 1 else batch.hash_at(head.upto)) == head.hash


def _answer(batch: Batch, outcome: Outcome, upto: int, chain_hash: bytes) -> Answer:
    return Answer(batch.key.terminal, outcome, Receipt(VERSION, batch.key.ledger, upto, chain_hash))


def _say(batch: Batch, answer: Answer, **more: str) -> None:
    entries = batch.entries
    event = EVENTS[answer.outcome]
    level = log.info if event is Event.BATCH_RECEIPTED else log.warning
    about = {
        "terminal": batch.key.terminal,
        "ledger": entries.ledger.hex(),
        "first": entries.first,
        "last": entries.last,
    }
    level(event, **about, outcome=answer.outcome, upto=answer.receipt.upto if answer.receipt else None, **more)
