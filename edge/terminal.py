"""The tap, on one page: a card is seen, decided on, written down, shown, and maybe a lock moves.

Start reading here. The order is the first promise of the product: green only once the entry is on disk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from edge.acting import open_granted, show
from edge.answers import Answer, Occasion, pattern_of
from edge.clock.clock import Clock
from edge.doors.door import Door
from edge.errors import LedgerFault
from edge.events import Event
from edge.guard import RepeatGuard
from edge.knowledge import Knowledge
from edge.ledger.ledger import Ledger
from edge.readers import CardSeen
from edge.signals.patterns import Pattern
from edge.signals.signals import Signals
from protocol.decision import Verdict, decide

_log = structlog.get_logger()


@dataclass(slots=True)
class Terminal:
    """Answers taps one at a time in the loop's thread; `is_online` and `wake` are the link's."""

    clock: Clock
    ledger: Ledger
    knowledge: Knowledge
    guard: RepeatGuard[Answer]
    signals: Signals
    doors: Mapping[str, Door]
    is_online: Callable[[], bool]
    wake: Callable[[], None]

    def tap(self, seen: CardSeen) -> Answer:
        """Answer a card held against a reader. The order of these lines is a promise, and a test of that name."""
        now = self.clock.read()
        repeated = self.guard.repeated(seen.reader, seen.card, now.monotonic)
        if repeated is not None:
            return self._repeat(repeated, seen)
        facts = self.knowledge.of(seen, now)
        occasion = Occasion(seen, facts, now, self.knowledge.versions)

        verdict = decide(facts, now)  # 1. decide
        entry = occasion.entry(verdict, self.clock.read().utc)
        try:
            seq = self.ledger.append(entry)  # 2. record: it is on disk when this returns
        except LedgerFault as fault:
            return self._fail(verdict, seen, fault)
        answer = Answer(verdict, pattern_of(verdict, facts.enrolment, self.is_online()), seq)
        show(self.signals, answer.shown)  # 3. signal: the first light is on when this returns
        took = self.clock.read().monotonic - now.monotonic
        opened = open_granted(self.doors, verdict, seq)  # 4. open

        self.knowledge.note(entry)
        self.guard.note(seen.reader, seen.card, answer, now.monotonic)
        self.wake()
        said = {**_named(seen), **answer.words(), "opened": opened}
        _log.info(Event.TAP_ANSWERED, **said, milliseconds=round(took / 1e6, 3))
        return answer

    def _repeat(self, answer: Answer, seen: CardSeen) -> Answer:
        """The same holding of a card: nothing new to write down, and no reason to move a lock."""
        show(self.signals, answer.shown)
        _log.info(Event.TAP_REPEATED, seq=answer.seq, **_named(seen))
        return answer

    def _fail(self, verdict: Verdict, seen: CardSeen, fault: LedgerFault) -> Answer:
        """Nothing is on disk, so nothing turns green and no lock moves."""
        show(self.signals, Pattern.LEDGER_FAULT)
        _log.error(Event.LEDGER_FAILED, **_named(seen), why=str(fault), then="the next tap tries again")
        return Answer(verdict, Pattern.LEDGER_FAULT)


def _named(seen: CardSeen) -> dict[str, str]:
    return {"reader": seen.reader, "card": seen.card.masked}
