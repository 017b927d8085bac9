"""The first promise, seen from outside: system calls of the real daemon, and what a kill between any two leaves."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from edge.errors import DaemonUnreachable
from protocol.cards import CardId
from tests.journeys.conftest import Build
from tests.support.audit import edges, ledger_copy, recorded_taps
from tests.support.site import Site, card
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.tracing import Call, killed_at, read_trace, survivors, traced
from tests.support.waiting import until

SYNCS: Final = ("fdatasync", "fsync")
STEPS: Final = ("pwrite64", *SYNCS, "write", "sendto", "sendmsg", "fcntl", "ftruncate", "recvfrom", "read")
"""What a tap does to the world outside the process and to the locks of its files, and what it hears from there."""

Point = tuple[str, int]
"""A system call's name, and how many of that name there were until then, itself included."""

_cards = (card(number) for number in itertools.count(100_001))


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """Two sound terminals to be killed at will, and two with a planted bug."""
    bugs = ("green-before-commit", "no-sync")
    return build([Plan("gate-1"), Plan("gate-2"), *(Plan(bug, fault=bug) for bug in bugs)])


@pytest.fixture
def gates(site: Site) -> list[SiteTerminal]:
    return [site.terminal("gate-1"), site.terminal("gate-2")]


# --- the order of system calls --------------------------------------------------------------------------------------


@pytest.mark.feature("F01")
def test_the_entry_is_synced_before_the_pin_turns_green(gates: list[SiteTerminal], tmp_path: Path) -> None:
    """Pitfall 1: an answer before the sync loses what was answered."""
    assert not faults_of_one_tap(gates[0], tmp_path)


@pytest.mark.parametrize("bug", ["green-before-commit", "no-sync"])
def test_a_daemon_that_is_green_too_early_is_found(site: Site, bug: str, tmp_path: Path) -> None:
    """Proves that the test above can fail."""
    assert faults_of_one_tap(site.terminal(bug), tmp_path)


def faults_of_one_tap(terminal: SiteTerminal, folder: Path) -> list[str]:
    """Tap under strace; what was green before it was on disk, by order and by what a power cut would have left."""
    tapped = next(_cards)
    before, calls = trace_of_one_tap(terminal, tapped, folder)
    green = first_green(calls)
    faults = [] if is_synced(calls, green) else ["no write of the ledger was synced before green"]
    if tapped not in cards_of(rebuilt(survivors(before, calls, green.began), folder / "cut")):
        faults.append("a power cut at the moment of green loses the entry")
    return faults


def trace_of_one_tap(terminal: SiteTerminal, tapped: CardId, folder: Path) -> tuple[dict[Path, bytes], list[Call]]:
    """What the ledger's files held before, and the system calls of the tap."""
    wait_until_quiet(terminal)
    output, ledger = folder / "trace", terminal.ledger_file
    with traced(terminal.program.pid, output, STEPS):
        before = {path: path.read_bytes() for path in (ledger, ledger.with_name(ledger.name + "-wal"))}
        assert terminal.tap(tapped)["outcome"] == "granted"
        until(lambda: is_over(terminal), 5, f"{terminal.id} is dark and locked again")
    return before, read_trace(output)


def first_green(calls: Iterable[Call]) -> Call:
    """The write that turns the light on."""
    return next(call for call in calls if call.path.endswith("/pins.log") and call.data.endswith(b" green 1\n"))


def is_synced(calls: Sequence[Call], green: Call) -> bool:
    """Whether something was written to the ledger's log before green, and synced after that and before green."""
    wal = [call for call in calls if call.path.endswith("/ledger.db-wal") and 0 <= call.ended < green.began]
    written = max((call.ended for call in wal if call.name == "pwrite64"), default=None)
    return written is not None and any(call.name in SYNCS and call.began > written for call in wal)


def rebuilt(files: dict[Path, bytes], folder: Path) -> Path:
    """The ledger out of what survived."""
    folder.mkdir()
    for path, content in files.items():
        (folder / path.name).write_bytes(content)
    return folder / "ledger.db"


# --- a kill between any two steps -----------------------------------------------------------------------------------


