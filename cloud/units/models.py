"""The tables of terminals: where each is bound, and what it last said about itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.database import Model
from cloud.projects.models import Project

TERMINAL = "terminal"


class Unit(Model):
    """A device of a customer; a terminal's id is the CN of its certificate. Without a project it is unbound.

    `certificate`: the one it showed last and that was checked (DER); names are sealed to its key.
    """

    __tablename__ = "unit"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    kind: Mapped[str] = mapped_column(default=TERMINAL)
    name: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id"), index=True)
    place: Mapped[str] = mapped_column(default="")
    doors: Mapped[list[str]] = mapped_column(JSON, default=list)
    bound_at: Mapped[datetime | None]
    certificate: Mapped[bytes | None]

    project: Mapped[Project | None] = relationship(lazy="raise")
    status: Mapped["UnitStatus | None"] = relationship(lazy="raise", uselist=False)


class UnitStatus(Model):
    """What a terminal last said. `oldest_unsent`: microseconds UTC by its clock; `seen_at`: when we heard it by ours.

    `clock_offset_ms`: how far its clock is ahead of ours. `readers`: name to whether it is there; `doors`: name to
    state; `tables`: a list of {name, scope, epoch (hexadecimal), held}. `nonce`: its connection. `conditions`: what is
    wrong while nobody taps, worst first.
    """

    __tablename__ = "unit_status"

    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id", ondelete="CASCADE"), primary_key=True)
    online: Mapped[bool]
    seen_at: Mapped[datetime]
    nonce: Mapped[bytes]
    queue_depth: Mapped[int] = mapped_column(BigInteger)
    oldest_unsent: Mapped[int | None] = mapped_column(BigInteger)
    clock_quality: Mapped[str]
    clock_offset_ms: Mapped[int] = mapped_column(BigInteger)
    software: Mapped[str]
    ledger: Mapped[bytes]
    last_seq: Mapped[int] = mapped_column(BigInteger)
    readers: Mapped[dict[str, bool]] = mapped_column(JSON)
    doors: Mapped[dict[str, str]] = mapped_column(JSON)
    tables: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    conditions: Mapped[list[str]] = mapped_column(JSON, default=list)
