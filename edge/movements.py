"""The newest movement of everybody who went through here, so that a toggle reader knows which way the next tap goes."""

from collections.abc import Iterable
from typing import Final

from protocol.cards import CardId
from protocol.decision import Enrolment, Movement
from protocol.entries import Outcome, Tap

MOST_KEPT: Final = 200_000  # those longest without a movement are forgotten first

_Key = tuple[str, str, str]


class Movements:
    """By person, company and project; of a card without a person, by card and project (DESIGN 6).

    Nothing of this is stored: the ledger is, and `Movements(ledger.taps_since(…))` builds it again at start.
    """

    def __init__(self, taps: Iterable[Tap] = ()) -> None:
        self._newest: dict[_Key, Movement] = {}
        for tap in taps:
            self.note(tap)

    def note(self, tap: Tap) -> None:
        """Take in a recorded tap; a denied one moved nobody."""
        if tap.outcome is not Outcome.GRANTED or tap.direction is None or tap.project is None:
            return
        key = _key(tap.card, tap.person, tap.company, tap.project)
        self._newest.pop(key, None)
        self._newest[key] = Movement(tap.direction, tap.occurred_at)
        if len(self._newest) > MOST_KEPT:
            del self._newest[next(iter(self._newest))]

    def of(self, card: CardId, enrolment: Enrolment | None, project: str) -> Movement | None:
        """The newest movement on a project of whoever holds this card."""
        person, company = (enrolment.person, enrolment.company) if enrolment else (None, None)
        return self._newest.get(_key(str(card), person, company, project))


def _key(card: str, person: str | None, company: str | None, project: str) -> _Key:
    return (project, card, "") if person is None else (project, person, company or "")
