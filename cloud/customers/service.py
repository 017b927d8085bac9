"""What is done with customers."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import Action, record
from cloud.customers.models import Customer
from cloud.errors import FieldInvalid, NotAllowed
from cloud.scope import Scope


def create(session: Session, scope: Scope, now: datetime, name: str, org_number: str | None = None) -> Customer:
    """Take a customer in; staff only. Raises NotAllowed, FieldInvalid."""
    if scope.customer is not None:
        raise NotAllowed("create customers", "our staff")
    name = name.strip()
    if not name:
        raise FieldInvalid("name", "write the company's name")
    customer = Customer(name=name, org_number=org_number, created_at=now)
    session.add(customer)
    session.flush()
    record(session, scope, now, Action.CUSTOMER_CREATED, customer.id, {"name": name})
    return customer


def by_name(session: Session, scope: Scope, name: str) -> Customer | None:
    """The customer of exactly this name; the oldest, where two have it."""
    found = select(Customer).where(Customer.name == name.strip()).order_by(Customer.created_at, Customer.id).limit(1)
    return session.scalar(scope.narrow(found, Customer.id))
