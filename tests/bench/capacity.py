"""What a terminal costs that stood for years: at five million entries, a million blocked cards and 50,000 people."""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Final

import psutil

from edge.clock.clock import SystemClock
from edge.errors import DaemonUnreachable
from edge.ledger.inspection import LedgerInspection
from edge.ledger.ledger import Ledger
from protocol.cards import CardId
from protocol.clock import ClockQuality
from protocol.entries import HASH_BYTES, SALT_BYTES, VERSION, DoorChange, Payload, Tap, encode_payload
from tests.bench.daemon import spent
from tests.bench.figures import AT_MOST, Figure, Target, Told, compared
from tests.bench.full import ENROLLED, ENTRIES, full_state
from tests.bench.gate import DOOR, READER, TERMINAL, cards, gate
from tests.bench.loop_thread import LoopThread
from tests.bench.taps import AS_LIGHT, REPETITIONS, TAPS, Turns, bare_file, take_turns, tapping, warm_up
from tests.support.terminal_process import TerminalProcess

STARTS: Final = 5
ANSWERED_WITHIN: Final = 30.0
LOOK_AGAIN: Final = 0.005
TAPPED: Final = 2000
"""Taps of which the bytes written are counted, and taps before memory is looked at."""

QUIET: Final = 1.0
"""Percent of a core below which what goes on after a start counts as finished."""

SETTLES_WITHIN: Final = 900.0
IDLE: Final = 22.0
MIB: Final = 1 << 20

SOON: Final = Target(1.0, AT_MOST)
SMALL: Final = Target(60.0, AT_MOST)
IDLING: Final = Target(0.5, AT_MOST)

_SETTINGS: Final = f"""
[terminal]
id = "{TERMINAL}"
state_dir = "state"
runtime_dir = "run"
battery_clock = true
repeat_seconds = 0

[link]
host = "127.0.0.1"
port = 1
ca = "ca.pem"
certificate = "terminal.pem"
key = "terminal.key"
signing_keys = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]

[signals]
kind = "simulated"

[[reader]]
name = "{READER}"
kind = "simulated"

[[door]]
name = "{DOOR}"
pin = 5
access_seconds = 0.5
"""


def capacity(folder: Path, told: Told) -> list[Figure]:
    """Tap, disk, wear, start, memory and idleness at full load."""
    state = folder / "state"
    full_state(state, folder.parent / "full", told)
    figures = [_size(state), _checking(state, told), *_tap(folder, state, told), *_wear(folder, state, told)]
    with TerminalProcess(folder, _SETTINGS) as terminal:
        return [*figures, *_start(terminal, told), *_running(terminal, told)]


# --- in this process --------------------------------------------------------------------------------------------------


def _size(state: Path) -> Figure:
    """Bytes on disk for each entry, over those of its payload."""
    with closing(sqlite3.connect(state / "ledger.db")) as connection:
        entries, payload = connection.execute("SELECT count(*), avg(length(bytes)) FROM payload").fetchone()
    each = (state / "ledger.db").stat().st_size / entries
    return Figure(f"disk for each of {entries:,} entries", "bytes", each, payload, each / payload)


def _checking(state: Path, told: Told) -> Figure:
    told("checking the whole chain")
    begun = time.monotonic()
    with LedgerInspection(state / "ledger.db") as inspection:
        verified = inspection.verify(lambda checked, every: told(f"checking the whole chain: {checked:,} of {every:,}"))
    took = time.monotonic() - begun
    return Figure("ledger verify", "entries/s", verified.entries / took)


def _tap(folder: Path, state: Path, told: Told) -> list[Figure]:
    """From the reader's call to durable green: at full load, over a new terminal that knows 2,000 people."""
    with LoopThread() as thread, ExitStack() as stack:
        told("a full terminal and an empty one")
        full = stack.enter_context(gate(state, thread))
        empty = stack.enter_context(gate(folder / "empty", thread))
        many, none = tapping(full, ENROLLED), tapping(empty)
        warm_up(many, none)
        told(f"{REPETITIONS} x {TAPS} taps at each")
        repetitions = [take_turns(Turns(many), Turns(none)) for _ in range(REPETITIONS)]
    return [compared(f"tap at {ENTRIES:,} entries over none", "µs", repetitions, AS_LIGHT)]


def _wear(folder: Path, state: Path, told: Told) -> list[Figure]:
    """Bytes that reach the disk for a tap and the two changes of its door, over as many bare commits of two rows."""
    told(f"bytes written by {TAPPED:,} taps")
    with closing(Ledger.open(state / "ledger.db", TERMINAL, SystemClock())) as ledger:
        tap = next(payload for _, payload in ledger.tail(10) if isinstance(payload, Tap))
        entries = [tap, _change("unlocked", "tap 4711"), _change("locked", "access_time")]
        sizes = [len(encode_payload(entry)) for entry in entries]
        ours = _written(lambda number: ledger.append(entries[number % 3]))
    with _bare(folder / "bare.db", sizes) as commit:
        bare = _written(commit)
    parts = {"a commit": ours / 3, "payload of it": mean(sizes), "bare commit": bare / 3}
    return [Figure("written for a tap and its door", "bytes", ours, bare, ours / bare, parts=parts)]


