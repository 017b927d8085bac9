"""A terminal as a control visit finds it: a ledger with a history, tables with sealed names, and its settings."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.ledger.ledger import Ledger
from edge.tables.tables import Effect, Tables
from edge.visit.asking import Asked, Period, View
from edge.visit.heading import Shown
from edge.visit.names import Names
from edge.visit.report import Report
from edge.visit.rows import Row as Line
from edge.visit.sources import Sources
from edge.visit.told import Told
from protocol.cards import CardId
from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.decision import Binding, Mode, Reason, TableName
from protocol.entries import SALT_BYTES, VERSION, Fact, Outcome, Payload, Source, Tap
from protocol.passes import Direction
from protocol.sealing import Sealer, row_context
from protocol.tables import EVERYBODY, Named, Presence, Row, Table, encode_value, presence_key
from tests.support.changes import EPOCH, PROJECT, binding_row, change, roster_row
from tests.support.gate import TERMINAL, HandClock
from tests.support.terminal_process import SETTINGS

ZONE: Final = "Europe/Stockholm"
IN, OUT = Direction.IN, Direction.OUT
SITE: Final = "A1B2C3D4E5F67"
BOOT: Final = b"b" * 16

ANNA, BORIS, CELINA, DENIZ = "0000000000000b01", "0000000000000b02", "0000000000000b03", "0000000000000b04"
BYGG, EL = "0000000000000c01", "0000000000000c02"

# the official test numbers of domain.md 1.4, and letters of Polish, Turkish and Baltic names
NAMES: Final = {
    ANNA: Named("Anna Åkesson", "190905271474"),
    BORIS: Named("Boris Łukaszewicz", "190901219931"),
    CELINA: Named("Celīna Bērziņa", "195704289999"),
    DENIZ: Named("Deniz Öğüş", "12345678901", "TR"),
    BYGG: Named("Bygg & Söner AB", "5560160680"),
    EL: Named("Elektryczność Sp. z o.o.", "5561034249"),
}
CARDS: Final = {
    (ANNA, BYGG): "uid:04A1B2C3D4E5F6",
    (ANNA, EL): "uid:04A1B2C3D4E5F7",
    (BORIS, EL): "piv:00112233445566778899AABBCCDDEEFF",
    (CELINA, BYGG): "em:0102030405",
    (DENIZ, BYGG): "uid:04D4D4D4D4D4D4",
}


def at(text: str, zone: str = ZONE) -> int:
    """Microseconds UTC of a local time, as `2026-06-10 07:00:00`, or of one with an offset."""
    moment = datetime.fromisoformat(text)
    here = moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
    return int(here.timestamp()) * MICROSECONDS


@dataclass
class Visited:
    """Entries are recorded through the real ledger, and rows come through the real tables."""

    folder: Path
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.state = self.folder / "state"
        self.state.mkdir(parents=True)
        self.config = self.folder / "terminal.toml"
        self.config.write_text(SETTINGS, encoding="utf-8")
        self._key = generate_private_key(SECP256R1())
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "terminal.key").write_bytes(pem)
        self._versions: dict[Table, int] = {}

    # --- what the cloud told -------------------------------------------------------------------------------------

    def bind(self, project: str = PROJECT, **changed: Any) -> None:
        """Bind it to the project, and send the names of everybody."""
        counted = (
            (Table.ROSTER, project),
            (Table.BLOCKLIST, EVERYBODY),
            (Table.PRESENCE, project),
            (Table.PEOPLE, project),
        )
        named = tuple(TableName(table, scope, EPOCH) for table, scope in counted)
        plain = Binding(project, "Kvarnen", "Norra grinden", ZONE, Mode.OPEN, False, None, ("gate",), named)
        told = {"site_id": SITE, "developer": "Byggherren Östra AB", "developer_number": "5592440001", **changed}
        self._send(Table.BINDING, TERMINAL, binding_row(msgspec.structs.replace(plain, **told)))
        self.name(NAMES, project)

    def name(self, names: Mapping[str, Named], project: str = PROJECT) -> None:
        """Send names, sealed to the terminal's key."""
        sealer = Sealer(self._key.public_key())
        rows = [
            (key.encode(), sealer.seal(encode_value(named), row_context(Table.PEOPLE, project, key.encode())))
            for key, named in names.items()
        ]
        self._send(Table.PEOPLE, project, *rows)

    def enrol(self, card: str, person: str, company: str) -> None:
        """Put a card on the roster."""
        self._send(Table.ROSTER, PROJECT, roster_row(CardId.parse(card), person, company))

    def tell(self, person: str, company: str, way: Direction, when: int) -> None:
        """Tell of somebody who was seen at another gate."""
        key = presence_key("", person, company)
        self._send(Table.PRESENCE, PROJECT, (key, encode_value(Presence(way, when, "gate-2"))))

    def _send(self, table: Table, scope: str, *rows: Row) -> None:
        before = self._versions.get(table, 0)
        with closing(Tables.open(self.state / "tables.db")) as tables:
            assert tables.apply(change(table, scope, (before, before + 1), rows)) is Effect.APPLIED
        self._versions[table] = before + 1

    # --- what was recorded ---------------------------------------------------------------------------------------

    @contextmanager
    def recording(self) -> Iterator[Ledger]:
        """The ledger, open for entries."""
        with closing(Ledger.open(self.state / "ledger.db", TERMINAL, self.clock, starts=False)) as ledger:
            yield ledger

    def record(self, *payloads: Payload) -> list[int]:
        """Add entries; their numbers."""
        with self.recording() as ledger:
            return [ledger.append(payload) for payload in payloads]

    # --- looking -------------------------------------------------------------------------------------------------

    def inspect(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        command = [sys.executable, "-m", "edge.cli", "inspect", *words, "--config", str(self.config)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    def seen(self, *words: str) -> dict[str, Any]:
        """What the command gives to a program."""
        done = self.inspect(*words, "--json")
        assert done.stdout, done.stderr
        read: dict[str, Any] = json.loads(done.stdout)
        return read

    def report(self, asked: Asked, now: int) -> Report:
        """The report in this process, at a time, by a clock that can be trusted."""
        told, sources = Told(self.state / "tables.db"), Sources.of(self.state)
        names = Names.at(self.state / "tables.db", self.folder / "terminal.key")
        shown = Shown(TERMINAL, ClockReading(now, ClockQuality.SYNCHRONISED, b"n" * 16, 10**15), "inspector", 1)
        return Report(asked, told, names, sources, shown, now)

    def rows(self, asked: Asked, now: int) -> list[Line]:
        """The rows of it."""
        return self.read(asked, now).rows

    def read(self, asked: Asked, now: int) -> "Kept":
        """All of it."""
        report, kept = self.report(asked, now), Kept()
        with closing(report.told), closing(report.sources):
            report.write([kept], unseen)
        return kept

    def facts(self) -> list[Fact]:
        """What it wrote down about having shown it."""
        with self.recording() as ledger:
            return [
                each for _, each in ledger.tail(10_000) if isinstance(each, Fact) and each.subject == "ledger.shown"
            ]


def unseen(done: int, every: int) -> None:
    """Nobody looks at the progress."""


@dataclass
class Kept:
    """An output that keeps everything."""

    title: str = ""
    lines: dict[str, str] = field(default_factory=dict)
    sections: list[str] = field(default_factory=list)
    rows: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        self.title, self.lines = title, dict(lines)

    def section(self, title: str) -> None:
        self.sections.append(title)

    def add(self, row: Line) -> None:
        self.rows.append(row)

    def end(self, notes: list[str]) -> None:
        self.notes = notes


def brief(row: Line) -> tuple[str, str, str]:
    """Who, from when until when."""
    return row.person, row.began.moment if row.began else "saknas", row.ended.moment if row.ended else row.end


def history(first: str | None = None, last: str | None = None, **narrowed: Any) -> Asked:
    """The passes of some days; one day where only the first is named."""
    begins = None if first is None else date.fromisoformat(first)
    ends = begins if last is None else date.fromisoformat(last)
    return Asked(View.HISTORY, Period(begins, ends), **narrowed)


def tap(person: str | None, company: str | None, way: Direction | None, when: int, **changed: Any) -> Tap:
    """A granted tap of somebody's own card."""
    card = CARDS.get((person or "", company or ""), "uid:04FFFFFFFFFFFF")
    plain = Tap(
        version=VERSION,
        occurred_at=when,
        clock_quality=ClockQuality.SYNCHRONISED,
        boot_id=BOOT,
        monotonic=when % 10**15 * 1000,
        registered_at=when + 2_000,
        card=card,
        person=person,
        company=company,
        reader="both",
        direction=way,
        outcome=Outcome.GRANTED,
        reason=None,
        project=PROJECT,
        tables={},
        source=Source.CARD,
        salt=secrets.token_bytes(SALT_BYTES),
    )
    return msgspec.structs.replace(plain, **changed)


def denied(person: str | None, company: str | None, when: int, why: Reason = Reason.BLOCKED) -> Tap:
    """A tap that moved nobody."""
    return tap(person, company, IN, when, outcome=Outcome.DENIED, reason=why)


def clock_set(boot: bytes, began_at: int, when: int) -> Fact:
    """The fact that puts the times of a boot right."""
    details = {"boot": boot.hex(), "began_at": str(began_at), "quality": "synchronised"}
    quality = ClockQuality.SYNCHRONISED
    return Fact(VERSION, when, quality, boot, (when - began_at) * 1000, when, "clock.set", details, bytes(SALT_BYTES))
