"""The cloud of a site: `grindvakt-cloud serve` as its own process, and what staff does in it, through the services."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.accounts.service import AccountDraft
from cloud.accounts.service import create as create_account
from cloud.audit.service import NOBODY
from cloud.blocklist.service import block, unblock
from cloud.customers.service import create as create_customer
from cloud.database import Database
from cloud.demo.programs import Program, answers, free_port
from cloud.migrate import upgrade
from cloud.people.models import UnknownIdentity
from cloud.people.service import Identity, add_card, add_company, add_person, change_person, enrol
from cloud.projects.policies import Policies
from cloud.projects.service import ProjectDraft, set_policies
from cloud.projects.service import create as create_project
from cloud.scope import Scope
from cloud.sync.models import TableHead, TableRow
from cloud.units.service import Placement, bind
from cloud.units.service import create as create_unit
from protocol.cards import CardId
from protocol.decision import BlockReason
from protocol.tables import Presence, decode_presence
from tests.support.audit import CloudCopy, cloud_copy
from tests.support.certificates import Issued
from tests.support.site_terminal import ROOT, Plan, logged, script

STAFF: Final = Scope(NOBODY, None)
LOGIN: Final = "karin"
PASSWORD: Final = "Norra-grinden-7"
PROJECT: Final = "Kvarnen etapp 2"
BUILDER: Final = Identity("Kvarnholmens Bygg AB", "5592440001")
DOORS: Final = ("gate",)

_SETTINGS: Final = """
state_dir = "{state}"
database_url = "{url}"
base_url = "http://127.0.0.1:{port}"
node_modules = "{node_modules}"
signing_key = "{signing_key}"

[listen]
port = {port}

[broker]
host = "127.0.0.1"
port = {broker}
ca = "{issued.ca}"
certificate = "{issued.certificate}"
key = "{issued.key}"
"""


@dataclass(frozen=True, slots=True)
class Served:
    """What the cloud is served with: its database, the broker's port, its own certificate there, its signing key."""

    url: str
    broker: int
    issued: Issued
    signing_key: Path


