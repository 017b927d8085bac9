"""The engine: a terminal loses its power again and again; each round goes on with the disk that the last one left."""

import itertools
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.powercut.disk import Image, read_folder, replay, write_folder
from tests.powercut.drawing import Cut, begun_logs, drawn_cuts, drawn_error, drawn_kill
from tests.powercut.file import Fate
from tests.powercut.journal import Record, read_journal
from tests.powercut.judging import PINS, Promised, judge
from tests.powercut.shim import FOREVER, Fault, Shim, build
from tests.powercut.terminal import CutTerminal, Ended, Reached, bound_image
from tests.support.certificates import CertificateAuthority
from tests.support.cloud_end import CloudEnd
from tests.support.gate import TERMINAL
from tests.support.mosquitto import CLOUD, Mosquitto

NEW: Final = 0.2
"""How likely a round begins with a terminal that has no ledger yet, instead of the disk that the last round left."""

GLANCES: Final = 15
"""Further cuts of each round, which SQLite alone opens: no daemon starts on them."""


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    rounds: int = 0
    new: int = 0
    lives: int = 0
    taps: int = 0
    greens: int = 0
    cuts: int = 0
    begun_logs: int = 0
    fate: Fate = field(default_factory=Fate)
    acts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is needed, with the journal beside it, to rebuild a disk again."""

    image: Image
    promised: Promised
    cut: Cut

    def save(self, folder: Path) -> None:
        """Keep it."""
        (folder / "case").write_bytes(pickle.dumps(self))

    @staticmethod
    def load(folder: Path) -> "Case":
        """The case that was kept in this folder; only for folders of one's own making."""
        case = pickle.loads((folder / "case").read_bytes())  # noqa: S301
        assert isinstance(case, Case)
        return case


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: `folder` keeps the journal and the cut that went wrong."""

    number: int
    folder: Path
    violations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Trial:
    """How hard it is: how many taps stand between two events, and what bug there is, in the daemon or in its disk."""

    stretches: Sequence[int] = (3, 20, 60, 60, 150, 500)
    plant: str = ""
    disk: Sequence[Fault] = ()


USUAL: Final = Trial()


class PowerCuts:
    """Rounds on one terminal. The same seed draws the same cuts; what the daemon wrote when is the machine's."""

    def __init__(self, folder: Path, seed: int, reached: Reached, trial: Trial) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.tally = Tally()
        self._folder = folder
        self._seed = seed
        self._reached = reached
        self._trial = trial
        self._library = build(folder)
        self._bound = bound_image(folder / "bound")
        self._image: Image = self._bound
        self._promised = Promised()
        self._numbers = itertools.count(1)

    def run(self, rounds: int) -> Iterator[Round]:
        """Each round as it ends. The last one is the first that finds a violation."""
        for number in range(1, rounds + 1):
            done = self._round(number)
            if number == rounds and not done.violations:
                done = replace(done, violations=self._goes_on(done.folder))
            yield done
            if done.violations:
                return
            if number > 1:
                shutil.rmtree(self._folder / str(number - 1))

    def again(self, folder: Path) -> list[str]:
        """Rebuild the disk of a case that was kept and start a daemon on it: what is wrong."""
        case = Case.load(folder)
        records = read_journal(folder / "journal")
        ((_, self._image),) = self._rebuilt(case.image, records, [case.cut])
        wrong, self._promised = self._look(self._image, case.promised.after(records[: case.cut.moment]), folder)
        return wrong or self._goes_on(folder)

    # --- one round --------------------------------------------------------------------------------------------------

    def _round(self, number: int) -> Round:
        chance = random.Random(f"{self._seed} {number}")
        self.tally.rounds += 1
        before, folder = self._folder / str(number - 1), self._folder / str(number)
        if number == 1 or chance.random() < NEW:
            wrong = self._goes_on(before) if number > 1 else []
            if wrong:
                return Round(number, before, wrong)
            self._image, self._promised = self._bound, Promised()
            self.tally.new += 1
        write_folder(self._image, folder / "state")
        try:
            records = self._record(folder, chance)
        except Ended as fault:
            return Round(number, before, [f"the daemon does not go on after the last cut: {fault}"])
        self.tally.greens += len(self._promised.after(records).greens) - len(self._promised.greens)
        self.tally.begun_logs += begun_logs(records)
        return Round(number, folder, self._cut(records, folder, chance, f"{self._seed} {number}"))

    def _cut(self, records: Sequence[Record], folder: Path, chance: random.Random, seed: str) -> list[str]:
        """Cut the power at several moments of the same recording, and go on with one of the disks."""
        image, promised = self._image, self._promised
        cuts = sorted(drawn_cuts(records, chance, seed, GLANCES + 1), key=lambda cut: cut.moment)
        taken = chance.choice(cuts)
        for cut, left in self._rebuilt(image, records, cuts):
            wrong, seen = self._look(left, promised.after(records[: cut.moment]), folder)
            if wrong or cut == taken:
                Case(image, promised, cut).save(folder)
            if wrong:
                return [*wrong, f"cut after record {cut.moment} of {len(records)}, {cut.style} of the rest"]
            if cut == taken:
                self._image, self._promised = left, seen
        return []

    def _rebuilt(
        self, image: Image, records: Sequence[Record], cuts: Sequence[Cut]
    ) -> Iterator[tuple[Cut, dict[str, bytes]]]:
        moments = replay(image, records, [cut.moment for cut in cuts])
        for cut, (_, disk) in zip(cuts, moments, strict=True):
            left, fate = disk.cut(random.Random(cut.seed), cut.style)
            self.tally.cuts += 1
            self.tally.fate.add(fate)
            yield cut, left

    def _goes_on(self, folder: Path) -> list[str]:
        """Start a daemon on the disk as it is now, and tap: what is wrong then."""
        after = folder / "after"
        write_folder(self._image, after / "state")
        shim = Shim(self._library, after / "state", after)
        terminal = CutTerminal(after, shim, self._reached, self._numbers, self._trial.plant)
        try:
            terminal.start()
            for _ in range(3):
                terminal.tap()
            terminal.kill_at("write", PINS, 0)
        except Ended as fault:
            return [f"the daemon does not go on after the cut: {fault}"]
        finally:
            terminal.end()
        return judge(terminal.state, self._promised.after(read_journal(shim.journal)))[0]

    def _look(self, image: Image, promised: Promised, folder: Path) -> tuple[list[str], Promised]:
        """What is wrong on a rebuilt disk, and what it promises for the next round."""
        looked = folder / "looked"
        write_folder(image, looked)
        try:
            wrong, copy = judge(looked, promised)
        finally:
            shutil.rmtree(looked)
        return wrong, promised.seen(copy)

    def _record(self, folder: Path, chance: random.Random) -> list[Record]:
        """Let a daemon live, maybe several in a row, until the power goes; what they did to the disk. Raises Ended."""
        shim = Shim(self._library, folder / "state", folder, self._trial.disk)
        terminal = CutTerminal(folder, shim, self._reached, self._numbers, self._trial.plant)
        try:
            if chance.random() < 0.15:
                self._count("killed while it starts")
                terminal.begin_and_kill_at(*drawn_kill(chance))
                self._compare(folder)
            terminal.start()
            self.tally.lives += 1
            for _ in range(chance.randint(1, 3)):
                for _ in range(chance.choice(self._trial.stretches)):
                    terminal.tap()
                self._act(terminal, chance)
            terminal.kill_at("write", PINS, chance.randint(0, 12))
        finally:
            terminal.end()
            self.tally.taps += terminal.taps
        return self._compare(folder)

    def _act(self, terminal: CutTerminal, chance: random.Random) -> None:
        """Something that happens between taps."""
        match chance.choice(
            ["receipts", "receipts", "stopped", "killed", "disk error", "disk error and kill", "nothing"]
        ):
            case "receipts":
                self._count("receipts")
                terminal.give_receipts()
            case "stopped":
                self._count("stopped and started")
                terminal.stop()
                self._go_on(terminal)
            case "killed":
                self._count("killed and started")
                terminal.kill_at(*drawn_kill(chance))
                self._go_on(terminal)
            case "disk error":
                self._count("disk error")
                self._disk_error(terminal, chance)
            case "disk error and kill":
                self._count("disk error, killed and started")
                error = drawn_error(chance, FOREVER)
                terminal.kill_at("write", PINS, chance.randint(0, 12), error)
                self._go_on(terminal)

    def _disk_error(self, terminal: CutTerminal, chance: random.Random) -> None:
        terminal.shim.fail(drawn_error(chance, chance.randint(1, 3)))
        for _ in range(chance.randint(1, 6)):
            terminal.tap()
        terminal.shim.fail()

    def _go_on(self, terminal: CutTerminal) -> None:
        self._compare(terminal.folder)
        terminal.start()
        self.tally.lives += 1

    def _compare(self, folder: Path) -> list[Record]:
        """The journal, which agrees byte by byte with the real files: the shim has missed nothing."""
        records = read_journal(folder / "journal")
        ((_, disk),) = replay(self._image, records, [len(records)])
        journalled, real = disk.contents(), read_folder(folder / "state")
        for name in journalled.keys() | real.keys():
            if not name.endswith("-shm"):
                assert journalled.get(name) == real.get(name), f"the journal has {name} differently: the shim is wrong"
        return records

    def _count(self, act: str) -> None:
        self.tally.acts[act] += 1


@contextmanager
def reachable(folder: Path) -> Iterator[Reached]:
    """A broker, with somebody at the cloud's end of it."""
    with ExitStack() as stack:
        authority = CertificateAuthority(folder / "authority")
        broker = stack.enter_context(Mosquitto(folder / "broker", authority))
        cloud = stack.enter_context(CloudEnd(broker, authority.issue(CLOUD)))
        yield Reached(broker.port, authority.issue(TERMINAL), cloud)


@contextmanager
def power_cuts(folder: Path, seed: int, trial: Trial = USUAL) -> Iterator[PowerCuts]:
    """A terminal that reaches a broker of its own, where somebody gives receipts."""
    with reachable(folder) as reached:
        yield PowerCuts(folder / "rounds", seed, reached, trial)
