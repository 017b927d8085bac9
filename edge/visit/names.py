"""Gives ids of people and companies their names and numbers, and remembers why where that is not possible."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.errors import NamesUnreadable
from edge.tables.people import People
from protocol.tables import Holder, Named

MOST_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class Names:
    """Names as the cloud sent them last. `trouble`: why some could not be opened; `are_lacking`: some never came."""

    people: People | None
    trouble: str | None = None
    are_lacking: bool = False
    _known: dict[str, Named | None] = field(default_factory=dict)

    @classmethod
    def at(cls, tables_path: Path, key_path: Path) -> "Names":
        """Those of a terminal; with a key that cannot be used, there are none and `trouble` says why."""
        try:
            return cls(People(tables_path, key_path))
        except NamesUnreadable as fault:
            return cls(None, fault.reason)

    def of(self, key: str | None) -> Named | None:
        """The name and number behind an id, where it can be told."""
        if key is None:
            return None
        if key not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._asked(key)
        return self._known[key]

    def holder(self, cards: tuple[str, ...]) -> Holder | None:
        """Who holds a card that was seen here without being enrolled, by any of its identities."""
        if self.people is None:
            return None
        for card in cards:
            try:
                found = self.people.holder(card)
            except NamesUnreadable as fault:
                self.trouble = fault.reason
                return None
            if found is not None:
                return found
        return None

    def _asked(self, key: str) -> Named | None:
        if self.people is None:
            return None
        try:
            named = self.people.named(key)
        except NamesUnreadable as fault:
            self.trouble = fault.reason
            return None
        self.are_lacking = self.are_lacking or named is None
        return named
