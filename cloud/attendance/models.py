"""The tables of entries as terminals recorded them, and of what could not be taken in."""

from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import BigNumber, Model

_HAS_SUBJECT: Final = text("subject IS NOT NULL")
_FACTS_ONLY: Final[dict[str, Any]] = {"sqlite_where": _HAS_SUBJECT, "postgresql_where": _HAS_SUBJECT}


class Entry(Model):
    """One entry of a terminal's ledger; rows are added, never changed. `id` is the order of arrival.

    Times are microseconds UTC: `occurred_at` and `registered_at` by the terminal's clock, `received_at` by ours, and
    `sorted_at` where it stands among others: when it occurred, or arrived where the terminal's clock cannot be right.
    `kind`: tap, door or fact. What only a tap has is None for the others; ids may name what was deleted meanwhile.
    `subject`: what a fact is about. `also`: the card's other identities that were read, with spaces between; `proof`:
    what came of asking it for one, None where nobody asked.
    """

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("terminal", "ledger", "seq"),
        Index(None, "customer_id", "sorted_at", "id"),  # the live page: the newest of a customer
        Index(None, "sorted_at", "id"),  # and, for staff of ours, of all
        Index(None, "terminal", "subject", "id", **_FACTS_ONLY),  # the few facts that a terminal's page tells
    )

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    terminal: Mapped[str]
    ledger: Mapped[bytes]
    seq: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes]
    hash: Mapped[bytes]
    payload: Mapped[bytes]
    kind: Mapped[str]
    occurred_at: Mapped[int] = mapped_column(BigInteger)
    registered_at: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[int] = mapped_column(BigInteger)
    clock_quality: Mapped[str]
    card: Mapped[str | None]
    person: Mapped[str | None]
    company: Mapped[str | None]
    project: Mapped[str | None]
    reader: Mapped[str | None]
    direction: Mapped[str | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]
    sorted_at: Mapped[int] = mapped_column(BigInteger)
    subject: Mapped[str | None]
    also: Mapped[str | None]
    proof: Mapped[str | None]


class LedgerHead(Model):
    """How far we durably have a ledger: entries 1 to `upto` without a gap, the chain's hash there being `hash`.

    Numbers that the terminal declared lost count as passed (`LedgerGap`).
    """

    __tablename__ = "ledger_head"

    terminal: Mapped[str] = mapped_column(primary_key=True)
    ledger: Mapped[bytes] = mapped_column(primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]


class LedgerGap(Model):
    """Numbers `first` to `last` of a damaged ledger that its terminal declared lost, in which entry of which ledger.

    Declarations may overlap, and entries may turn up after all: then they are rows like any other.
    """

    __tablename__ = "ledger_gap"

    terminal: Mapped[str] = mapped_column(primary_key=True)
    ledger: Mapped[bytes] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    declared_in: Mapped[bytes] = mapped_column(primary_key=True)
    declared_by: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Refused(Model):
    """An entry kept aside with the reason, durably: it counts as received and is shown. `received_at`: microseconds."""

    __tablename__ = "refused"
    __table_args__ = (UniqueConstraint("terminal", "ledger", "seq", "hash"),)

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    terminal: Mapped[str]
    ledger: Mapped[bytes]
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]
    reason: Mapped[str]
    payload: Mapped[bytes]
    received_at: Mapped[int] = mapped_column(BigInteger)
