"""Writes down who changed what, in the transaction of the change."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from cloud.audit.models import Audit
from cloud.scope import Scope

NOBODY = ""
"""The account of a scope that stands for a command at the machine itself, not for a login."""


class Action(StrEnum):
    """What can be done, as subject.past_participle. Stored: never rename a value."""

    ACCOUNT_CREATED = "account.created"
    LOGIN_REFUSED = "login.refused"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    CUSTOMER_CREATED = "customer.created"
    PROJECT_CREATED = "project.created"
    PROJECT_ENDED = "project.ended"
    PROJECT_REGULATED = "project.regulated"
    UNIT_CREATED = "unit.created"
    UNIT_BOUND = "unit.bound"
    UNIT_UNBOUND = "unit.unbound"
    LEDGER_IMPORTED = "ledger.imported"
    COMPANY_CREATED = "company.created"
    COMPANY_CHANGED = "company.changed"
    PERSON_CREATED = "person.created"
    PERSON_CHANGED = "person.changed"
    CARD_CREATED = "card.created"
    CARD_ENROLLED = "card.enrolled"
    CARD_WITHDRAWN = "card.withdrawn"
    CARD_JOINED = "card.joined"
    CARD_CONFLICTED = "card.conflicted"
    CARD_GIVEN = "card.given"
    CARD_BLOCKED = "card.blocked"
    CARD_UNBLOCKED = "card.unblocked"


def record(
    session: Session, scope: Scope, now: datetime, action: Action, subject: str, details: dict[str, object]
) -> None:
    """Add a line. `subject` is the changed row's id; details hold no whole card number and no personal number."""
    account = scope.account if scope.account != NOBODY else None
    session.add(Audit(at=now, account_id=account, action=action.value, subject=subject, details=details))
