"""The engine: one site is kept over all rounds, and in each of them parts of it are killed while people tap."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from cloud.errors import ProgramFailed
from tests.chaos.tapping import Tapper
from tests.support.postgres import PostgresServer
from tests.support.site import Site
from tests.support.site_terminal import Feed, Plan

SPAN: Final = 1.1
"""Seconds of a round in which parts are killed; they may come back later."""

LONGEST_AWAY: Final = 0.7
SO_SOON: Final = (0.0, 0.35)
"""Seconds after its start at which a part is killed once more: while it starts, or just after."""

CATCH_UP: Final = 60.0
"""Seconds within which the cloud must have everything, once all parts run again; it takes one or two."""

SERIAL, SIMULATED = "gate-serial", "gate-simulated"
BROKER, CLOUD, DATABASE = "broker", "cloud", "database"
ODDS: Final = {SERIAL: 0.55, SIMULATED: 0.55, BROKER: 0.45, CLOUD: 0.45, DATABASE: 0.1}


@dataclass(frozen=True, slots=True)
class Trial:
    """How hard it is: how likely each part is struck in a round, and how long the cloud may take to catch up."""

    odds: Mapping[str, float] = field(default_factory=lambda: ODDS)
    patience: float = CATCH_UP


USUAL: Final = Trial()


@dataclass(frozen=True, slots=True)
class Blow:
    """A part is killed at a moment of a round, and started again after it was away for a while."""

    part: str
    at: float
    away: float


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    rounds: int = 0
    taps: int = 0
    greens: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    longest_catch_up: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    number: int
    blows: Sequence[Blow]
    caught_up: float
    violations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that can be killed and started; `start` does not wait until it is ready."""

    kill: Callable[[], None]
    start: Callable[[], None]


def draw(chance: random.Random, likely: Mapping[str, float]) -> list[Blow]:
    """The blows of a round, at least one, in the order of time; a part may be struck again just after it started."""
    while not (struck := [part for part, odds in likely.items() if chance.random() < odds]):
        pass
    blows = []
    for part in struck:
        blow = Blow(part, chance.uniform(0, SPAN), chance.uniform(0, LONGEST_AWAY))
        blows.append(blow)
        if part != DATABASE and chance.random() < 0.3:
            again = blow.at + blow.away + chance.uniform(*SO_SOON)
            blows.append(Blow(part, again, chance.uniform(0, LONGEST_AWAY)))
    return sorted(blows, key=lambda blow: blow.at)


class Chaos:
    """Rounds on one site. The same seed draws the same blows; when exactly they hit is the machine's."""

    def __init__(self, site: Site, database: PostgresServer, seed: int, trial: Trial) -> None:
        self.tally = Tally()
        self._trial = trial
        self._site = site
        self._chance = random.Random(seed)
        self._tappers = [
            Tapper(terminal, site.cards[share :: len(site.terminals)], random.Random(f"{seed} {terminal.id}"))
            for share, terminal in enumerate(site.terminals)
        ]
        self._programs = [(terminal.program, terminal.answers) for terminal in site.terminals]
        self._programs.append((site.cloud.program, site.cloud.answers))
        self._parts = {
            BROKER: Part(site.broker.kill, site.broker.start),
            CLOUD: Part(site.cloud.kill, partial(site.cloud.start, wait=False)),
            DATABASE: Part(database.kill, database.start),
        }
        for terminal in site.terminals:
            self._parts[terminal.id] = Part(terminal.kill, partial(terminal.start, wait=False))

    def run(self, rounds: int) -> Iterator[Round]:
        """Each round as it ends. The last one is the first that finds a violation."""
        for tapper in self._tappers:
            tapper.start()
        try:
            for number in range(1, rounds + 1):
                done = self._round(number)
                yield done
                if done.violations:
                    return
        finally:
            for tapper in self._tappers:
                tapper.stop()

    def _round(self, number: int) -> Round:
        blows = draw(self._chance, self._trial.odds)
        self._strike(blows)
        try:
            self._wait_for_all(may_fail={CLOUD} if DATABASE in {blow.part for blow in blows} else set())
        except ProgramFailed as failed:
            return self._noted(Round(number, blows, 0.0, [str(failed)]))
        with self._silence():
            caught_up, violations = self._look()
        return self._noted(Round(number, blows, caught_up, violations))

    def _wait_for_all(self, may_fail: Container[str]) -> None:
        """Returns when all parts are ready. Raises ProgramFailed for one that ended by itself.

        A cloud that finds no database at its start ends, and its service manager starts it again: so do we.
        """
        for program, is_ready in self._programs:
            while True:
                try:
                    program.wait_until(is_ready)
                except ProgramFailed:
                    if program.is_running or program.name not in may_fail:
                        raise
                    program.start()
                else:
                    break

    def _strike(self, blows: Sequence[Blow]) -> None:
        """Kill and start parts when it is their time; everything has been started when it returns."""
        moments = [(blow.at, self._parts[blow.part].kill) for blow in blows]
        moments += [(blow.at + blow.away, self._parts[blow.part].start) for blow in blows]
        began = time.monotonic()
        for at, act in sorted(moments, key=lambda moment: moment[0]):
            threading.Event().wait(max(0.0, began + at - time.monotonic()))
            act()

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Nobody taps meanwhile."""
        with ExitStack() as resting:
            for tapper in self._tappers:
                tapper.rest()
                resting.callback(tapper.go_on)
            yield

    def _look(self) -> tuple[float, list[str]]:
        """How long the cloud took to have everything, and what is wrong."""
        try:
            caught_up = self._site.wait_until_sent(self._trial.patience)
        except TimeoutError as late:
            return self._trial.patience, [str(late), *self._site.faults(complete=False)]
        return caught_up, self._site.faults()

    def _noted(self, done: Round) -> Round:
        tally = self.tally
        tally.rounds += 1
        tally.taps = sum(tapper.taps - tapper.unanswered for tapper in self._tappers)
        tally.greens = max(tally.greens, sum(terminal.greens_seen for terminal in self._site.terminals))
        tally.kills.update(blow.part for blow in done.blows)
        tally.longest_catch_up = max(tally.longest_catch_up, done.caught_up)
        return done


@contextmanager
def chaos(folder: Path, seed: int, plant: str = "", trial: Trial = USUAL) -> Iterator[Chaos]:
    """A running site of two terminals, on a PostgreSQL that waits for the disk; `plant` is a bug for its daemons."""
    plans = [Plan(SERIAL, Feed.SERIAL, fault=plant), Plan(SIMULATED, fault=plant)]
    with PostgresServer.temporary() as database, Site(folder, database.create("chaos"), plans, people=200) as site:
        yield Chaos(site, database, seed, trial)
