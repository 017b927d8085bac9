"""Gives a card that nobody is known behind to a person and a company, and lets it into projects."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import Action, record
from cloud.errors import NotFound
from cloud.people.models import Card, Company, Person, UnknownCard, UnknownIdentity
from cloud.people.service import Identity, add_card, add_company, add_person, enrol
from cloud.scope import Scope
from cloud.wakeups import Topic, announce
from protocol.cards import CardId


@dataclass(frozen=True, slots=True)
class Giving:
    """Who gets the card: a person and a company, each by id or, where it is new, by name and number; and projects."""

    person: str | Identity
    company: str | Identity
    projects: tuple[str, ...] = ()


def give(session: Session, scope: Scope, now: datetime, key: str, giving: Giving) -> Card:
    """Make an unknown card somebody's, with all identities that were read of it.

    Raises NotFound, Conflict where a project has ended or somebody has the card meanwhile, FieldInvalid.
    """
    statement = scope.narrow(select(UnknownCard).where(UnknownCard.id == key), UnknownCard.customer_id)
    unknown = session.scalar(statement.with_for_update())
    if unknown is None:
        raise NotFound("unknown card", key)
    customer = unknown.customer_id
    names = select(UnknownIdentity.identity).where(UnknownIdentity.unknown_card_id == key).order_by("identity")
    identities = tuple(CardId.parse(name) for name in session.scalars(names))
    person = _person(session, scope, now, customer, giving.person)
    company = _company(session, scope, now, customer, giving.company)
    card = add_card(session, scope, now, person, company, identities)
    for project in giving.projects:
        enrol(session, scope, now, project, card.id)
    record(session, scope, now, Action.CARD_GIVEN, card.id, {"identities": len(identities)})
    announce(session, Topic.ENTRIES)
    return card


def _person(session: Session, scope: Scope, now: datetime, customer: str, given: str | Identity) -> Person:
    if isinstance(given, Identity):
        return add_person(session, scope, now, customer, given)
    found = session.get(Person, given)
    if found is None or found.customer_id != customer:
        raise NotFound("person", given)
    return found


def _company(session: Session, scope: Scope, now: datetime, customer: str, given: str | Identity) -> Company:
    if isinstance(given, Identity):
        return add_company(session, scope, now, customer, given)
    found = session.get(Company, given)
    if found is None or found.customer_id != customer:
        raise NotFound("company", given)
    return found
