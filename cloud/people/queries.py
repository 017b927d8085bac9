"""What the pages ask about cards that nobody is known behind; every question takes the account's scope."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.orm import Session, aliased

from cloud.errors import NotFound
from cloud.people.models import Card, CardConflict, Company, Person, UnknownCard, UnknownIdentity
from cloud.people.schemas import Choice, ConflictLine, UnknownLine
from cloud.projects.models import Project
from cloud.scope import Scope
from cloud.units.models import Unit
from protocol.cards import CardId


def unknown_cards(rows: Session, scope: Scope, most: int) -> list[UnknownLine]:
    """The cards that nobody is known behind, those seen last first; two queries."""
    newest = _unknown().order_by(UnknownCard.seen_at.desc(), UnknownCard.id).limit(most)
    return _lines(rows, rows.execute(scope.narrow(newest, UnknownCard.customer_id)).all())


def unknown_card(rows: Session, scope: Scope, key: str) -> UnknownLine:
    """One of them; two queries. Raises NotFound, also for another customer's and for what can be no id."""
    found = None
    if key.isascii() and key.isalnum():
        statement = scope.narrow(_unknown().where(UnknownCard.id == key), UnknownCard.customer_id)
        found = rows.execute(statement).one_or_none()
    if found is None:
        raise NotFound("unknown card", key)
    (line,) = _lines(rows, [found])
    return line


def conflicts(rows: Session, scope: Scope, since: datetime) -> list[ConflictLine]:
    """The numbers that were read of one card since then and belong to another; one query."""
    other_card, other_person, other_company = aliased(Card), aliased(Person), aliased(Company)
    statement = (
        select(
            CardConflict.identity,
            CardConflict.seen_at,
            Person.name.label("person"),
            Company.name.label("company"),
            other_person.name.label("other_person"),
            other_company.name.label("other_company"),
        )
        .join(Card, Card.id == CardConflict.card_id)
        .join(Person, Person.id == Card.person_id)
        .join(Company, Company.id == Card.company_id)
        .join(other_card, other_card.id == CardConflict.other_card_id)
        .join(other_person, other_person.id == other_card.person_id)
        .join(other_company, other_company.id == other_card.company_id)
        .where(CardConflict.seen_at >= since)
        .order_by(CardConflict.seen_at.desc(), CardConflict.identity)
    )
    found = rows.execute(scope.narrow(statement, CardConflict.customer_id))
    return [
        ConflictLine(
            CardId.parse(row.identity), row.person, row.company, row.other_person, row.other_company, row.seen_at
        )
        for row in found
    ]


def people_to_choose(rows: Session, scope: Scope, customer: str) -> list[Choice]:
    """A customer's people, by name; one query."""
    statement = select(Person.id, Person.name, Person.personal_number).where(Person.customer_id == customer)
    found = rows.execute(scope.narrow(statement, Person.customer_id).order_by(Person.name, Person.id))
    return [Choice(row.id, row.name, (row.personal_number or "")[:8]) for row in found]


def companies_to_choose(rows: Session, scope: Scope, customer: str) -> list[Choice]:
    """A customer's companies, by name; one query."""
    statement = select(Company.id, Company.name, Company.org_number).where(Company.customer_id == customer)
    found = rows.execute(scope.narrow(statement, Company.customer_id).order_by(Company.name, Company.id))
    return [Choice(row.id, row.name, row.org_number) for row in found]


def _unknown() -> Select[*tuple[Any, ...]]:
    """Unknown cards with the names behind ids; a name is looked for within the card's customer only."""
    own_project = and_(Project.id == UnknownCard.project, Project.customer_id == UnknownCard.customer_id)
    own_unit = and_(Unit.id == UnknownCard.terminal, Unit.customer_id == UnknownCard.customer_id)
    return (
        select(UnknownCard, Unit.name.label("unit"), Project.name.label("project"), Project.zone)
        .outerjoin(Unit, own_unit)
        .outerjoin(Project, own_project)
    )


def _lines(rows: Session, found: Sequence[Row[*tuple[Any, ...]]]) -> list[UnknownLine]:
    cards: dict[str, list[CardId]] = {row.UnknownCard.id: [] for row in found}
    names = select(UnknownIdentity.unknown_card_id, UnknownIdentity.identity)
    for card, name in rows.execute(names.where(UnknownIdentity.unknown_card_id.in_(cards)).order_by("identity")):
        cards[card].append(CardId.parse(name))
    return [
        UnknownLine(
            id=card.id,
            customer=card.customer_id,
            identities=tuple(cards[card.id]),
            seen_at=card.seen_at,
            terminal=unit or card.terminal,
            reader=card.reader,
            project_id=card.project,
            project=project,
            zone=zone,
        )
        for card, unit, project, zone in found
    ]
