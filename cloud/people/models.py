"""The tables of people, companies and cards."""

from sqlalchemy import ForeignKey, UniqueConstraint
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
