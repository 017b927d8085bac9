"""A customer with projects, people, terminals and taps, and a second customer beside it, for tests of the portal."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.accounts import service as accounts
from cloud.audit.service import NOBODY
from cloud.clock import microseconds
from cloud.customers import service as customers
from cloud.database import Database
from cloud.people import service as people
from cloud.people.models import CardConflict, CardIdentity, UnknownCard, UnknownIdentity
from cloud.people.service import Identity
from cloud.projects import service as projects
from cloud.projects.service import ProjectDraft
from cloud.scope import Scope
from cloud.sync.batches import Batch
from cloud.sync.ingest import Ingest
from cloud.sync.ingest import Outcome as Taken
from cloud.units import service as units
from cloud.units.models import UnitStatus
from cloud.units.service import Placement
from cloud.wakeups import Topic, announce
from protocol.cards import CardId
from protocol.clock import ClockQuality
from protocol.decision import Direction, Proof, Reason
from protocol.entries import Outcome, encode_payload
from protocol.errors import TerminalId
from tests.cloud.chains import Chain, tap
from tests.support.moved_clock import START, MovedClock

STAFF: Final = Scope(NOBODY, None)
PASSWORD: Final = "Norra-grinden-7"
GATE: Final = "kvarnen-norra"
CRANE: Final = "kvarnen-kran"
SPARE: Final = "kvarnen-reserv"
SILENT: Final = "kvarnen-soder"
FOREIGN: Final = "grannen-1"

BUILDER: Final = Identity("Kvarnholmens Bygg AB", "5592440001")
ELECTRICIAN: Final = Identity("Nordanå El & Larm AB", "5561034249")
SCAFFOLDER: Final = Identity("Fyris Ställning AB", "5560160680")

# official test numbers and numbers with birth dates before 1900 (domain.md 1.4): nobody living has them
WORKERS: Final = (
    (Identity("Anna Lindqvist", "189304121230"), BUILDER, "uid:04A1B2C3D4E501"),
    (Identity("Johan Berggren", "189506172403"), BUILDER, "uid:04A1B2C3D4E502"),
    (Identity("Fatima Haddad", "189803013177"), BUILDER, "uid:04A1B2C3D4E503"),
    (Identity("Mikael Sundström", "189111094828"), ELECTRICIAN, "uid:04A1B2C3D4E504"),
    (Identity("Amir Rezai", "197302889931"), ELECTRICIAN, "uid:5E7C12A9"),
    (Identity("Kerstin Åkesson", "189708306692"), SCAFFOLDER, "uid:04A1B2C3D4E507"),
    (Identity("Tomasz Wiśniewski", "202107919967"), SCAFFOLDER, "uid:04A1B2C3D4E50A"),
)
BLOCKED: Final = (Identity("Lars-Göran Falk", "189912248045"), SCAFFOLDER, "uid:04A1B2C3D4E5FB")
STRANGER: Final = "uid:04C0FFEE123480"
LOOSE: Final = "00000000000000a7"
LOOSE_IDENTITIES: Final = ("piv:3F2504E04F8941D39A0C0305E82C3301", "uid:04C0FFEE99AA80")
FOREIGN_LOOSE: Final = "00000000000000b7"
"""Cards that nobody is known behind, ours and the neighbour's."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A card, and the person and company behind it as entries name them."""

    card: str
    person: str | None = None
    company: str | None = None


@dataclass(frozen=True, slots=True)
class TapDraft:
    """A tap to be written down: what differs from an admitted IN with a good clock."""

    terminal: str
    holder: Holder
    occurred_at: datetime
    project: str | None
    direction: Direction | None = Direction.IN
    outcome: Outcome = Outcome.GRANTED
    reason: Reason | None = None
    reader: str = "entré"
    clock_quality: ClockQuality = ClockQuality.SYNCHRONISED
    received_after: timedelta = timedelta(milliseconds=80)
    proof: Proof = Proof.NOT_ASKED


