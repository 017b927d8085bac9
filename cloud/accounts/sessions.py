"""Who is logged in: begun at login, ended by logout, by a time without activity, or by a closed account."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Rows

from cloud.accounts.models import Account, Session
from cloud.scope import Scope

TOUCH_AFTER: Final = timedelta(seconds=30)  # a page asked for every second must not become a write every second


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The account behind a cookie. `csrf` must come back with every form; `is_stale`: activity is due to be noted."""

    account: str
    name: str
    language: str
    csrf: str
    scope: Scope
    is_stale: bool


def begin(rows: Rows, account: str, now: datetime, minutes: int) -> str:
    """Log an account in: a token that never was before, which only the browser keeps. Forgets who has timed out."""
    rows.execute(delete(Session).where(Session.seen_at < now - timedelta(minutes=minutes)))
    token = secrets.token_urlsafe(32)
    rows.add(
        Session(
            token_hash=hashed(token), account_id=account, csrf=secrets.token_urlsafe(32), created_at=now, seen_at=now
        )
    )
    return token


def find(rows: Rows, token: str, now: datetime, minutes: int) -> LoggedIn | None:
    """The account a cookie stands for, unless the session was inactive for so many minutes (B19)."""
    if not token:
        return None
    found = rows.execute(
        select(
            Account.id,
            Account.customer_id,
            Account.name,
            Account.language,
            Session.csrf,
            Session.seen_at,
        )
        .join(Session, Session.account_id == Account.id)
        .where(Session.token_hash == hashed(token), Account.active.is_(True))
    ).one_or_none()
    if found is None or now - found.seen_at >= timedelta(minutes=minutes):
        return None
    return LoggedIn(
        account=found.id,
        name=found.name,
        language=found.language,
        csrf=found.csrf,
        scope=Scope(found.id, found.customer_id),
        is_stale=now - found.seen_at >= TOUCH_AFTER,
    )


def touch(rows: Rows, token: str, now: datetime) -> None:
    """Note that the account did something."""
    rows.execute(update(Session).where(Session.token_hash == hashed(token)).values(seen_at=now))


def end(rows: Rows, token: str) -> None:
    """Log out: the token is worth nothing from now on."""
    rows.execute(delete(Session).where(Session.token_hash == hashed(token)))


def hashed(token: str) -> str:
    """What is stored of a token; it has 256 bits of chance, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()