@pytest.mark.feature("F01")
def test_a_kill_between_any_two_steps_of_a_tap_loses_no_green_and_doubles_nothing(
    site: Site, gates: list[SiteTerminal], tmp_path: Path
) -> None:
    """Pitfall 36: the daemon dies at every system call of a tap in turn; after each, what was green is on disk."""
    points = steps_of_one_tap(gates[0], tmp_path)
    assert {"pwrite64", "fdatasync", "write", "sendto"} <= {name for name, _ in points}
    with ThreadPoolExecutor(len(gates)) as together:
        shares = [points[number :: len(gates)] for number in range(len(gates))]
        kills = list(itertools.chain(*together.map(kill_at_each, gates, shares)))
    assert not [kill for kill in kills if kill.is_loss]
    assert sum(kill.hit for kill in kills) >= len(points) * 0.9, "the steps of a tap are not the same each time"

    for gate in gates:
        assert gate.tap(next(_cards))["outcome"] == "granted"
    site.wait_until_sent()
    assert not [fault for gate in gates for fault in site.faults_of(gate)]
    for gate in gates:
        twice = [each for each, times in Counter(cards_of(gate.ledger_file)).items() if times > 1]
        assert not twice, f"{gate.id}: more than one entry for one tap of {twice}"


def test_a_kill_finds_a_daemon_that_is_green_before_the_commit(site: Site) -> None:
    """Proves that the test above can fail."""
    kills = kill_at_each(site.terminal("green-before-commit"), [("pwrite64", 1), ("fdatasync", 1)])
    assert [kill for kill in kills if kill.is_loss]


def steps_of_one_tap(terminal: SiteTerminal, folder: Path) -> list[Point]:
    """Every system call from a tap's arrival to the locked door, counted as strace counts: by thread and name."""
    _, calls = trace_of_one_tap(terminal, next(_cards), folder)
    counted: Counter[tuple[int, str]] = Counter()
    points: dict[Point, None] = {}
    for call in calls:
        counted[call.thread, call.name] += 1
        points[call.name, counted[call.thread, call.name]] = None
    return list(points)


@dataclass(frozen=True, slots=True)
class Kill:
    """What a kill at a point of a tap left: whether it hit at all, what was shown, and whether the tap is on disk."""

    at: Point
    hit: bool
    shown: list[str]
    recorded: bool

    @property
    def is_loss(self) -> bool:
        """Whether somebody saw green, or a door open, for nothing."""
        return bool(self.shown) and not self.recorded


def kill_at_each(terminal: SiteTerminal, points: Iterable[Point]) -> list[Kill]:
    """Kill the daemon at each of these points of a tap, and start it again."""
    kills = []
    for point in points:
        tapped = next(_cards)
        wait_until_quiet(terminal)
        before = len(lit(terminal))
        with killed_at(terminal.program.pid, *point):
            with suppress(DaemonUnreachable):
                terminal.tap(tapped)
            hit = is_dead_soon(terminal)
        terminal.kill()  # if it has not been
        kills.append(Kill(point, hit, lit(terminal)[before:], tapped in cards_of(terminal.ledger_file)))
        terminal.start()
    return kills


def is_dead_soon(terminal: SiteTerminal) -> bool:
    """Whether the daemon ends while a tap's lights and lock play, or soon after."""
    try:
        return until(lambda: not terminal.program.is_running, 3)
    except TimeoutError:
        return False


def lit(terminal: SiteTerminal) -> list[str]:
    """Each time green came on or the lock was opened."""
    return [edge.pin for edge in edges(terminal.pins_file) if edge.pin in {"green", "lock-gate"} and edge.level]


def is_over(terminal: SiteTerminal) -> bool:
    """Whether the lights are dark and the door is locked, as the pins say: asking the daemon would be a step."""
    levels = {edge.pin: edge.level for edge in edges(terminal.pins_file)}
    return not any(levels.values())


def cards_of(ledger: Path) -> list[CardId]:
    """The cards of all granted taps in a ledger's file."""
    return [CardId.parse(tap.card) for tap in recorded_taps(ledger_copy(ledger)) if tap.granted]


def wait_until_quiet(terminal: SiteTerminal) -> None:
    """Returns when nothing is shown, nothing is open and nothing is under way."""

    def is_quiet() -> bool:
        status = terminal.status()
        lights, doors = status["lights"], status["doors"]
        rests = not lights["green"] and lights["shown"] == "ready" and set(doors.values()) == {"locked"}
        return rests and bool(status["link"]["online"]) and status["queue"]["depth"] == 0

    until(is_quiet, 20, f"{terminal.id} is quiet")
