"""Who taps next in the demonstration, and where: by seeded chance, and not every card is a good one."""

import random
from dataclasses import dataclass

from cloud.demo import cast
from cloud.demo.cards import COPY
from cloud.demo.terminals import TERMINALS, UNBOUND, DemoTerminal, Feed


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody holds a card against a terminal's reader; a PIV card lies in the folder of the name `kept`."""

    terminal: DemoTerminal
    who: str
    uid: str
    kept: str | None = None


class Visitors:
    """Chooses visits. Nobody taps twice in a row at the same terminal, so that no visit is a repeated read."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._last: dict[str, str] = {}

    def next(self) -> Visit:
        """The next visit."""
        terminal = self._chance.choices(TERMINALS, weights=[5, 4, 1])[0]
        visit = self._somebody(terminal)
        while self._last.get(terminal.id) == visit.uid:
            visit = self._somebody(terminal)
        self._last[terminal.id] = visit.uid
        return visit

    def first(self) -> list[Visit]:
        """A beginning that shows everything: known people, blocked, unknown and copied cards, the unbound terminal."""
        north, hoist = TERMINALS[0], TERMINALS[1]
        anna, _, fatima, *_ = cast.PEOPLE
        visits = [
            Visit(north, anna.name, anna.uid),
            _with_card(hoist, fatima),
            Visit(UNBOUND, anna.name, anna.uid),
            Visit(north, *_blocked()),
            _copied(hoist),
            Visit(hoist, *_unknown()),
        ]
        self._last = {visit.terminal.id: visit.uid for visit in visits}
        return visits

    def _somebody(self, terminal: DemoTerminal) -> Visit:
        draw = self._chance.random()
        if draw < 0.08:
            return Visit(terminal, *_blocked())
        if draw < 0.14:
            return Visit(terminal, *_unknown())
        if draw < 0.24 and terminal.feed is Feed.PCSC:
            return _copied(terminal)
        return _with_card(terminal, self._chance.choice(cast.PEOPLE))


def _with_card(terminal: DemoTerminal, person: cast.DemoPerson) -> Visit:
    is_read = person.guid and terminal.feed is Feed.PCSC
    return Visit(terminal, person.name, person.uid, person.guid if is_read else None)


def _copied(terminal: DemoTerminal) -> Visit:
    """A copier takes the serial of the chip as well; only the key stays behind."""
    return Visit(terminal, f"somebody with a copy of {cast.COPIED_PERSON.name}'s card", cast.COPIED_PERSON.uid, COPY)


def _blocked() -> tuple[str, str]:
    return f"{cast.BLOCKED_PERSON.name} (blocked card)", cast.BLOCKED_PERSON.uid


def _unknown() -> tuple[str, str]:
    return "somebody with an unknown card", cast.UNKNOWN_UID
