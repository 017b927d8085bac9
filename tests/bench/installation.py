"""A whole installation whose terminals are started by whoever measures: broker and cloud run, on a real PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.site import Site
from tests.support.site_terminal import Plan


@contextmanager
def installation(folder: Path, terminals: Sequence[str]) -> Iterator[Site]:
    """A furnished site with these terminals, all bound; the server waits for its disk, as it does in earnest."""
    plans = [Plan(name) for name in terminals]
    with PostgresServer.temporary() as server:
        site = Site(folder, server.create("site"), plans)
        try:
            site.cloud.furnish(plans, site.cards)
            site.broker.start()
            site.cloud.start()
            yield site
        finally:
            site.stop()
