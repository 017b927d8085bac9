"""Who taps next in the demonstration, and where: by seeded chance, with a blocked and an unknown card among them."""

import random
from dataclasses import dataclass

from cloud.demo import cast
from cloud.demo.terminals import TERMINALS, UNBOUND, DemoTerminal


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody holds a card against a terminal's reader."""

    terminal: DemoTerminal
    who: str
    uid: str


class Visitors:
    """Chooses visits. Nobody taps twice in a row at the same terminal, so that no visit is a repeated read."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._last: dict[str, str] = {}

    def next(self) -> Visit:
        """The next visit."""
        terminal = self._chance.choices(TERMINALS, weights=[5, 4, 1])[0]
        name, uid = self._somebody()
        while self._last.get(terminal.id) == uid:
            name, uid = self._somebody()
        self._last[terminal.id] = uid
        return Visit(terminal, name, uid)

    def first(self) -> list[Visit]:
        """A beginning that shows everything: known people, a blocked card, an unknown one, and the unbound terminal."""
        north, hoist = TERMINALS[0], TERMINALS[1]
        anna, johan, *_ = cast.PEOPLE
        visits = [
            Visit(north, anna.name, anna.uid),
            Visit(hoist, johan.name, johan.uid),
            Visit(UNBOUND, anna.name, anna.uid),
            Visit(north, *_blocked()),
            Visit(hoist, *_unknown()),
        ]
        self._last = {visit.terminal.id: visit.uid for visit in visits}
        return visits

    def _somebody(self) -> tuple[str, str]:
        draw = self._chance.random()
        if draw < 0.08:
            return _blocked()
        if draw < 0.14:
            return _unknown()
        person = self._chance.choice(cast.PEOPLE)
        return person.name, person.uid


def _blocked() -> tuple[str, str]:
    return f"{cast.BLOCKED_PERSON.name} (blocked card)", cast.BLOCKED_PERSON.uid


def _unknown() -> tuple[str, str]:
    return "somebody with an unknown card", cast.UNKNOWN_UID
