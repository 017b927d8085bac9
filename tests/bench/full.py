"""The state of a terminal that stood for years: five million entries, a million blocked cards, a roster of a city."""

import hashlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from edge.clock.clock import SystemClock
from edge.ledger.ledger import Ledger
from edge.tables.tables import Tables
from protocol.cards import CardId
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.decision import Direction
from protocol.entries import (
    SALT_BYTES,
    VERSION,
    DoorChange,
    Outcome,
    Payload,
    Source,
    Tap,
    encode_payload,
    follow,
)
from tests.bench.figures import Told
from tests.bench.gate import DOOR, PROJECT, READER, TERMINAL, cards, furnish

ENTRIES: Final = 5_000_000
BLOCKED: Final = 1_000_000
ENROLLED: Final = 50_000
RECENT: Final = 20_000
"""Entries of the last half day, made anew each time: a start looks at them to know who is inside."""

HALF_DAY: Final = 12 * 3600 * MICROSECONDS
SPACE: Final = 6 * 10**9
"""Bytes that the file kept between runs, its copy and what is written to it take."""

_AT_ONCE: Final = 30_000


def full_state(folder: Path, kept: Path, told: Told) -> None:
    """Fill `folder` with a ledger and tables at full load; the old part of the ledger is kept in `kept` between runs.

    Raises OSError where the disk has no room for it.
    """
    free = shutil.disk_usage(kept.parent).free
    if free < SPACE:
        raise OSError(f"{SPACE / 1e9:.0f} GB are needed for a full ledger and its copy, {free / 1e9:.1f} GB are free")
    folder.mkdir()
    old = _old_ledger(kept, told)
    told("copying the ledger")
    shutil.copyfile(old, folder / "ledger.db")
    now = SystemClock().read().utc
    _add(folder / "ledger.db", _entries(now - HALF_DAY, HALF_DAY // RECENT, RECENT), told)
    told(f"{ENROLLED:,} people and {BLOCKED:,} blocked cards")
    with closing(Tables.open(folder / "tables.db")) as tables:
        furnish(tables, cards(ENROLLED))
        chance = Random(20)
        tables.load_blocks((chance.getrandbits(64) - (1 << 63), 0) for _ in range(BLOCKED))


def _old_ledger(kept: Path, told: Told) -> Path:
    """Five million entries but for the recent ones, made once for each schema."""
    kept.mkdir(parents=True, exist_ok=True)
    fresh = kept / f"new-{os.getpid()}.db"
    try:
        with closing(Ledger.open(fresh, TERMINAL, SystemClock())) as ledger:
            missing = ENTRIES - RECENT - ledger.last_seq
        old = kept / f"ledger-{_shape(fresh)}.db"
        if not old.exists():
            for outdated in kept.glob("ledger-*.db"):
                outdated.unlink()
            years = 4 * 365 * 24 * 3600 * MICROSECONDS
            first = SystemClock().read().utc - HALF_DAY - years
            _add(fresh, _entries(first, years // missing, missing), told)
            fresh.rename(old)
    finally:
        for each in kept.glob(f"{fresh.name}*"):
            each.unlink()
    return old


def _shape(path: Path) -> str:
    """Ten digits that change with the schema and with what is put into it."""
    with closing(sqlite3.connect(path)) as connection:
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        version = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "page_size")]
    sample = [type(each).__struct_fields__ for each in islice(_entries(0, 1, 3), 3)]
    return hashlib.sha256(repr((schema, version, sample, ENTRIES, RECENT)).encode()).hexdigest()[:10]


def _add(path: Path, payloads: Iterator[Payload], told: Told) -> None:
    """Chain payloads to what is there, in large transactions; nothing is waited for but the end."""
    begun, added = time.monotonic(), 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        last, previous = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        while raw := [encode_payload(payload) for payload in islice(payloads, _AT_ONCE)]:
            chained = follow(previous, last + 1, raw)
            connection.execute("BEGIN IMMEDIATE")
            entries = ((seq, *links) for seq, links in enumerate(chained, last + 1))
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
            connection.executemany("INSERT INTO payload VALUES (?, ?)", enumerate(raw, last + 1))
            connection.execute("COMMIT")
            last, previous, added = last + len(raw), chained[-1][1], added + len(raw)
            told(f"{added:,} entries written, {added / (time.monotonic() - begun):,.0f}/s")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entries(first: int, step: int, count: int) -> Iterator[Payload]:
    """Each tap, and the two changes of the door that it opened."""
    holders = list(cards(ENROLLED))
    chance = Random(5)
    boot = chance.randbytes(16)

    for number in range(count):
        at = first + number * step
        match number % 3:
            case 0:
                yield _tap(at, boot, holders, chance)
            case 1:
                yield _door(at, boot, "unlocked", f"tap {number}")
            case 2:
                yield _door(at, boot, "locked", "access_time")


def _tap(at: int, boot: bytes, holders: list[CardId], chance: Random) -> Tap:
    number = chance.randrange(ENROLLED)
    return Tap(
        version=VERSION,
        occurred_at=at,
        clock_quality=ClockQuality.SYNCHRONISED,
        boot_id=boot,
        monotonic=at * 1000 % (1 << 50),
        registered_at=at + 900,
        card=str(holders[number]),
        person=f"{number:016x}",
        company=f"{0xC0 + number % 20:016x}",
        reader=READER,
        direction=chance.choice((Direction.IN, Direction.OUT)),
        outcome=Outcome.GRANTED,
        reason=None,
        project=PROJECT,
        tables={"binding": 1, "roster": 812, "blocklist": 20344},
        source=Source.CARD,
        salt=secrets.token_bytes(SALT_BYTES),
    )


def _door(at: int, boot: bytes, state: str, cause: str) -> DoorChange:
    salt = secrets.token_bytes(SALT_BYTES)
    return DoorChange(
        VERSION, at, ClockQuality.SYNCHRONISED, boot, at * 1000 % (1 << 50), at + 900, DOOR, state, cause, salt
    )
