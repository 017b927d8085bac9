"""The table of what was changed by whom."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import BigNumber, Model


class Audit(Model):
    """One change: `action` is subject.past_participle, `subject` names the row. Rows are added, never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "subject", "id"), Index(None, "action", "at"))

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), index=True)
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
