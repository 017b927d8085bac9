"""Keeps the table of names and numbers that each project's terminals get, sealed, for a control visit.

Who was once in it stays, also when withdrawn: the ledger goes on naming them by id.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry
from cloud.people.models import Card, CardIdentity, Company, Person, UnknownCard, UnknownIdentity
from cloud.projects.models import Project, ProjectPerson
from cloud.sync.models import TableHead, TableRow
from cloud.sync.tables import put
from protocol.tables import LONGEST_NAME, LONGEST_NUMBER, Holder, Named, Table, encode_value

AT_A_TIME: Final = 500
UNKNOWN_COUNTRY: Final = "ZZ"  # ISO 3166 leaves it to its users


def tell(session: Session, project: str, people: Collection[str], companies: Collection[str]) -> None:
    """Let the terminals of a project know what these people and companies of its customer are called."""
    ours = select(Project.customer_id).where(Project.id == project).scalar_subquery()
    rows: dict[bytes, bytes] = {}
    for ids in _portions(people):
        found = select(Person).where(Person.id.in_(ids), Person.customer_id == ours)
        rows |= dict(map(_of_person, session.scalars(found)))
    for ids in _portions(companies):
        firms = select(Company).where(Company.id.in_(ids), Company.customer_id == ours)
        rows |= dict(map(_of_company, session.scalars(firms)))
    put(session, Table.PEOPLE, project, rows)


def tell_again(session: Session, changed: Person | Company) -> None:
    """Tell a changed name or number wherever the old one is known."""
    key, value = _of_person(changed) if isinstance(changed, Person) else _of_company(changed)
    knowing = (
        select(TableRow.scope)
        .join(Project, Project.id == TableRow.scope)
        .where(TableRow.name == Table.PEOPLE.value, TableRow.key == key, Project.customer_id == changed.customer_id)
        .order_by(TableRow.scope)
    )
    for project in session.scalars(knowing).all():
        put(session, Table.PEOPLE, project, {key: value})


def tell_of_cards(session: Session, project: str, cards: Collection[str]) -> None:
    """Tell of those whom the customer knows by these cards, seen on the project though they are not enrolled there."""
    holders: dict[bytes, Holder] = {}
    for identities in _portions(cards):
        known = (
            select(CardIdentity.identity, Card.person_id, Card.company_id)
            .join(Card, Card.id == CardIdentity.card_id)
            .join(Project, Project.customer_id == CardIdentity.customer_id)
            .where(Project.id == project, CardIdentity.identity.in_(identities))
        )
        holders |= {card.encode(): Holder(person, company) for card, person, company in session.execute(known)}
    if holders:
        held = holders.values()
        tell(session, project, {each.person for each in held}, {each.company for each in held})
        put(session, Table.PEOPLE, project, {card: encode_value(holder) for card, holder in holders.items()})


def seen_on(session: Session, customer: str, cards: Collection[str]) -> list[str]:
    """The projects where these cards were held against a terminal while nobody was known behind them."""
    found = (
        select(UnknownCard.project)
        .join(UnknownIdentity, UnknownIdentity.unknown_card_id == UnknownCard.id)
        .where(UnknownIdentity.customer_id == customer, UnknownIdentity.identity.in_(cards))
        .where(UnknownCard.project.is_not(None))
        .distinct()
    )
    return sorted(project for project in session.scalars(found) if project)


def tell_everybody(session: Session) -> None:
    """After an upgrade: tell of all whom the enrolments and the ledgers of projects name that had no such table yet."""
    told = select(TableHead.scope).where(TableHead.name == Table.PEOPLE.value)
    new = session.scalars(select(Project.id).where(Project.id.not_in(told)).order_by(Project.id)).all()
    enrolled = select(ProjectPerson.project_id, Card.person_id, Card.company_id).join(Card)
    tapped = select(Entry.project, Entry.person, Entry.company).where(Entry.person.is_not(None)).distinct()
    nameless = select(Entry.project, Entry.card).where(Entry.person.is_(None), Entry.card.is_not(None)).distinct()
    people: defaultdict[str | None, set[str]] = defaultdict(set)
    companies: defaultdict[str | None, set[str]] = defaultdict(set)
    cards: defaultdict[str | None, set[str]] = defaultdict(set)
    for found in (enrolled, tapped) if new else ():
        for project, person, company in session.execute(found):
            people[project].add(person or "")
            companies[project].add(company or "")
    for project, card in session.execute(nameless) if new else ():
        cards[project].add(card or "")
    for project in new:
        tell(session, project, people[project], companies[project])
        tell_of_cards(session, project, cards[project])


def _of_person(person: Person) -> tuple[bytes, bytes]:
    return _row(person.id, person.name, person.personal_number or "", person.country)


def _of_company(company: Company) -> tuple[bytes, bytes]:
    return _row(company.id, company.name, company.org_number, company.country)


def _row(key: str, name: str, number: str, country: str) -> tuple[bytes, bytes]:
    """A row that every terminal can read, whatever was taken in before it was checked."""
    written = country if len(country) == 2 and country.isascii() and country.isupper() else UNKNOWN_COUNTRY
    return key.encode(), encode_value(Named(_shown(name)[:LONGEST_NAME], _shown(number)[:LONGEST_NUMBER], written))


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(ids)
    return (ordered[at : at + AT_A_TIME] for at in range(0, len(ordered), AT_A_TIME))