@dataclass(slots=True)
class Site:
    """What was furnished, by name."""

    database: Database
    customer: str
    neighbour: str
    project: str
    ended_project: str
    neighbours_project: str
    holders: dict[str, Holder] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)

    @property
    def stranger(self) -> Holder:
        """A card that nobody has enrolled."""
        return Holder(STRANGER)

    def tap(self, *drafts: TapDraft) -> None:
        """Let terminals have recorded taps, each taken in when it arrived."""
        for draft in drafts:
            chain = self.chains.setdefault(draft.terminal, Chain(TerminalId(draft.terminal))).add(payload(draft))
            last = len(chain.payloads)
            self.take(draft.terminal, last, last, draft.occurred_at + draft.received_after)

    def take(self, terminal: str, first: int, last: int, at: datetime = START) -> None:
        """Take a batch in, as the sync service does."""
        batch = Batch.open(TerminalId(terminal), self.chains[terminal].packed(first, last))
        answers = Ingest(self.database, MovedClock(at)).take([batch])
        assert [answer.outcome for answer in answers] == [Taken.TAKEN]

    def hear(self, terminal: str, now: datetime, **told: object) -> None:
        """Let a terminal have said how it is, and tell who waits for that."""
        with self.database.transaction() as rows:
            rows.merge(UnitStatus(**(_status(terminal, now) | told)))
            announce(rows, Topic.UNITS)

    def confuse(self, now: datetime) -> None:
        """Let a number of one of our cards have been read together with another of them."""
        with self.database.transaction() as rows:
            names = [self.holders[name].card for name in ("Anna Lindqvist", "Amir Rezai")]
            held = select(CardIdentity.identity, CardIdentity.card_id).where(CardIdentity.identity.in_(names))
            cards = {identity: card for identity, card in rows.execute(held)}  # noqa: C416 - rows are no pairs
            key = {"card_id": cards[names[0]], "identity": names[1], "other_card_id": cards[names[1]]}
            rows.add(CardConflict(**key, customer_id=self.customer, seen_at=now))


def furnish(database: Database, now: datetime) -> Site:
    """Fill an empty database, all of it through the services."""
    with database.transaction() as rows:
        mine = customers.create(rows, STAFF, now, BUILDER.name, BUILDER.number).id
        other = customers.create(rows, STAFF, now, "Grannens Entreprenad AB", "5560360793").id
        _accounts(rows, now, mine, other)
        project = projects.create(rows, STAFF, now, ProjectDraft(mine, "Kvarnen etapp 2", "B1EX4MP3L2026")).id
        draft = ProjectDraft(mine, "Norrtullsskolan ombyggnad", "B2EX4MP3L2026")
        projects.create(rows, STAFF, now, draft)
        ended = projects.create(rows, STAFF, now, ProjectDraft(mine, "Kvarnen etapp 1", "B0EX4MP3L2025")).id
        foreign = projects.create(rows, STAFF, now, ProjectDraft(other, "Hamnmagasinet", "B9EX4MP3L2026")).id
        site = Site(database, mine, other, project, ended, foreign)
        _people(rows, now, site)
        _terminals(rows, now, site)
        _unknown_cards(rows, now, site)
        projects.end(rows, STAFF, now, ended)
    return site


def payload(draft: TapDraft) -> bytes:
    """What the terminal writes down of a tap."""
    at = microseconds(draft.occurred_at)
    return encode_payload(
        tap(
            occurred_at=at,
            registered_at=at + 900,
            clock_quality=draft.clock_quality,
            card=draft.holder.card,
            person=draft.holder.person,
            company=draft.holder.company,
            reader=draft.reader,
            direction=draft.direction,
            outcome=draft.outcome,
            reason=draft.reason,
            project=draft.project,
            proof=draft.proof,
        )
    )


def _accounts(rows: Session, now: datetime, mine: str, other: str) -> None:
    for login, name, customer in (
        ("karin", "Karin Holm", mine),
        ("granne", "Per Granlund", other),
        ("drift", "Driften", None),
    ):
        accounts.create(rows, STAFF, now, accounts.AccountDraft(login, name, PASSWORD, customer))


def _people(rows: Session, now: datetime, site: Site) -> None:
    companies = {
        each: people.add_company(rows, STAFF, now, site.customer, each) for each in (BUILDER, ELECTRICIAN, SCAFFOLDER)
    }
    for worker, employer, identity in (*WORKERS, BLOCKED):
        person = people.add_person(rows, STAFF, now, site.customer, worker)
        card = people.add_card(rows, STAFF, now, person, companies[employer], (CardId.parse(identity),))
        people.enrol(rows, STAFF, now, site.project, card.id)
        site.holders[worker.name] = Holder(identity, person.id, companies[employer].id)


