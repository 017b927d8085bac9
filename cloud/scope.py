"""Whose rows an account may see: every query takes a Scope, and there is no variant without one."""

from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

S = TypeVar("S", bound=Select[*tuple[Any, ...]])


@dataclass(frozen=True, slots=True)
class Scope:
    """The account that asks and the customer it belongs to; staff of ours has no customer and sees everything."""

    account: str
    customer: str | None

    def narrow(self, statement: S, owner: InstrumentedAttribute[Any]) -> S:
        """Keep the rows whose `owner` column names this customer; staff keeps all."""
        if self.customer is None:
            return statement
        return statement.where(owner == self.customer)

    def covers(self, customer: str) -> bool:
        """Says whether rows of this customer may be seen and changed."""
        return self.customer is None or self.customer == customer
