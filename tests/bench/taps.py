"""From a card in the reader's field to a green light that is on disk, beside a bare durable commit of the same rows."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from edge.pins.history import read_pin_history
from protocol.cards import CardId
from protocol.entries import HASH_BYTES
from tests.bench.figures import AT_MOST, Figure, Repetition, Target, Told, compared
from tests.bench.gate import ENROLLED, Gate, cards, gate
from tests.bench.loop_thread import LoopThread

REPETITIONS: Final = 7
TAPS: Final = 120
"""Taps of each kind in a repetition."""

PAUSE: Final = 0.006
"""Seconds of silence before each tap and each bare commit."""

WARM_UP: Final = 700  # a commit writes two pages and more, and SQLite begins its log anew after 1,000

BLOCKED: Final = 1_000_000
LIGHTEST: Final = Target(3.0, AT_MOST, aim=1.5)
AS_LIGHT: Final = Target(1.1, AT_MOST)

_TABLES: Final = """
CREATE TABLE entry (seq INTEGER PRIMARY KEY, digest BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE payload (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
"""


def tap_to_green(folder: Path, told: Told) -> list[Figure]:
    """Reader callback to green, over a bare commit; and what the time between them is made of."""
    with LoopThread() as thread, ExitStack() as stack:
        plain = stack.enter_context(gate(folder / "plain", thread))
        stamped = stack.enter_context(gate(folder / "stamped", thread, stamped=True))
        told("warming up")
        tap, tap_stamped = tapping(plain), tapping(stamped)
        tap()
        size = _tap_size(plain)
        commit = stack.enter_context(bare_commits(folder / "bare.db", thread, size))
        warm_up(tap, tap_stamped, commit)
        told(f"{REPETITIONS} x {TAPS} taps, and as many bare commits of {size} bytes")
        parts = Parts(stamped, tap_stamped)
        repetitions = [take_turns(Turns(tap), Turns(commit), parts.sample) for _ in range(REPETITIONS)]
    _check_history(folder / "plain" / "pins.log")
    figure = compared("tap to durable green", "µs", repetitions, LIGHTEST)
    figure.parts.update(parts.medians())
    return [figure]


def blocked_cards(folder: Path, told: Told) -> list[Figure]:
    """The same tap with a million cards on the blocklist, over one with none."""
    with LoopThread() as thread, ExitStack() as stack:
        empty = stack.enter_context(gate(folder / "empty", thread))
        full = stack.enter_context(gate(folder / "full", thread))
        told(f"loading {BLOCKED:,} blocked cards")
        thread.call(lambda: full.tables.load_blocks(_blocks()))
        many, none = tapping(full), tapping(empty)
        warm_up(many, none)
        told(f"{REPETITIONS} x {TAPS} taps at each")
        repetitions = [take_turns(Turns(many), Turns(none)) for _ in range(REPETITIONS)]
    return [compared("tap at 1,000,000 blocked over none", "µs", repetitions, AS_LIGHT)]


@dataclass
class Turns:
    """One of two things that take turns; keeps what each turn took, in microseconds."""

    turn: Callable[[], int]
    taken: list[float] = field(default_factory=list)

    def take(self) -> None:
        """Have one turn, after a silence."""
        time.sleep(PAUSE)
        self.taken.append(self.turn() / 1000)


def take_turns(measured: Turns, bare: Turns, beside: Callable[[], None] | None = None) -> Repetition:
    """A B B A, and so on: whoever comes second does not always come second."""
    for number in range(TAPS):
        for each in (measured, bare) if number % 2 else (bare, measured):
            each.take()
        if beside is not None and number % 2:
            beside()
    return Repetition(median(measured.taken), median(bare.taken))


def tapping(at: Gate, enrolled: int = ENROLLED) -> Callable[[], int]:
    """A function that taps the next of so many cards, in an order that has nothing to do with how tables keep them."""
    ahead = cycle(_shuffled(enrolled))
    return lambda: at.tap(next(ahead))


def _shuffled(enrolled: int) -> list[CardId]:
    ordered = list(cards(enrolled))
    Random(7).shuffle(ordered)
    return ordered


def warm_up(*turns: Callable[[], int]) -> None:
    """Go on until every write-ahead log is written over from its beginning, as it is in all its life but the first.

    A log that still grows makes the disk write its length down too, which doubles the price of a commit.
    """
    for _ in range(WARM_UP):
        for turn in turns:
            turn()


def _tap_size(at: Gate) -> int:
    """How many bytes the entry of a tap is here; that of the door which it opened follows it, and is smaller."""
    entries = at.thread.call(lambda: at.ledger.batch(at.ledger.last_seq - 2, 2))
    if entries is None:
        raise RuntimeError("the ledger holds no tap")
    return max(map(len, entries.payloads))


@contextmanager
def bare_commits(path: Path, thread: LoopThread, size: int) -> Iterator[Callable[[], int]]:
    """A function that commits one entry and its payload durably, in the loop's thread, and says how long that took."""
    connection = thread.call(lambda: bare_file(path))
    raw, digest, numbers = secrets.token_bytes(size), secrets.token_bytes(HASH_BYTES), iter(range(1, 1_000_000))

    def commit() -> int:
        seq, execute = next(numbers), connection.execute
        begun = time.monotonic_ns()
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO entry VALUES (?, ?, ?)", (seq, digest, digest))
        execute("INSERT INTO payload VALUES (?, ?)", (seq, raw))
        execute("COMMIT")
        return time.monotonic_ns() - begun

    try:
        yield lambda: thread.call(commit)
    finally:
        thread.call(connection.close)


def bare_file(path: Path) -> sqlite3.Connection:
    """Two bare tables in a new file, as durable as the ledger."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(_TABLES)
    return connection


class Parts:
    """What a tap's time is made of, from taps at a terminal whose parts carry stamps."""

    def __init__(self, at: Gate, tap: Callable[[], int]) -> None:
        self._at = at
        self._tap = tap
        self._taken: dict[str, list[float]] = {}

    def sample(self) -> None:
        """One more tap."""
        time.sleep(PAUSE)
        self._tap()
        stamps = self._at.stamps
        hashing = stamps.encoded - stamps.encoding
        spent = {
            "hand over": stamps.begun - stamps.handed,
            "decide": stamps.decided - stamps.begun,
            "encode": stamps.encoding - stamps.decided + hashing,
            "commit": stamps.committed - stamps.encoded - hashing,
            "signal": stamps.green - stamps.committed,
        }
        for name, nanoseconds in spent.items():
            self._taken.setdefault(name, []).append(nanoseconds / 1000)

    def medians(self) -> dict[str, float]:
        """Microseconds by part."""
        return {name: median(taken) for name, taken in self._taken.items()}


def _blocks() -> Iterator[tuple[int, int]]:
    """Keys as salted hashes give them: anywhere in 64 bits. None is one of the enrolled cards'."""
    chance = Random(20)
    return ((chance.getrandbits(64) - (1 << 63), 0) for _ in range(BLOCKED))


def _check_history(path: Path) -> None:
    """The light that was timed stands in the file: a measurement of something else is none."""
    greens = sum(1 for change in read_pin_history(path) if change.pin == "green" and change.level)
    if greens < REPETITIONS * TAPS:
        raise RuntimeError(f"only {greens} greens stand in {path.name}, of {REPETITIONS * TAPS} that were timed")
