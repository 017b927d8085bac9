"""What is done with logins: created, and proved by a password."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.accounts.models import Account
from cloud.audit.service import Action, record
from cloud.errors import Conflict, FieldInvalid, NotAllowed, NotFound
from cloud.scope import Scope

LOGIN: Final = re.compile(r"[a-z0-9åäöé._@+-]{1,120}")
LANGUAGES: Final = ("sv", "en", "nl")
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 200
PASSWORD_RULE: Final = "at least 8 characters, with one capital letter, one digit and one special character"  # noqa: S105
UNKNOWN: Final = "$argon2id$v=19$m=65536,t=3,p=4$Zm9yIG5vYm9keSBhdCBhbGw$4nJ4XyH0yZ1nG0C2w1l3iCkF9W7xJt8QpVb5m2Rk1sE"
"""What a password is compared with when nobody has the login, so that the answer takes as long."""


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """A new login; without a customer it is one of our staff."""

    login: str
    name: str
    password: str
    customer_id: str | None
    language: str = "sv"


def create(session: Session, scope: Scope, now: datetime, draft: AccountDraft) -> Account:
    """Create a login. Raises NotFound, NotAllowed, FieldInvalid, Conflict."""
    if draft.customer_id is None and scope.customer is not None:
        raise NotAllowed("create accounts of staff", "our staff")
    if draft.customer_id is not None and not scope.covers(draft.customer_id):
        raise NotFound("customer", draft.customer_id)
    login = _checked_login(draft.login)
    check_password(draft.password)
    if draft.language not in LANGUAGES:
        raise FieldInvalid("language", f"choose one of {', '.join(LANGUAGES)}")
    if session.scalar(select(Account.id).where(Account.login == login)) is not None:
        raise Conflict(f"the login {login!r} is taken; choose another")
    account = Account(
        customer_id=draft.customer_id,
        login=login,
        name=draft.name.strip() or login,
        password_hash=PasswordHasher().hash(draft.password),
        language=draft.language,
        created_at=now,
    )
    session.add(account)
    session.flush()
    record(
        session, scope, now, Action.ACCOUNT_CREATED, account.id, {"login": login, "staff": account.customer_id is None}
    )
    return account


def verify(session: Session, login: str, password: str) -> Account | None:
    """The active account that this login and password prove, else None; unknown logins take as long as wrong passwords.

    A hash made with older settings is renewed, so call it in a transaction.
    """
    account = session.scalar(select(Account).where(Account.login == login.strip().lower()))
    known = account is not None and account.active
    hasher = PasswordHasher()
    stored = account.password_hash if account is not None and known else UNKNOWN
    try:
        hasher.verify(stored, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    if account is None or not known:
        return None
    if hasher.check_needs_rehash(stored):
        account.password_hash = hasher.hash(password)
    return account


def check_password(password: str) -> None:
    """The rule for passwords (E09). Raises FieldInvalid."""
    if len(password) > LONGEST_PASSWORD:
        raise FieldInvalid("password", f"at most {LONGEST_PASSWORD} characters")
    special = any(not letter.isalnum() and not letter.isspace() for letter in password)
    capital = any(letter.isupper() for letter in password)
    digit = any(letter.isdigit() for letter in password)
    if len(password) < SHORTEST_PASSWORD or not (capital and digit and special):
        raise FieldInvalid("password", PASSWORD_RULE)


def _checked_login(login: str) -> str:
    login = login.strip().lower()
    if not LOGIN.fullmatch(login):
        raise FieldInvalid("login", "1 to 120 letters, digits and . _ @ + - without spaces")
    return login
