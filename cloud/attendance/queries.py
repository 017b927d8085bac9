"""What the pages ask the ledger for; every question takes the account's scope."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from cloud.attendance.facts import boots, true_time
from cloud.attendance.models import Entry
from cloud.attendance.schemas import TapLine
from cloud.people.models import Card, CardIdentity, Company, Person
from cloud.portal.moments import from_microseconds
from cloud.projects.models import Project
from cloud.scope import Scope
from cloud.units.models import Unit
from protocol.cards import CardId
from protocol.clock import ClockQuality
from protocol.credentials import REFUTED
from protocol.decision import Direction, Proof, Reason
from protocol.entries import Outcome
from protocol.errors import CardIdInvalid

TAP: Final = "tap"


def newest_taps(rows: Session, scope: Scope, most: int) -> list[TapLine]:
    """The taps that happened last, newest first, whatever order they arrived in; one query, and two more where a clock
    was not to be trusted.

    Where a terminal's clock cannot be right, the arrival counts: no tap of 2099 stays on top for ever.
    """
    statement = scope.narrow(_taps(), Entry.customer_id).order_by(Entry.sorted_at.desc(), Entry.id.desc())
    return _corrected(rows, scope, [_line(row) for row in rows.execute(statement.limit(most))])


def _corrected(rows: Session, scope: Scope, taps: list[TapLine]) -> list[TapLine]:
    """The same, with the true time of those whose terminal did not know it then and does now."""
    uncertain = [tap.id for tap in taps if tap.clock_untrusted]
    if not uncertain:
        return taps
    recorded = rows.execute(select(Entry.id, Entry.terminal, Entry.payload).where(Entry.id.in_(uncertain))).all()
    began = boots(rows, scope, {row.terminal for row in recorded})
    true = {row.id: at for row in recorded if (at := true_time(began, row.terminal, row.payload)) is not None}
    return [replace(tap, corrected_at=from_microseconds(true[tap.id])) if tap.id in true else tap for tap in taps]


def _taps() -> Select[*tuple[Any, ...]]:
    """Taps with the names behind their ids; a name is looked for within the entry's customer only.

    Where the terminal knew nobody, whoever holds the card by now is named: the card's list is completed here. A card
    that is proved to be another's names nobody.
    """
    believed = or_(Entry.proof.is_(None), Entry.proof.not_in([proof.value for proof in REFUTED]))
    card_here = and_(CardIdentity.customer_id == Entry.customer_id, CardIdentity.identity == Entry.card)

    def named(model: type[Person | Company | Project | Unit], column: Any) -> Any:
        return and_(model.id == column, model.customer_id == Entry.customer_id)

    return (
        select(
            Entry.id,
            Entry.occurred_at,
            Entry.received_at,
            Entry.clock_quality,
            Entry.terminal,
            Entry.card,
            Entry.reader,
            Entry.direction,
            Entry.outcome,
            Entry.reason,
            Entry.proof,
            Person.name.label("person"),
            Company.name.label("company"),
            Project.name.label("project"),
            Project.zone,
            Unit.name.label("unit"),
        )
        .outerjoin(CardIdentity, and_(Entry.person.is_(None), believed, card_here))
        .outerjoin(Card, Card.id == CardIdentity.card_id)
        .outerjoin(Person, named(Person, func.coalesce(Entry.person, Card.person_id)))
        .outerjoin(Company, named(Company, func.coalesce(Entry.company, Card.company_id)))
        .outerjoin(Project, named(Project, Entry.project))
        .outerjoin(Unit, named(Unit, Entry.terminal))
        .where(Entry.kind == TAP)
    )


def _line(row: Row[*tuple[Any, ...]]) -> TapLine:
    return TapLine(
        id=row.id,
        occurred_at=from_microseconds(row.occurred_at),
        received_at=from_microseconds(row.received_at),
        zone=row.zone,
        clock_quality=ClockQuality(row.clock_quality),
        card=_masked(row.card),
        person=row.person,
        company=row.company,
        project=row.project,
        terminal=row.unit or row.terminal,
        reader=row.reader,
        direction=Direction(row.direction) if row.direction else None,
        outcome=Outcome(row.outcome),
        reason=Reason(row.reason) if row.reason else None,
        proof=Proof(row.proof) if row.proof else Proof.NOT_ASKED,
    )


def _masked(card: str) -> str:
    """Enough to tell two cards apart; also of what a terminal sent that is no card id."""
    try:
        return CardId.parse(card).masked
    except CardIdInvalid:
        return f"…{card[-4:]}"
