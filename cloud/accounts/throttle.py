"""Slows down who guesses passwords: counts refused logins in the audit, by login and by address."""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cloud.audit.models import Audit
from cloud.audit.service import NOBODY, Action, record
from cloud.scope import Scope

MOST: Final = 5
MOST_FROM_ADDRESS: Final = 30  # a whole site office stands behind one address
WINDOW: Final = timedelta(minutes=15)


def note_refused(rows: Session, now: datetime, login: str, address: str) -> None:
    """Write down that a login was refused."""
    record(rows, Scope(NOBODY, None), now, Action.LOGIN_REFUSED, subject_of(login), {"address": address})


def wait(rows: Session, now: datetime, login: str, address: str) -> timedelta:
    """How long this login, or this address, has to wait until it may try again; zero mostly."""
    by_login = Audit.subject == subject_of(login)
    by_address = Audit.details["address"].as_string() == address
    return max(_wait(rows, now, by_login, MOST), _wait(rows, now, by_address, MOST_FROM_ADDRESS))


def subject_of(login: str) -> str:
    """What stands in the audit for a login: not the text itself, since people type passwords into the wrong field."""
    return "login:" + hashlib.sha256(login.strip().lower().encode()).hexdigest()[:16]


def _wait(rows: Session, now: datetime, who: ColumnElement[bool], most: int) -> timedelta:
    refused = select(Audit.at).where(Audit.action == Action.LOGIN_REFUSED, Audit.at > now - WINDOW, who)
    decisive = rows.scalar(refused.order_by(Audit.at.desc()).offset(most - 1).limit(1))
    return timedelta() if decisive is None else decisive + WINDOW - now
