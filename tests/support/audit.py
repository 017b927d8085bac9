"""An independent check that what terminals showed green stands exactly once in their ledgers and in the cloud's.

Nothing of the product is imported: files and tables are read with sqlite3 and psycopg, and the chain is computed by the
written rule (DESIGN 7): genesis = SHA-256("gv1 ledger" NUL terminal NUL ledger id), digest = SHA-256(payload),
hash = SHA-256(previous + seq as u64 big-endian + digest).
"""

import hashlib
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

EXPLAINS_FOR: Final = 2_000_000_000
"""Nanoseconds: a light that goes green is explained by a tap that came no longer ago than this."""

_LEDGER_ROWS: Final = "SELECT entry.seq, digest, hash, bytes FROM entry LEFT JOIN payload USING (seq) ORDER BY seq"
_CLOUD_ROWS: Final = "SELECT ledger, seq, digest, hash, payload FROM entry WHERE terminal = {} ORDER BY ledger, seq"
_CLOUD_ORDER: Final = "SELECT ledger, seq FROM entry WHERE terminal = {} ORDER BY id"
_CLOUD_REFUSED: Final = "SELECT seq, reason FROM refused WHERE terminal = {} ORDER BY seq"
_CLOUD_HEADS: Final = "SELECT ledger, upto, hash FROM ledger_head WHERE terminal = {}"


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it stands somewhere."""

    seq: int
    digest: bytes
    hash: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """A ledger as it stands somewhere: at the terminal, or in the cloud."""

    where: str
    terminal: str
    ledger: bytes
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Green:
    """A tap that was answered as granted: at which terminal, which card, and the entry's number that was told."""

    terminal: str
    card: str
    seq: int


@dataclass(frozen=True, slots=True)
class RecordedTap:
    """What a tap's entry says, by the positions of its fields."""

    seq: int
    card: str
    granted: bool
    both_ways: bool
    monotonic: int
    salt: bytes

    @property
    def beeps(self) -> int:
        """How often the buzzer sounds with green in its pattern: once for a known person who goes in, else twice."""
        return 2 if self.both_ways else 1


# --- reading --------------------------------------------------------------------------------------------------------


