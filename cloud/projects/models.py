"""The tables of projects and of who belongs to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Model, new_id
from protocol.decision import Mode


class Project(Model):
    """A construction project: `site_id` is the tax agency's 13 characters, `zone` an IANA name, `reset` HH:MM there.

    `policies`: what `cloud.projects.policies.Policies` says, without what stands at its default.
    """

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    name: Mapped[str]
    site_id: Mapped[str]
    zone: Mapped[str] = mapped_column(default="Europe/Stockholm")
    mode: Mapped[str] = mapped_column(default=Mode.OPEN.value)
    reset: Mapped[str | None] = mapped_column(default="03:00")
    ended_at: Mapped[datetime | None]
    policies: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class ProjectPerson(Model):
    """An enrolment: this card, and with it its person and company, belongs to the project.

    `rights`: names of the project's rights, None for everything at any time. `long_access`: doors stay open longer.
    """

    __tablename__ = "project_person"

    project_id: Mapped[str] = mapped_column(ForeignKey("project.id"), primary_key=True)
    card_id: Mapped[str] = mapped_column(ForeignKey("card.id"), primary_key=True, index=True)
    rights: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    long_access: Mapped[bool] = mapped_column(default=False)
