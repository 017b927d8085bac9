"""The table of blocked cards."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Model, new_id


class Block(Model):
    """A card that opens nothing; without a customer it counts everywhere. `card`: a canonical CardId."""

    __tablename__ = "block"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customer.id"), index=True)
    card: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    created_at: Mapped[datetime]
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