def _terminals(rows: Session, now: datetime, site: Site) -> None:
    for key, name in ((GATE, "Norra grinden"), (CRANE, "Kranfållan"), (SILENT, "Södra grinden"), (SPARE, "Reserv")):
        units.create(rows, STAFF, now, key, name, site.customer)
    units.create(rows, STAFF, now, FOREIGN, "Grannens grind", site.neighbour)
    units.bind(rows, STAFF, now, GATE, Placement(site.project, "Norra grinden", ("grind",)))
    units.bind(rows, STAFF, now, CRANE, Placement(site.project, "Kranfållan", ()))
    units.bind(rows, STAFF, now, SILENT, Placement(site.ended_project, "Södra infarten", ("grind",)))
    units.bind(rows, STAFF, now, FOREIGN, Placement(site.neighbours_project, "Kajen", ("grind",)))
    for status in (
        _status(GATE, now),
        _status(CRANE, now) | {"queue_depth": 12, "oldest_unsent": microseconds(now - timedelta(minutes=8))},
        _status(SILENT, now - timedelta(days=2)) | {"online": False, "clock_quality": ClockQuality.UNTRUSTED.value},
        _status(SPARE, now) | {"doors": {"grind": "locked", "sidodörr": "locked"}, "clock_offset_ms": -1420},
    ):
        rows.add(UnitStatus(**status))


def _unknown_cards(rows: Session, now: datetime, site: Site) -> None:
    earlier = now - timedelta(hours=3)
    for key, customer, terminal, project, names in (
        (LOOSE, site.customer, GATE, site.project, LOOSE_IDENTITIES),
        (FOREIGN_LOOSE, site.neighbour, FOREIGN, site.neighbours_project, ("uid:0455667788AA80",)),
    ):
        place = {"seen_at": earlier, "terminal": terminal, "reader": "entré", "project": project}
        rows.add(UnknownCard(id=key, customer_id=customer, **place))
        rows.flush()
        rows.add_all(UnknownIdentity(customer_id=customer, identity=name, unknown_card_id=key) for name in names)


def _status(terminal: str, now: datetime) -> dict[str, object]:
    return {
        "unit_id": terminal,
        "online": True,
        "seen_at": now,
        "nonce": b"n",
        "queue_depth": 0,
        "oldest_unsent": None,
        "clock_quality": ClockQuality.SYNCHRONISED.value,
        "clock_offset_ms": 12,
        "software": "grindvakt 0.1.0",
        "ledger": hashlib.sha256(terminal.encode()).digest()[:16],
        "last_seq": 1204,
        "readers": {"entré": True},
        "doors": {"grind": "locked"},
        "tables": [],
    }


def a_morning(site: Site, now: datetime) -> list[TapDraft]:
    """Taps of half an hour up to `now`, with everything the live page has words for."""
    drafts = []
    turn = [worker.name for worker, _, _ in WORKERS]
    for step in range(24):
        holder = site.holders[turn[step % len(turn)]]
        way = Direction.IN if step // len(turn) % 2 == 0 else Direction.OUT
        at = now - timedelta(seconds=1500 - step * 53)
        drafts.append(TapDraft((GATE, CRANE)[step % 3 == 2], holder, at, site.project, way))
    falk, late = site.holders[BLOCKED[0].name], now - timedelta(seconds=230)
    drafts += [
        TapDraft(GATE, site.stranger, late, site.project),
        TapDraft(GATE, falk, late + timedelta(seconds=41), site.project, Direction.IN, Outcome.DENIED, Reason.BLOCKED),
        TapDraft(GATE, falk, late + timedelta(seconds=62), site.project, Direction.OUT, reason=Reason.BLOCKED),
        TapDraft(
            SPARE,
            site.holders["Fatima Haddad"],
            late + timedelta(seconds=90),
            None,
            None,
            Outcome.DENIED,
            Reason.UNBOUND,
        ),
        TapDraft(
            CRANE,
            site.holders["Amir Rezai"],
            late + timedelta(seconds=120),
            site.project,
            received_after=timedelta(seconds=95),
        ),
        TapDraft(
            CRANE,
            site.holders["Kerstin Åkesson"],
            late + timedelta(seconds=150),
            site.project,
            clock_quality=ClockQuality.UNTRUSTED,
        ),
        TapDraft(
            SILENT,
            site.holders["Johan Berggren"],
            late + timedelta(seconds=170),
            site.ended_project,
            Direction.IN,
            Outcome.DENIED,
            Reason.PROJECT_ENDED,
        ),
        TapDraft(GATE, site.holders["Anna Lindqvist"], late + timedelta(seconds=215), site.project, Direction.OUT),
        TapDraft(
            GATE,
            Holder(site.holders["Mikael Sundström"].card),
            late + timedelta(seconds=190),
            site.project,
            Direction.IN,
            Outcome.DENIED,
            Reason.CARD_COPIED,
            proof=Proof.COPIED,
        ),
        TapDraft(GATE, site.holders["Fatima Haddad"], late + timedelta(seconds=205), site.project, proof=Proof.GENUINE),
    ]
    return drafts
