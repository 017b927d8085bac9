"""Sends tables down, signed: what changed, to whom it concerns, and what one terminal lacks.

Nothing waits in the broker: a change that was missed is seen by the versions in the next status, and sent again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from cloud.clock import Clock
from cloud.database import Database
from cloud.events import Event
from cloud.sync.models import TableHead
from cloud.sync.recipients import SEALED, Recipient
from cloud.sync.statuses import tables_held
from cloud.sync.tables import changes, head_of, snapshot
from cloud.units.models import Unit, UnitStatus
from protocol.errors import TerminalId
from protocol.messages import Receipt, TableChange, TableVersion, encode
from protocol.signatures import Signer
from protocol.tables import EVERYBODY, Table
from protocol.topics import ALL_BLOCKLIST, AUDIENCE_ALL, Down, down

URGENCY: Final = (Table.BLOCKLIST, Table.BINDING, Table.ROSTER, Table.PRESENCE, Table.PEOPLE)
SNAPSHOTS_KEPT: Final = 8
SNAPSHOT_AGAIN_AFTER: Final = 60.0  # a slow link is not given the next large copy while the first is under way
TERMINALS_REMEMBERED: Final = 10_000

Send = Callable[[str, bytes], bool]
"""Hands a topic and an envelope to the broker; False where there is no connection."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """Changes of one table for one audience."""

    audience: str
    changes: Sequence[TableChange]

    @property
    def is_snapshot(self) -> bool:
        """Says whether it replaces all rows."""
        return bool(self.changes) and self.changes[0].from_version == 0


class Publisher:
    """Signs and sends. It is used by one thread at a time; what it remembers only saves work."""

    def __init__(self, database: Database, signer: Signer, send: Send, clock: Clock) -> None:
        self._database = database
        self._signer = signer
        self._send = send
        self._clock = clock
        self._snapshots: OrderedDict[tuple[str, str, bytes, int], list[TableChange]] = OrderedDict()
        self._sent: OrderedDict[tuple[str, str, bytes, int], float] = OrderedDict()

    def receipt(self, terminal: TerminalId, receipt: Receipt) -> bool:
        """Tell a terminal what is durable. One that is lost is asked for by sending again."""
        sealed = self._signer.seal(terminal, Down.RECEIPT, encode(receipt))
        return self._send(down(terminal, Down.RECEIPT), sealed)

    def begin_again(self) -> None:
        """On a new connection: what was sent over the old one may be lost."""
        self._sent.clear()

    def changed(self) -> int:
        """Send every table that changed since it was last sent, most urgent first; how many there were."""
        with self._database.reading() as session:
            found = session.scalars(select(TableHead).where(TableHead.version > TableHead.published)).all()
        for head in sorted(found, key=lambda head: URGENCY.index(Table(head.name))):
            self._publish(head)
        return len(found)

    def catch_up(self, terminal: TerminalId, held: Iterable[TableVersion], asked: bool) -> None:
        """Send a terminal what it lacks. A status that says the same again is not answered with the same snapshot;
        who asks gets it."""
        with self._database.reading() as session:
            unit = session.get(Unit, terminal)
            known = unit is not None and self._has_binding_table(session, terminal)
        if unit is None:
            return
        if not known:
            with self._database.transaction() as session:
                head_of(session, Table.BINDING, terminal)
        with self._database.reading() as session:
            letters = self._lacking(session, unit, list(held))
        for letter in letters:
            if letter.is_snapshot and not asked and self._was_sent(letter):
                continue
            if self._post(letter):
                self._say(Event.TABLE_OFFERED, letter)

    def _publish(self, head: TableHead) -> None:
        with self._database.reading() as session:
            letters = self._letters(session, head)
        if not all(self._post(letter) for letter in letters):
            return
        self._mark(head, min((letter.changes[-1].to_version for letter in letters), default=head.version))
        for letter in letters:
            self._say(Event.TABLE_PUBLISHED, letter)
        if head.name == Table.BINDING:
            self._supply(TerminalId(head.scope))

    def _letters(self, session: Session, head: TableHead) -> list[Letter]:
        """What changed in a table since it was last sent, for each who is told."""
        table, published = Table(head.name), TableVersion(head.name, head.scope, head.epoch, head.published)
        if table not in SEALED:
            told = self._changes(session, table, head.scope, published)
            return [Letter(each, told) for each in self._audience(session, head)] if told else []
        letters = []
        for unit in session.scalars(_of_project(head.scope).where(Unit.certificate.is_not(None))):
            recipient = Recipient.of(unit.certificate or b"")
            since = TableVersion(head.name, head.scope, recipient.epoch(head), head.published)
            told = self._changes(session, table, head.scope, since, recipient)
            letters += [Letter(unit.id, told)] if told else []
        return letters

    def _supply(self, terminal: TerminalId) -> None:
        """A new binding names tables that the terminal may never have had: it gets them without having to ask."""
        with self._database.reading() as session:
            held = tables_held(session.get(UnitStatus, terminal))
            unit = session.get(Unit, terminal)
            letters = [] if unit is None else self._lacking(session, unit, list(held))
        for letter in letters:
            if letter.changes[0].name != Table.BINDING and self._post(letter):
                self._say(Event.TABLE_OFFERED, letter)

    def _lacking(self, session: Session, unit: Unit, held: list[TableVersion]) -> list[Letter]:
        """What counts for this terminal and it has not: blocks first where it has the list, else after its binding."""
        counting = [(Table.BINDING, unit.id)]
        if unit.project_id is not None:
            counting += [
                (Table.BLOCKLIST, EVERYBODY),
                (Table.ROSTER, unit.project_id),
                (Table.PRESENCE, unit.project_id),
            ]
            counting += [(Table.PEOPLE, unit.project_id)] if unit.certificate is not None else []
        letters = []
        for table, scope in counting:
            mine = next((each for each in held if (each.name, each.scope) == (table, scope)), None)
            recipient = Recipient.of(unit.certificate or b"") if table in SEALED else None
            told = self._changes(session, table, scope, mine, recipient)
            if told:
                letters.append(Letter(unit.id, told))
        return sorted(letters, key=_after)

    def _changes(
        self,
        session: Session,
        table: Table,
        scope: str,
        held: TableVersion | None,
        recipient: Recipient | None = None,
    ) -> list[TableChange]:
        """The changes from a version on; a snapshot that many ask for at once is read only once."""
        if recipient is not None:
            return changes(session, table, scope, held, recipient)
        head = session.get(TableHead, (table.value, scope))
        if head is None:
            return []
        if held is not None and held.held and held.epoch == head.epoch and held.held <= head.version:
            return changes(session, table, scope, held)
        key = (head.name, head.scope, head.epoch, head.version)
        if key not in self._snapshots:
            self._snapshots[key] = snapshot(session, head)
            if len(self._snapshots) > SNAPSHOTS_KEPT:
                self._snapshots.popitem(last=False)
        return self._snapshots[key]

    def _audience(self, session: Session, head: TableHead) -> list[str]:
        match Table(head.name):
            case Table.BLOCKLIST:
                return [AUDIENCE_ALL]
            case Table.BINDING:
                return [head.scope]
            case Table.ROSTER | Table.PRESENCE | Table.PEOPLE:
                return [unit.id for unit in session.scalars(_of_project(head.scope))]

    def _post(self, letter: Letter) -> bool:
        to_all = letter.audience == AUDIENCE_ALL
        what = Down.BLOCKLIST if to_all else Down.TABLE
        topic = ALL_BLOCKLIST if to_all else down(TerminalId(letter.audience), Down.TABLE)
        sealed = (self._signer.seal(letter.audience, what, encode(change)) for change in letter.changes)
        return all(self._send(topic, envelope) for envelope in sealed)

    def _was_sent(self, letter: Letter) -> bool:
        """Says whether the terminal was given this very snapshot, a large one, a moment ago; from now on it was."""
        if len(letter.changes) == 1:
            return False
        first = letter.changes[0]
        key = (letter.audience, first.name, first.epoch, first.to_version)
        now = self._clock.monotonic()
        if now - self._sent.get(key, -SNAPSHOT_AGAIN_AFTER) < SNAPSHOT_AGAIN_AFTER:
            return True
        self._sent[key] = now
        if len(self._sent) > TERMINALS_REMEMBERED:
            self._sent.popitem(last=False)
        return False

    def _mark(self, head: TableHead, version: int) -> None:
        here = (TableHead.name == head.name, TableHead.scope == head.scope, TableHead.epoch == head.epoch)
        with self._database.transaction() as session:
            session.execute(update(TableHead).where(*here, TableHead.published < version).values(published=version))

    @staticmethod
    def _has_binding_table(session: Session, terminal: TerminalId) -> bool:
        return session.get(TableHead, (Table.BINDING.value, terminal)) is not None

    @staticmethod
    def _say(event: Event, letter: Letter) -> None:
        first, last = letter.changes[0], letter.changes[-1]
        log.info(
            event,
            to=letter.audience,
            table=first.name,
            scope=first.scope,
            from_version=first.from_version,
            to_version=last.to_version,
            messages=len(letter.changes),
        )


def _of_project(project: str) -> Select[Unit]:
    return select(Unit).where(Unit.project_id == project).order_by(Unit.id)


def _after(letter: Letter) -> int:
    """The place in the order of urgency."""
    match Table(letter.changes[0].name):
        case Table.BLOCKLIST:
            return 2 if letter.is_snapshot else 0
        case Table.BINDING:
            return 1
        case Table.ROSTER:
            return 3
        case Table.PRESENCE:
            return 4
        case Table.PEOPLE:
            return 5
