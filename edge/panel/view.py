"""What somebody in front of the terminal sees: read from the pins and parts themselves, never kept a second time."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from edge.answers import Answer
from edge.doors.simulated_door import SimulatedDoor
from edge.readers import CardSeen
from edge.report import LIGHTS, Report
from protocol.cards import CardId

REMEMBERED: Final = 12


@dataclass(frozen=True, slots=True)
class PanelCard:
    """A card that can be held against the reader from the page."""

    card: str
    name: str
    company: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`uid:04A1B2C3D4E5F6 Anna Lindqvist (Bygg AB)`; the company may be left out. Raises CardIdInvalid."""
        card, _, told = text.partition(" ")
        name, _, company = told.partition("(")
        return cls(str(CardId.parse(card)), name.strip(), company.strip().removesuffix(")"))


class View:
    """`tappable` are the readers that the page can hold a card against, `doors` the leaves and bolts outside."""

    def __init__(
        self,
        report: Report,
        tappable: Iterable[str],
        doors: Mapping[str, SimulatedDoor],
        cards: Iterable[PanelCard],
    ) -> None:
        self._report = report
        self._tappable = list(tappable)
        self._doors = doors
        self._cards = {each.card: each for each in cards}
        self._answers: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def answered(self, seen: CardSeen, answer: Answer) -> None:
        """A tap was answered; what is still the same holding of a card is not told again."""
        card = str(seen.card)
        if answer.seq is not None and self._answers and self._answers[0]["seq"] == answer.seq:
            return
        known = self._cards.get(card)
        told = {"card": card, "name": known.name if known else "", "reader": seen.reader, **answer.words()}
        self._answers.appendleft({"at": self._report.clock.read().utc // 1000, **told})

    def look(self) -> dict[str, Any]:
        """Everything that the page shows."""
        report = self._report
        binding = report.tables.binding
        return {
            "terminal": report.outbox.ledger.terminal,
            "place": None if binding is None else [binding.project_name, binding.place],
            "online": report.link.is_online(),
            "unsent": report.outbox.depth,
            "lights": {name: report.pins[name].is_on for name in LIGHTS},
            "shown": report.signals.shown,
            "held": report.resting.held,
            "doors": [self._door(name) for name in report.doors],
            "readers": {reader.name: reader.is_there for reader in report.readers},
            "tappable": self._tappable,
            "cards": [asdict(each) for each in self._cards.values()] + self._lately(),
            "answers": list(self._answers),
        }

    def _door(self, name: str) -> dict[str, Any]:
        """How the terminal takes it to be, and how it really is where it is simulated."""
        known = {"name": name, "state": str(self._report.doors[name].state)}
        real = self._doors.get(name)
        if real is None:
            return {**known, "real": None}
        fitted = list(self._report.doors[name].seen)
        there = {"open": real.is_open, "bolt": real.bolt, "held": real.is_held, "stuck": real.is_stuck}
        return {**known, "real": {**there, "fitted": fitted}}

    def _lately(self) -> list[dict[str, str]]:
        """Cards that were seen and that nobody has put on the list."""
        seen = dict.fromkeys(answer["card"] for answer in self._answers if answer["card"] not in self._cards)
        return [{"card": card, "name": "", "company": ""} for card in list(seen)[:4]]
