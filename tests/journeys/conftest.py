"""What the journeys share: a real PostgreSQL that waits for the disk, and sites on databases of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count

import pytest

from tests.support.postgres import PostgresServer
from tests.support.site import Site
from tests.support.site_terminal import Plan

Build = Callable[[Sequence[Plan]], Site]

_numbers = count(1)


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[PostgresServer]:
    """A server with fsync on: what it commits counts."""
    with PostgresServer.temporary() as server:
        yield server


@pytest.fixture(scope="module")
def build(durable_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Makes sites that run until the module ends."""
    with ExitStack() as sites:

        def made(plans: Sequence[Plan]) -> Site:
            number = next(_numbers)
            url = durable_postgres.create(f"site_{number}")
            sites.callback(durable_postgres.drop, f"site_{number}")
            return sites.enter_context(Site(tmp_path_factory.mktemp(f"site-{number}"), url, plans))

        yield made
