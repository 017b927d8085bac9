"""A small customer for tests: a project, people with cards, terminals."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from cloud.audit.service import NOBODY
from cloud.customers import service as customers
from cloud.customers.models import Customer
from cloud.people.models import Card
from cloud.people.service import Identity, add_card, add_company, add_person
from cloud.projects import service as projects
from cloud.projects.models import Project
from cloud.projects.service import ProjectDraft
from cloud.scope import Scope
from cloud.units import service as units
from protocol.cards import CardId
from tests.support.moved_clock import START

STAFF = Scope(NOBODY, None)


@dataclass(frozen=True)
class Site:
    """Ids of what was made."""

    customer: str
    project: str

    @property
    def scope(self) -> Scope:
        """What the customer's own accounts see."""
        return Scope(NOBODY, self.customer)


def make_site(session: Session, *terminals: str, name: str = "Bygg AB") -> Site:
    """A customer with a project, and these terminals in its inventory."""
    customer: Customer = customers.create(session, STAFF, START, name)
    project: Project = projects.create(session, STAFF, START, ProjectDraft(customer.id, "Kvarnen", "B1EX4MP3L2026"))
    for terminal in terminals:
        units.create(session, STAFF, START, terminal, terminal, customer.id)
    return Site(customer.id, project.id)


def make_card(session: Session, site: Site, *identities: str, name: str = "Anna Lindqvist") -> Card:
    """A person of the site's customer with a card."""
    company = add_company(session, STAFF, START, site.customer, Identity("El AB", "5561034249"))
    person = add_person(session, STAFF, START, site.customer, Identity(name, "189304121230"))
    return add_card(session, STAFF, START, person, company, tuple(map(CardId.parse, identities)))
