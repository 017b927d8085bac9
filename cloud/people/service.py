"""What is done with people, companies and cards: taken in, and enrolled in projects."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import Action, record
from cloud.blocklist.service import extend
from cloud.database import insert_into
from cloud.errors import Conflict, FieldInvalid, NotFound
from cloud.people.identities import forget
from cloud.people.models import Card, CardIdentity, Company, Person
from cloud.people.names import seen_on, tell, tell_again, tell_of_cards
from cloud.projects.models import Project, ProjectPerson
from cloud.projects.policies import Policies
from cloud.scope import Scope
from cloud.sync.tables import drop, put
from protocol.cards import CardId
from protocol.decision import Enrolment
from protocol.tables import LONGEST_NAME, LONGEST_NUMBER, Table, encode_value

COUNTRY: Final = re.compile("[A-Z]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an enrolled card may: names of the project's rights, None for everything at any time; and for how long.

    `long_access`: doors stay open longer for this person.
    """

    rights: tuple[str, ...] | None = None
    long_access: bool = False


EVERYTHING: Final = Allowance()


@dataclass(frozen=True, slots=True)
class Identity:
    """A company's or person's name and number; `country` says whose number it is."""

    name: str
    number: str
    country: str = "SE"


def add_company(session: Session, scope: Scope, now: datetime, customer_id: str, company: Identity) -> Company:
    """Take a company in. Raises NotFound, FieldInvalid."""
    _within(scope, customer_id)
    given = _checked(company)
    added = Company(customer_id=customer_id, name=given.name, org_number=given.number, country=given.country)
    session.add(added)
    session.flush()
    record(session, scope, now, Action.COMPANY_CREATED, added.id, {"name": added.name})
    return added


def add_person(session: Session, scope: Scope, now: datetime, customer_id: str, person: Identity) -> Person:
    """Take a person in. Raises NotFound, FieldInvalid."""
    _within(scope, customer_id)
    given = _checked(person)
    number = given.number or None
    added = Person(customer_id=customer_id, name=given.name, personal_number=number, country=given.country)
    session.add(added)
    session.flush()
    record(session, scope, now, Action.PERSON_CREATED, added.id, {})
    return added


def change_company(session: Session, scope: Scope, now: datetime, company_id: str, company: Identity) -> Company:
    """Give a company its new name or number; terminals hear of it. Raises NotFound, FieldInvalid."""
    given = _checked(company)
    found = scope.narrow(select(Company).where(Company.id == company_id), Company.customer_id)
    held = session.scalar(found.with_for_update())
    if held is None:
        raise NotFound("company", company_id)
    held.name, held.org_number, held.country = given.name, given.number, given.country
    session.flush()
    tell_again(session, held)
    record(session, scope, now, Action.COMPANY_CHANGED, held.id, {"name": held.name})
    return held


def change_person(session: Session, scope: Scope, now: datetime, person_id: str, person: Identity) -> Person:
    """Give a person their new name or number; terminals hear of it. Raises NotFound, FieldInvalid."""
    given = _checked(person)
    found = scope.narrow(select(Person).where(Person.id == person_id), Person.customer_id)
    held = session.scalar(found.with_for_update())
    if held is None:
        raise NotFound("person", person_id)
    held.name, held.personal_number, held.country = given.name, given.number or None, given.country
    session.flush()
    tell_again(session, held)
    record(session, scope, now, Action.PERSON_CHANGED, held.id, {})
    return held


def add_card(
    session: Session, scope: Scope, now: datetime, person: Person, company: Company, identities: tuple[CardId, ...]
) -> Card:
    """Give a person a card for a company, with all that readers may see of it. Raises NotFound, Conflict, FieldInvalid.

    A card of which one identity is blocked is blocked by all of them.
    """
    _within(scope, person.customer_id)
    if company.customer_id != person.customer_id:
        raise NotFound("company", company.id)
    _check_identities(session, person.customer_id, identities)
    card = Card(customer_id=person.customer_id, person_id=person.id, company_id=company.id)
    session.add(card)
    session.flush()
    names = [str(identity) for identity in dict.fromkeys(identities)]
    session.add_all(CardIdentity(card_id=card.id, identity=name, customer_id=card.customer_id) for name in names)
    session.flush()
    seen = seen_on(session, card.customer_id, names)
    forget(session, card.customer_id, names)
    extend(session, names)
    for project in seen:
        tell_of_cards(session, project, names)
    record(session, scope, now, Action.CARD_CREATED, card.id, {"card": identities[0].masked})
    return card