class SiteCloud:
    """A cloud with one customer, one project, and its people; kill it and start it again as you like."""

    def __init__(self, folder: Path, served: Served) -> None:
        folder.mkdir(parents=True)
        self.url = served.url
        self.port = free_port()
        self.customer = self.project = self.company = ""
        settings = folder / "cloud.toml"
        settings.write_text(
            _SETTINGS.format(
                state=folder / "state",
                url=served.url,
                port=self.port,
                node_modules=ROOT / "node_modules",
                signing_key=served.signing_key,
                broker=served.broker,
                issued=served.issued,
            ),
            encoding="utf-8",
        )
        self.database = Database(served.url)
        command = [script("grindvakt-cloud"), "serve", "--config", str(settings)]
        self.program = Program("cloud", command, folder, {"PYTHONPATH": str(ROOT)})

    @property
    def address(self) -> str:
        """The portal's."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Run it; returns when the portal answers, or at once."""
        self.program.start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when the portal answers. Raises ProgramFailed when it does not."""
        self.program.wait_until(self.answers)

    def answers(self) -> bool:
        """Whether somebody listens where the portal should be."""
        return answers(self.port)

    def stop(self) -> None:
        """End it in order."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.program.kill()

    def close(self) -> None:
        """Stop it, and let go of its database."""
        self.stop()
        self.database.close()

    # --- what staff does --------------------------------------------------------------------------------------------

    def furnish(self, plans: Sequence[Plan], cards: Sequence[CardId]) -> None:
        """Migrate the database; take in a customer with a project, a person for each card, a login, the terminals."""
        upgrade(self.database)
        now = _now()
        with self.database.transaction() as rows:
            self.customer = create_customer(rows, STAFF, now, BUILDER.name, BUILDER.number).id
            create_account(rows, STAFF, now, AccountDraft(LOGIN, "Karin Holm", PASSWORD, self.customer, "en"))
            self.project = create_project(rows, STAFF, now, ProjectDraft(self.customer, PROJECT, "B1EX4MP3L2026")).id
            self._company = add_company(rows, STAFF, now, self.customer, BUILDER)
            self.company = self._company.id
            for number, identity in enumerate(cards, 1):
                self._take_in(rows, Identity(f"Worker {number}", ""), identity)
            for plan in plans:
                create_unit(rows, STAFF, now, plan.id, plan.id, self.customer)
        for plan in plans:
            if plan.bound:
                self.bind(plan.id)

    def bind(self, terminal: str) -> None:
        """Bind a terminal to the project, with its door."""
        with self.database.transaction() as rows:
            bind(rows, STAFF, _now(), terminal, Placement(self.project, "North gate", DOORS))

    def block(self, card: CardId) -> None:
        """Block a card everywhere."""
        with self.database.transaction() as rows:
            block(rows, STAFF, _now(), card, BlockReason.LOST)

    def regulate(self, policies: Policies) -> None:
        """Say what counts on the project from now on."""
        with self.database.transaction() as rows:
            set_policies(rows, STAFF, _now(), self.project, policies)

    def unblock(self, card: CardId) -> None:
        """Lift the block of a card."""
        with self.database.transaction() as rows:
            unblock(rows, STAFF, _now(), card)

    def enrol(self, card: CardId, name: str, *also: CardId, number: str = "") -> str:
        """Take in somebody with this card, for the project; `also` are further identities of it. Gives their id."""
        with self.database.transaction() as rows:
            return self._take_in(rows, Identity(name, number), card, *also)

    def take_in(self, card: CardId, name: str, number: str) -> str:
        """Take in somebody with this card, and let them into no project. Gives their id."""
        with self.database.transaction() as rows:
            person = add_person(rows, STAFF, _now(), self.customer, Identity(name, number))
            add_card(rows, STAFF, _now(), person, self._company, (card,))
            return person.id

    def rename(self, person: str, name: str, number: str) -> None:
        """Give somebody another name and number."""
        with self.database.transaction() as rows:
            change_person(rows, STAFF, _now(), person, Identity(name, number))

    def _take_in(self, rows: Session, who: Identity, identity: CardId, *also: CardId) -> str:
        person = add_person(rows, STAFF, _now(), self.customer, who)
        card = add_card(rows, STAFF, _now(), person, self._company, (identity, *also))
        enrol(rows, STAFF, _now(), self.project, card.id)
        return person.id

    # --- what it has ------------------------------------------------------------------------------------------------

    def copy(self, terminal: str) -> CloudCopy:
        """All it has of a terminal."""
        return cloud_copy(self.url, terminal)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the process logged."""
        return logged(self.program)

    def unknown_cards(self) -> list[set[str]]:
        """The identities of each card that nobody is known behind."""
        cards: defaultdict[str, set[str]] = defaultdict(set)
        with self.database.reading() as rows:
            for each in rows.scalars(select(UnknownIdentity)):
                cards[each.unknown_card_id].add(each.identity)
        return list(cards.values())

    def presence(self) -> list[Presence]:
        """Where everybody of the project went last."""
        with self.database.reading() as rows:
            found = rows.scalars(select(TableRow.value).filter_by(name="presence", scope=self.project))
            return [decode_presence(value) for value in found if value is not None]

    def newest(self, terminal: str) -> dict[str, int]:
        """The versions of the tables that count at a bound terminal, by name."""
        scopes = {
            "binding": terminal,
            "roster": self.project,
            "blocklist": "global",
            "presence": self.project,
            "people": self.project,
        }
        with self.database.reading() as rows:
            heads = rows.scalars(select(TableHead)).all()
            return {head.name: head.version for head in heads if scopes.get(head.name) == head.scope}


def _now() -> datetime:
    return datetime.now(UTC)
