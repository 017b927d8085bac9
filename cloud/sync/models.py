"""The tables that are replicated to terminals: one mechanism for all of them."""

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Model


class TableHead(Model):
    """A table for one scope: versions compare within `epoch` only; up to `published` it was sent to who needs it."""

    __tablename__ = "table_head"

    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[bytes]
    version: Mapped[int] = mapped_column(BigInteger)
    published: Mapped[int] = mapped_column(BigInteger)


class TableRow(Model):
    """A row of such a table and the version that last changed it; `value` None means it was dropped then."""

    __tablename__ = "table_row"
    __table_args__ = (Index(None, "name", "scope", "version"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    value: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(BigInteger)