def enrol(
    session: Session,
    scope: Scope,
    now: datetime,
    project_id: str,
    card_id: str,
    allowance: Allowance = EVERYTHING,
) -> None:
    """Let a card into a project: its terminals know the person and company from now on, and what they may.

    Who is enrolled already gets the new allowance. Raises NotFound, Conflict, FieldInvalid.
    """
    project, card = _pair(session, scope, project_id, card_id)
    if project.ended_at is not None:
        raise Conflict(f"project {project.name!r} has ended; choose one that runs")
    if not card.active:
        raise Conflict("this card is no longer active; give the person another")
    rights = _checked_rights(project, allowance.rights)
    allowed = {"rights": rights, "long_access": allowance.long_access}
    insert = insert_into(session, ProjectPerson).values(project_id=project.id, card_id=card.id, **allowed)
    session.execute(insert.on_conflict_do_update(index_elements=["project_id", "card_id"], set_=allowed))
    named = None if rights is None else tuple(rights)
    value = encode_value(Enrolment(card.person_id, card.company_id, named, allowance.long_access))
    put(session, Table.ROSTER, project.id, dict.fromkeys(_keys(session, card), value))
    tell(session, project.id, [card.person_id], [card.company_id])
    record(session, scope, now, Action.CARD_ENROLLED, card.id, {"project": project.id, **allowed})


def withdraw(session: Session, scope: Scope, now: datetime, project_id: str, card_id: str) -> None:
    """Take a card out of a project; names stay, since the ledger goes on naming them. Raises NotFound."""
    project, card = _pair(session, scope, project_id, card_id)
    held = session.get(ProjectPerson, (project.id, card.id))
    if held is None:
        raise NotFound("enrolment of card", card_id)
    session.delete(held)
    drop(session, Table.ROSTER, project.id, _keys(session, card))
    record(session, scope, now, Action.CARD_WITHDRAWN, card.id, {"project": project.id})


def _pair(session: Session, scope: Scope, project_id: str, card_id: str) -> tuple[Project, Card]:
    project = session.scalar(scope.narrow(select(Project).where(Project.id == project_id), Project.customer_id))
    if project is None:
        raise NotFound("project", project_id)
    card = session.scalar(scope.narrow(select(Card).where(Card.id == card_id), Card.customer_id))
    if card is None or card.customer_id != project.customer_id:
        raise NotFound("card", card_id)
    return project, card


def _checked_rights(project: Project, rights: tuple[str, ...] | None) -> list[str] | None:
    if rights is None:
        return None
    named = list(dict.fromkeys(rights))
    known = {right.name for right in Policies.load(project.policies).rights}
    if not named or not known.issuperset(named):
        there = ", ".join(sorted(known)) or "none"
        raise FieldInvalid("rights", f"name at least one right of this project (there are: {there}), or leave it out")
    return named


def _keys(session: Session, card: Card) -> list[bytes]:
    found = select(CardIdentity.identity).where(CardIdentity.card_id == card.id)
    return [identity.encode() for identity in session.scalars(found)]


def _within(scope: Scope, customer_id: str) -> None:
    if not scope.covers(customer_id):
        raise NotFound("customer", customer_id)


def _checked(given: Identity) -> Identity:
    name, number = given.name.strip(), given.number.strip()
    if not name or not name.isprintable():
        raise FieldInvalid("name", "write a name")
    if len(name) > LONGEST_NAME:
        raise FieldInvalid("name", f"write a name of at most {LONGEST_NAME} characters")
    if len(number) > LONGEST_NUMBER or not number.isprintable():
        raise FieldInvalid("number", f"write a number of at most {LONGEST_NUMBER} characters")
    if not COUNTRY.fullmatch(given.country):
        raise FieldInvalid("country", "write the two capital letters of the country, such as SE")
    return Identity(name, number, given.country)


def _check_identities(session: Session, customer_id: str, identities: tuple[CardId, ...]) -> None:
    if not identities:
        raise FieldInvalid("card", "a card has at least one identity; hold it against a reader")
    if any(identity.is_random for identity in identities):
        raise FieldInvalid("card", "this chip makes a new serial at each touch; enrol its PIV or printed number")
    here = CardIdentity.customer_id == customer_id
    taken = select(CardIdentity.card_id).where(here, CardIdentity.identity.in_([str(each) for each in identities]))
    if session.scalar(taken.limit(1)) is not None:
        raise Conflict("one of these identities belongs to another card already; look that card up")
