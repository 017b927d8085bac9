"""An account sees its customer's rows and nobody else's; no query can be written without saying whose."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from cloud.attendance import queries as attendance
from cloud.people import queries as people
from cloud.projects.models import Project
from cloud.scope import Scope
from cloud.units import queries as units
from tests.support.portal_site import FOREIGN, Site


def public_functions(*modules: Any) -> list[Callable[..., Any]]:
    """What other modules call of these."""
    return [
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    ]


@pytest.mark.parametrize("query", public_functions(attendance, people, units), ids=lambda query: query.__qualname__)
def test_every_query_takes_a_scope_and_has_no_default_for_it(query: Callable[..., Any]) -> None:
    scope = inspect.signature(query).parameters["scope"]
    assert scope.annotation is Scope
    assert scope.default is inspect.Parameter.empty


def test_a_customer_sees_its_own_rows_and_staff_all(site: Site) -> None:
    names = select(Project.customer_id).distinct()
    with site.database.reading() as rows:
        mine = rows.scalars(Scope("a", site.customer).narrow(names, Project.customer_id)).all()
        all_of_them = rows.scalars(Scope("b", None).narrow(names, Project.customer_id)).all()
    assert mine == [site.customer]
    assert set(all_of_them) == {site.customer, site.neighbour}


def test_covers_says_whose_rows_may_be_changed() -> None:
    assert Scope("a", "mine").covers("mine")
    assert not Scope("a", "mine").covers("another's")
    assert Scope("staff", None).covers("anybody's")


def test_projects_to_bind_are_those_of_the_terminals_customer_even_for_staff(site: Site, clock: Any) -> None:
    staff = Scope("staff", None)
    with site.database.reading() as rows:
        foreign = units.terminal(rows, staff, FOREIGN, clock.now())
        assert [project.name for project in units.projects_to_bind(rows, staff, foreign.customer)] == ["Hamnmagasinet"]
        assert units.projects_to_bind(rows, Scope("a", site.customer), foreign.customer) == []
