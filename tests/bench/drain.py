"""How fast a backlog gets from a terminal's ledger into PostgreSQL, beside writing the same rows there directly."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from cloud.clock import SystemClock, microseconds
from protocol.errors import TerminalId
from tests.bench.backlog import Backlog, write_backlog
from tests.bench.figures import AT_LEAST, Figure, Repetition, Target, Told, compared
from tests.bench.installation import installation
from tests.support.site import Site
from tests.support.site_terminal import SiteTerminal
from tests.support.waiting import until

ENTRIES: Final = 50_000
BATCH: Final = 500
REPETITIONS: Final = 3
DRAINED_WITHIN: Final = 60.0
FAST_ENOUGH: Final = Target(0.25, AT_LEAST)

Row = dict[str, Any]


def drain(folder: Path, told: Told) -> list[Figure]:
    """Entries a second from the link's connection to the last row durable, over executemany of the same rows."""
    repetitions = []
    with installation(folder, [f"drain-{number}" for number in range(1, REPETITIONS + 1)]) as site:
        for number, terminal in enumerate(site.terminals, 1):
            told(f"{number} of {REPETITIONS}: a ledger of {ENTRIES:,} taps")
            backlog = _prepared(terminal)
            told(f"{number} of {REPETITIONS}: writing its rows directly")
            bare = ENTRIES / seconds_directly(site, backlog)
            told(f"{number} of {REPETITIONS}: draining it")
            repetitions.append(Repetition(ENTRIES / seconds_to_drain(site, terminal, backlog), bare))
    return [compared("backlog drain", "entries/s", repetitions, FAST_ENOUGH)]


def _prepared(terminal: SiteTerminal) -> Backlog:
    terminal.ledger_file.parent.mkdir(parents=True)
    return write_backlog(terminal.ledger_file, TerminalId(terminal.id), ENTRIES)


def seconds_directly(site: Site, backlog: Backlog) -> float:
    """Seconds for the same rows by executemany in batches, each committed."""
    now = microseconds(SystemClock().now())
    rows = backlog.rows(site.cloud.customer, f"direct-{backlog.terminal}", now)
    statement = _insert(rows[0])
    with psycopg.connect(site.cloud.url) as connection, connection.cursor() as cursor:
        begun = time.monotonic()
        for batch in _batches(rows):
            cursor.executemany(statement, batch)
            connection.commit()
        return time.monotonic() - begun


def _insert(row: Row) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join(map(sql.Placeholder, row))
    return sql.SQL("INSERT INTO entry ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(columns, values)


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    ahead = iter(rows)
    while batch := list(islice(ahead, BATCH)):
        yield batch


def seconds_to_drain(site: Site, terminal: SiteTerminal, backlog: Backlog) -> float:
    """Seconds from the daemon's own `link.connected` until the cloud's head of this ledger has reached the end."""
    with psycopg.connect(site.cloud.url, autocommit=True) as connection:
        terminal.start(wait=False)
        until(lambda: _held(connection, terminal.id) >= backlog.last, DRAINED_WITHIN, f"{terminal.id} drained")
        ended = time.time()
        _check_rows(connection, backlog)
    connected = next(event["at"] for event in terminal.events if event.get("event") == "link.connected")
    terminal.stop()
    return ended - datetime.fromisoformat(connected).timestamp()


def _held(connection: psycopg.Connection[Any], terminal: str) -> int:
    row = connection.execute("SELECT upto FROM ledger_head WHERE terminal = %s", (terminal,)).fetchone()
    return 0 if row is None else int(row[0])


def _check_rows(connection: psycopg.Connection[Any], backlog: Backlog) -> None:
    """The head speaks of rows that are there, each once: a rate of something else is none."""
    row = connection.execute("SELECT count(*) FROM entry WHERE terminal = %s", (backlog.terminal,)).fetchone()
    if row is None or row[0] < backlog.last:
        raise RuntimeError(f"{row} rows stand in the database of {backlog.last} that were drained")
