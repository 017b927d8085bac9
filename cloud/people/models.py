"""The tables of people, companies and cards."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.database import Model, new_id


class Company(Model):
    """An employer or contractor, as one customer knows it. `country`: ISO 3166 alpha-2."""

    __tablename__ = "company"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    name: Mapped[str]
    org_number: Mapped[str]
    country: Mapped[str] = mapped_column(default="SE")


class Person(Model):
    """Somebody who comes to work. `personal_number`: Swedish, or the identity number of `country`."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    name: Mapped[str]
    personal_number: Mapped[str | None]
    country: Mapped[str] = mapped_column(default="SE")


class Card(Model):
    """A card a person holds for one company; what readers see of it are its identities."""

    __tablename__ = "card"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    company_id: Mapped[str] = mapped_column(ForeignKey("company.id"), index=True)
    active: Mapped[bool] = mapped_column(default=True)

    person: Mapped[Person] = relationship(lazy="raise")
    company: Mapped[Company] = relationship(lazy="raise")
    identities: Mapped[list["CardIdentity"]] = relationship(lazy="raise")


class CardIdentity(Model):
    """A canonical CardId of a card; within a customer it names one card."""

    __tablename__ = "card_identity"
    __table_args__ = (UniqueConstraint("customer_id", "identity"),)

    card_id: Mapped[str] = mapped_column(ForeignKey("card.id", ondelete="CASCADE"), primary_key=True)
    identity: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"))


class UnknownCard(Model):
    """A card that was held against a terminal of the customer and that nobody is known behind; where it was last.

    `project`: the one that the terminal was bound to.
    """

    __tablename__ = "unknown_card"
    __table_args__ = (Index(None, "customer_id", "seen_at"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    seen_at: Mapped[datetime]
    terminal: Mapped[str]
    reader: Mapped[str]
    project: Mapped[str | None]

    identities: Mapped[list["UnknownIdentity"]] = relationship(lazy="raise", passive_deletes=True)


class UnknownIdentity(Model):
    """A canonical CardId of a card that nobody is known behind."""

    __tablename__ = "unknown_identity"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    identity: Mapped[str] = mapped_column(primary_key=True)
    unknown_card_id: Mapped[str] = mapped_column(ForeignKey("unknown_card.id", ondelete="CASCADE"), index=True)


class CardConflict(Model):
    """An identity was read of `card_id`, and is another card's: which of them it belongs to, somebody must say."""

    __tablename__ = "card_conflict"

    card_id: Mapped[str] = mapped_column(ForeignKey("card.id", ondelete="CASCADE"), primary_key=True)
    identity: Mapped[str] = mapped_column(primary_key=True)
    other_card_id: Mapped[str] = mapped_column(ForeignKey("card.id", ondelete="CASCADE"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    seen_at: Mapped[datetime]
