"""Gathers from the entries of one transaction what they tell of cards, and hands it to who keeps them."""

from collections import defaultdict
from typing import Final

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry
from cloud.events import Event
from cloud.people.identities import Seen, learn
from cloud.portal.moments import from_microseconds
from cloud.sync.decoding import Columns, place
from protocol.cards import CardId
from protocol.credentials import REFUTED
from protocol.decision import Reason
from protocol.entries import Outcome
from protocol.errors import CardIdInvalid

LISTED: Final = frozenset({Reason.NOT_ENROLLED.value, Reason.UNBOUND.value})
"""What an unknown card is refused for when somebody holds it against a terminal so that it can be enrolled."""

_CARD, _ALSO, _PERSON = place(Entry.card), place(Entry.also), place(Entry.person)
_OUTCOME, _REASON, _PROOF = place(Entry.outcome), place(Entry.reason), place(Entry.proof)
_SORTED_AT, _READER, _PROJECT = place(Entry.sorted_at), place(Entry.reader), place(Entry.project)

log = structlog.get_logger(__name__)


class Cards:
    """The cards of a transaction of which something may be new; of the same card the last time counts.

    `now` and the times of columns are microseconds UTC.
    """

    def __init__(self) -> None:
        self._seen: defaultdict[str, dict[tuple[str, ...], Seen]] = defaultdict(dict)

    def note(self, customer: str, terminal: str, columns: Columns) -> None:
        """Take in what is a tap by a card that the terminal knew nobody behind, or that has several identities.

        What a card tells of itself that is proved to be another's is not believed, though it may have been let out.
        """
        if columns[_OUTCOME] is None or (columns[_PERSON] is not None and columns[_ALSO] is None):
            return
        counts = columns[_OUTCOME] == Outcome.GRANTED
        if columns[_PROOF] in REFUTED or not (counts or columns[_REASON] in LISTED):
            return
        identities = _lasting((columns[_CARD], *(columns[_ALSO] or "").split()))
        if not identities:
            return
        at = from_microseconds(columns[_SORTED_AT])
        held = self._seen[customer].get(identities)
        if held is None or (counts, at) >= (held.counts, held.at):
            seen = Seen(identities, at, terminal, columns[_READER], columns[_PROJECT], counts)
            self._seen[customer][identities] = seen

    def save(self, session: Session, now: int) -> None:
        """Have them learnt. What another process learns at the same moment comes again with the card's next tap."""
        for customer, seen in sorted(self._seen.items()):
            try:
                with session.begin_nested():
                    learn(session, from_microseconds(now), customer, seen.values())
            except IntegrityError as exc:
                why = str(exc.orig).partition("\n")[0]
                log.warning(Event.CARD_UNLEARNT, why=why, then="its next tap tells it again")


def _lasting(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Those that can be a card's and are the same at its next touch, each once."""
    found = []
    for text in texts:
        try:
            card = CardId.parse(text)
        except CardIdInvalid:
            continue
        if not card.is_random:
            found.append(str(card))
    return tuple(dict.fromkeys(found))
