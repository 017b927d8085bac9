"""All tables together, for migrations and for who needs the whole picture: importing this registers every model."""

from cloud.accounts.models import Account, Session
from cloud.attendance.models import Entry, LedgerGap, LedgerHead, Refused
from cloud.audit.models import Audit
from cloud.blocklist.models import Block
from cloud.customers.models import Customer
from cloud.database import Model
from cloud.people.models import Card, CardConflict, CardIdentity, Company, Person, UnknownCard, UnknownIdentity
from cloud.projects.models import Project, ProjectPerson
from cloud.sync.models import TableHead, TableRow
from cloud.units.models import Unit, UnitStatus

__all__ = [
    "Account",
    "Audit",
    "Block",
    "Card",
    "CardConflict",
    "CardIdentity",
    "Company",
    "Customer",
    "Entry",
    "LedgerGap",
    "LedgerHead",
    "Model",
    "Person",
    "Project",
    "ProjectPerson",
    "Refused",
    "Session",
    "TableHead",
    "TableRow",
    "Unit",
    "UnitStatus",
    "UnknownCard",
    "UnknownIdentity",
]
