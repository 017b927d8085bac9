"""The table of customers."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Model, new_id


class Customer(Model):
    """A company that pays; everything else belongs to one."""

    __tablename__ = "customer"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    org_number: Mapped[str | None]
    created_at: Mapped[datetime]
