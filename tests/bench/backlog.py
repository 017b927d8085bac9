"""A terminal's ledger as weeks without a network leave it, written quickly with the ledger's own schema."""

import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from cloud.sync.decoding import Columns, RefusedBecause, columns_of
from cloud.sync.rows import COLUMNS
from edge.clock.clock import SystemClock
from edge.clock.trust import Trust
from edge.ledger.ledger import Ledger
from edge.ledger.schema import MIGRATIONS
from edge.storage import open_file
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.decision import Direction
from protocol.entries import SALT_BYTES, VERSION, Outcome, Source, Tap, encode_payload, follow
from protocol.errors import TerminalId

WEEKS: Final = 3 * 7 * 86_400 * MICROSECONDS
PEOPLE: Final = 400


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a ledger holds: its id, and from which entry on which payloads with their (digest, hash)."""

    terminal: TerminalId
    ledger: bytes
    first: int
    payloads: Sequence[bytes]
    chained: Sequence[tuple[bytes, bytes]]

    @property
    def last(self) -> int:
        """The number of the last entry."""
        return self.first + len(self.payloads) - 1

    def rows(self, customer: str, terminal: str, received_at: int) -> list[dict[str, Any]]:
        """The same entries as rows of the cloud's table, under another terminal's name."""
        return [
            dict(
                zip(
                    COLUMNS,
                    (
                        customer,
                        terminal,
                        self.ledger,
                        seq,
                        *links,
                        payload,
                        received_at,
                        *_columns(payload, received_at),
                    ),
                    strict=True,
                )
            )
            for seq, (payload, links) in enumerate(zip(self.payloads, self.chained, strict=True), self.first)
        ]


def write_backlog(path: Path, terminal: TerminalId, count: int) -> Backlog:
    """Begin a ledger and put so many taps of the last weeks into it, in one transaction."""
    clock = SystemClock(Trust(battery=True))
    with closing(Ledger.open(path, terminal, clock)) as ledger:
        identity, first, previous = ledger.id, ledger.last_seq + 1, ledger.last_hash
    payloads = _taps(clock.read().utc, count)
    chained = follow(previous, first, payloads)
    with closing(open_file(path, MIGRATIONS, "FULL")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        entries = ((seq, *links) for seq, links in enumerate(chained, first))
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
        connection.executemany("INSERT INTO payload VALUES (?, ?)", enumerate(payloads, first))
        connection.execute("COMMIT")
    return Backlog(terminal, identity, first, payloads, chained)


def _taps(now: int, count: int) -> list[bytes]:
    chance = Random(11)
    boot, step = secrets.token_bytes(16), WEEKS // count
    return [encode_payload(_tap(now - WEEKS + number * step, boot, chance)) for number in range(count)]


def _tap(at: int, boot: bytes, chance: Random) -> Tap:
    """A tap of one of the people; one in twenty of somebody nobody knows."""
    person = chance.randrange(PEOPLE)
    known = chance.random() < 0.95
    return Tap(
        version=VERSION,
        occurred_at=at,
        clock_quality=ClockQuality.SYNCHRONISED,
        boot_id=boot,
        monotonic=at * 1000 % (1 << 50),
        registered_at=at + 900,
        card=f"uid:04B0{person if known else chance.getrandbits(39):010X}",
        person=f"{person:016x}" if known else None,
        company=f"{0xC0 + person % 20:016x}" if known else None,
        reader="gate",
        direction=chance.choice((Direction.IN, Direction.OUT)),
        outcome=Outcome.GRANTED,
        reason=None,
        project="00000000000000a1",
        tables={"binding": 4, "roster": 812, "blocklist": 20344},
        source=Source.CARD,
        salt=secrets.token_bytes(SALT_BYTES),
    )


def _columns(payload: bytes, received_at: int) -> Columns:
    columns = columns_of(payload, received_at)
    if isinstance(columns, RefusedBecause):
        raise TypeError(f"a tap of the backlog is refused: {columns}")
    return columns
