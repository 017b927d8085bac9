"""Fills the demonstration's database: a customer, its project, the people on it, the terminals and a login."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cloud.accounts.service import AccountDraft
from cloud.accounts.service import create as create_account
from cloud.audit.service import NOBODY
from cloud.blocklist.service import block
from cloud.customers.models import Customer
from cloud.demo import cast
from cloud.demo.terminals import TERMINALS
from cloud.people.models import Company
from cloud.people.service import Identity, add_card, add_company, add_person, enrol
from cloud.projects.models import Project
from cloud.projects.policies import Policies
from cloud.projects.service import ProjectDraft, set_policies
from cloud.projects.service import create as create_project
from cloud.scope import Scope
from cloud.units.service import Placement, bind
from cloud.units.service import create as create_unit
from protocol.cards import CardId, CardKind
from protocol.decision import BlockReason, CardAuthentication

OURSELVES = Scope(NOBODY, None)
LOGIN = "anna@example.se"


@dataclass(frozen=True, slots=True)
class Login:
    """What a visitor types on the login page."""

    name: str
    password: str


def fill(session: Session, now: datetime) -> Login:
    """Everything the demonstration needs, in the caller's transaction."""
    customer = Customer(name=cast.CUSTOMER.name, org_number=cast.CUSTOMER.number, created_at=now)
    session.add(customer)
    session.flush()
    draft = ProjectDraft(customer.id, cast.PROJECT_NAME, cast.PROJECT_SITE_ID)
    project = create_project(session, OURSELVES, now, draft)
    set_policies(session, OURSELVES, now, project.id, Policies(card_authentication=CardAuthentication.PREFER))
    create_project(
        session, OURSELVES, now, ProjectDraft(customer.id, cast.OTHER_PROJECT_NAME, cast.OTHER_PROJECT_SITE_ID)
    )
    _people(session, now, customer, project)
    _terminals(session, now, customer, project)
    login = Login(LOGIN, f"Grind-{secrets.token_hex(3)}-7")
    create_account(session, OURSELVES, now, AccountDraft(login.name, "Anna Lindqvist", login.password, customer.id))
    return login


def _people(session: Session, now: datetime, customer: Customer, project: Project) -> None:
    companies: dict[cast.DemoCompany, Company] = {}
    for worker in (*cast.PEOPLE, cast.BLOCKED_PERSON, cast.COPIED_PERSON):
        if worker.company not in companies:
            named = Identity(worker.company.name, worker.company.number, worker.company.country)
            companies[worker.company] = add_company(session, OURSELVES, now, customer.id, named)
        person = add_person(session, OURSELVES, now, customer.id, Identity(worker.name, worker.number, worker.country))
        card = add_card(session, OURSELVES, now, person, companies[worker.company], tuple(_identities(worker)))
        enrol(session, OURSELVES, now, project.id, card.id)
    block(session, OURSELVES, now, card_of(cast.BLOCKED_PERSON.uid), BlockReason.LOST)


def _terminals(session: Session, now: datetime, customer: Customer, project: Project) -> None:
    for terminal in TERMINALS:
        create_unit(session, OURSELVES, now, terminal.id, terminal.name, customer.id)
        if terminal.place is not None:
            bind(session, OURSELVES, now, terminal.id, Placement(project.id, terminal.place, ("grind",)))


def _identities(worker: cast.DemoPerson) -> Iterator[CardId]:
    """All that the readers of the site may see of a card."""
    if worker.guid:
        yield CardId.from_bytes(CardKind.PIV, bytes.fromhex(worker.guid))
    yield card_of(worker.uid)


def card_of(uid: str) -> CardId:
    """The card with this serial, as a reader reports it."""
    return CardId.from_bytes(CardKind.UID, bytes.fromhex(uid))