def ledger_copy(path: Path) -> Copy:
    """The ledger in a terminal's file, whether or not its daemon runs; the file is not touched."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as file:
        file.execute("BEGIN")
        ledger, terminal = file.execute("SELECT id, terminal FROM ledger").fetchone()
        return Copy(f"{terminal} here", terminal, ledger, tuple(itertools.starmap(Row, file.execute(_LEDGER_ROWS))))


@dataclass(frozen=True, slots=True)
class CloudCopy:
    """All that the cloud has of one terminal: its ledgers, where each one ends, how they came, what was refused."""

    ledgers: tuple[Copy, ...]
    ends: dict[bytes, tuple[int, bytes]]
    arrivals: dict[bytes, list[int]]
    refused: tuple[tuple[int, str], ...]

    def of(self, ledger: bytes) -> Copy | None:
        """The copy of one ledger."""
        return next((copy for copy in self.ledgers if copy.ledger == ledger), None)


def cloud_copy(url: str, terminal: str) -> CloudCopy:
    """What the cloud's database has of a terminal, seen at one moment."""
    with closing(_connect(url)) as database:
        cursor = database.cursor()
        mark = "?" if isinstance(database, sqlite3.Connection) else "%s"
        cursor.execute("BEGIN" if mark == "?" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def ask(query: str) -> list[tuple[Any, ...]]:
            return list(cursor.execute(query.format(mark), (terminal,)))

        copies = tuple(
            Copy(f"{terminal} in the cloud", terminal, ledger, tuple(Row(*row[1:]) for row in rows))
            for ledger, rows in itertools.groupby(ask(_CLOUD_ROWS), key=lambda row: bytes(row[0]))
        )
        ends = {bytes(ledger): (upto, bytes(end)) for ledger, upto, end in ask(_CLOUD_HEADS)}
        arrivals: dict[bytes, list[int]] = {}
        for ledger, seq in ask(_CLOUD_ORDER):
            arrivals.setdefault(bytes(ledger), []).append(seq)
        return CloudCopy(copies, ends, arrivals, tuple((seq, reason) for seq, reason in ask(_CLOUD_REFUSED)))


def _connect(url: str) -> Any:
    scheme, _, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return sqlite3.connect(f"file:{rest.removeprefix('/')}?mode=ro", uri=True, timeout=10, isolation_level=None)
    return psycopg.connect(f"postgresql://{rest}", autocommit=True)


def recorded_taps(copy: Copy) -> list[RecordedTap]:
    """The taps among a ledger's entries, in their order."""
    return [tap for row in copy.rows if (tap := _recorded_tap(row)) is not None]


def _recorded_tap(row: Row) -> RecordedTap | None:
    kind, *fields = msgspec.msgpack.decode(row.payload)
    if kind != "tap":
        return None
    _, _, _, _, monotonic, _, card, person, _, _, direction, outcome, _, _, _, _, salt, *_ = fields
    return RecordedTap(row.seq, card, outcome == "granted", direction == "out" or person is None, monotonic, salt)


# --- checking -------------------------------------------------------------------------------------------------------


def audit(here: Copy, there: CloudCopy | None, greens: Iterable[Green], lights: Sequence[int]) -> list[str]:
    """Everything that is wrong with one terminal: nothing, if every green is exactly once where it should be.

    `there` is None while the cloud may still be behind; `lights`: when green came on with the buzzer, monotonic ns.
    """
    taps = recorded_taps(here)
    wrong = [*chain_faults(here), *_salt_faults(here, taps), *green_faults(here.terminal, taps, greens)]
    wrong += light_faults(here.terminal, taps, lights)
    if there is not None:
        wrong += cloud_faults(here, there)
    return wrong


def chain_faults(copy: Copy) -> Iterator[str]:
    """Where the numbers have a gap or the chain does not hold."""
    previous = hashlib.sha256(b"gv1 ledger\0" + copy.terminal.encode() + b"\0" + copy.ledger).digest()
    for expected, row in enumerate(copy.rows, 1):
        if row.seq != expected:
            yield f"{copy.where}: entry {expected} is missing, {row.seq} follows instead"
            return
        if hashlib.sha256(row.payload).digest() != row.digest:
            yield f"{copy.where}: entry {row.seq} has not the payload of its digest"
        previous = hashlib.sha256(previous + row.seq.to_bytes(8, "big") + row.digest).digest()
        if previous != row.hash:
            yield f"{copy.where}: the chain breaks at entry {row.seq}"
            return


def _salt_faults(copy: Copy, taps: Iterable[RecordedTap]) -> Iterator[str]:
    for salt, times in Counter(tap.salt for tap in taps).items():
        if times > 1:
            yield f"{copy.where}: {times} entries hold the same tap (salt {salt.hex()})"


def green_faults(terminal: str, taps: Iterable[RecordedTap], greens: Iterable[Green]) -> Iterator[str]:
    """Granted answers whose entry is not there, or is another tap's, or answers two taps."""
    by_seq = {tap.seq: tap for tap in taps}
    answered: set[int] = set()
    for green in greens:
        if green.terminal != terminal:
            continue
        tap = by_seq.get(green.seq)
        if tap is None or not tap.granted or tap.card != green.card:
            yield f"{terminal}: a tap was answered green as entry {green.seq}, and is not in the ledger"
        if green.seq in answered:
            yield f"{terminal}: two green answers name entry {green.seq}"
        answered.add(green.seq)


def light_faults(terminal: str, taps: Iterable[RecordedTap], lights: Sequence[int]) -> Iterator[str]:
    """Green lights that no granted tap of the ledger explains; each tap explains as many as its pattern has."""
    slept = asleep()
    granted = [tap for tap in taps if tap.granted]
    reached, unclaimed = 0, []
    for light in lights:
        while reached < len(granted) and granted[reached].monotonic - slept <= light:
            unclaimed += [granted[reached].monotonic - slept] * granted[reached].beeps
            reached += 1
        unclaimed = [at for at in unclaimed if light - at <= EXPLAINS_FOR]
        if not unclaimed:
            yield f"{terminal}: green was shown at {light} ns, and no tap in the ledger explains it"
            continue
        unclaimed.pop()


def asleep() -> int:
    """How long this machine has slept since its boot: entries count that in, and the pins' history does not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def cloud_faults(here: Copy, there: CloudCopy) -> Iterator[str]:
    """Where the cloud has not exactly what the terminal has."""
    copy = there.of(here.ledger)
    if copy is None:
        yield f"{here.where}: the cloud has nothing of this ledger"
        return
    for other in there.ledgers:
        yield from chain_faults(other)
        if other is not copy:
            yield f"{other.where}: ledger {other.ledger.hex()} is not the terminal's"
    for ours, theirs in itertools.zip_longest(here.rows, copy.rows):
        if ours != theirs:
            one = ours or theirs
            assert one is not None
            yield f"{here.where} and in the cloud: entry {one.seq} is not the same or missing on one side"
            break
    if there.arrivals[here.ledger] != sorted(there.arrivals[here.ledger]):
        yield f"{copy.where}: entries did not arrive in their order"
    if here.rows and there.ends.get(here.ledger) != (here.rows[-1].seq, here.rows[-1].hash):
        yield f"{copy.where}: the ledger ends at {there.ends.get(here.ledger)}, not at entry {here.rows[-1].seq}"
    for seq, reason in there.refused:
        yield f"{copy.where}: entry {seq} was refused: {reason}"


# --- lights ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edge:
    """A simulated line that changed its level."""

    at_ns: int
    pin: str
    level: int


def edges(history: Path) -> Iterator[Edge]:
    """The changes in a terminal's pins.log and the older part of it; what says the level again is left out."""
    levels: dict[str, int] = {}
    for part in (history.with_name(history.name + ".1"), history):
        for line in part.read_text().splitlines() if part.exists() else ():
            match line.split():
                case [at, pin, ("0" | "1") as level] if levels.get(pin, 0) != int(level):
                    levels[pin] = int(level)
                    yield Edge(int(at), pin, int(level))


def green_lights(history: Path) -> list[int]:
    """When somebody saw that the tap was granted: green is on and the buzzer begins, or begins with it."""
    lit: dict[str, int] = {}
    seen = []
    for edge in edges(history):
        lit[edge.pin] = edge.level
        if edge.pin == "buzzer" and edge.level and lit.get("green"):
            seen.append(edge.at_ns)
    return seen


def green_moments(history: Path) -> list[int]:
    """Every moment at which the green light came on, the later ones of a pattern included."""
    return [edge.at_ns for edge in edges(history) if edge.pin == "green" and edge.level]