def _change(state: str, cause: str) -> Payload:
    now = SystemClock().read()
    salt = secrets.token_bytes(SALT_BYTES)
    at = (now.utc, ClockQuality.SYNCHRONISED, now.boot_id, now.monotonic, now.utc)
    return DoorChange(VERSION, *at, DOOR, state, cause, salt)


@contextmanager
def _bare(path: Path, sizes: list[int]) -> Iterator[Callable[[int], object]]:
    """A function that commits two rows of these sizes in turn."""
    rows, link = [secrets.token_bytes(size) for size in sizes], secrets.token_bytes(HASH_BYTES)
    with closing(bare_file(path)) as connection:

        def commit(number: int) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (number + 1, link, link))
            connection.execute("INSERT INTO payload VALUES (?, ?)", (number + 1, rows[number % 3]))
            connection.execute("COMMIT")

        yield commit


def _written(act: Callable[[int], object]) -> float:
    """Bytes sent to the disk for three acts, of many and with every checkpoint among them (proc(5): write_bytes)."""
    before = _write_bytes()
    for number in range(3 * TAPPED):
        act(number)
    return (_write_bytes() - before) / TAPPED


def _write_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


# --- the daemon -------------------------------------------------------------------------------------------------------


def _start(terminal: TerminalProcess, told: Told) -> list[Figure]:
    """Seconds from the start of the process to the answer to its first tap, whose entry is on disk."""
    ahead = cycle(cards(STARTS * 2))
    told(f"starting the daemon {STARTS} times, and as often with nothing of its files in memory")
    warm = [_started(terminal, next(ahead)) for _ in range(STARTS)]
    cold = []
    for _ in range(STARTS):
        _forget(terminal.state)
        cold.append(_started(terminal, next(ahead)))
    return [
        Figure("start to first durable green", "s", median(warm), target=SOON, samples=tuple(warm)),
        Figure("the same, files not in memory", "s", median(cold), target=SOON, samples=tuple(cold)),
    ]


def _started(terminal: TerminalProcess, card: CardId) -> float:
    begun = time.monotonic()
    terminal.begin("--simulate")
    _first_answer(terminal, card, begun)
    took = time.monotonic() - begun
    terminal.stop()
    return took


def _first_answer(terminal: TerminalProcess, card: CardId, begun: float) -> None:
    while True:
        try:
            answer = terminal.tap(card)
        except DaemonUnreachable:
            if time.monotonic() - begun > ANSWERED_WITHIN:
                raise
            time.sleep(LOOK_AGAIN)
            continue
        if answer["outcome"] != "granted" or answer["seq"] is None:
            raise RuntimeError(f"the first tap was not granted: {answer}")
        return


def _forget(state: Path) -> None:
    """Let the system drop what it holds of the files, as after a boot (posix_fadvise: only what is written down)."""
    for path in state.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _running(terminal: TerminalProcess, told: Told) -> list[Figure]:
    """Memory after taps of everybody, and processor time when nobody taps."""
    told(f"{TAPPED:,} taps at the daemon")
    terminal.begin("--simulate")
    holders = list(cards(ENROLLED))
    Random(9).shuffle(holders)
    _first_answer(terminal, holders[0], time.monotonic())
    for card in holders[1:TAPPED]:
        terminal.tap(card)
    daemon = psutil.Process(terminal.pid)
    settled = _settle(daemon, told)
    told(f"doing nothing for {IDLE:g} s")
    before = spent(daemon)
    time.sleep(IDLE)
    percent = 100 * (spent(daemon) - before) / IDLE
    memory = daemon.memory_info()
    parts = {"of files": memory.shared / MIB, "of its own": (memory.rss - memory.shared) / MIB}
    terminal.stop()
    return [
        Figure("daemon memory at full load", "MiB", memory.rss / MIB, target=SMALL, parts=parts),
        Figure("daemon idle at full load", "% of a core", percent, target=IDLING, parts={}),
        Figure("busy after the start", "s", settled),
    ]


def _settle(daemon: psutil.Process, told: Told) -> float:
    """Seconds until checks in the background are through."""
    begun = time.monotonic()
    while time.monotonic() - begun < SETTLES_WITHIN:
        told("waiting for what goes on in the background")
        before = spent(daemon)
        time.sleep(2.0)
        if 100 * (spent(daemon) - before) / 2.0 < QUIET:
            return time.monotonic() - begun
    raise TimeoutError(f"the daemon was still busy {SETTLES_WITHIN:g} s after its start")
