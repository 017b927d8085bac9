"""Says at which version a database is, and brings it to the one of this program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cloud.database import POSTGRESQL, Database
from cloud.errors import DatabaseUnmigrated, DatabaseUnusable
from cloud.events import Event

SCRIPTS: Final = Path(__file__).parent / "migrations"
LOCK: Final = 0x67726E64  # "grnd": two programs that start at once migrate one after the other

log = structlog.get_logger(__name__)


def wanted() -> str:
    """The version this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def held(database: Database) -> str | None:
    """The version the database is at, or None for an empty one. Raises DatabaseUnusable."""
    try:
        with database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as exc:
        raise DatabaseUnusable(database.shown, str(exc.orig)) from exc


def require(database: Database) -> None:
    """Raises DatabaseUnmigrated where the database is at another version than this program's."""
    found = held(database)
    if found != wanted():
        raise DatabaseUnmigrated(found, wanted())


def upgrade(database: Database, told: Callable[[str], None] = lambda _line: None, to: str = "") -> int:
    """Run the missing steps, or those up to `to`, in one transaction, telling each; how many there were.

    Raises DatabaseUnmigrated.
    """
    steps = _missing(held(database), to or wanted())
    if not steps:
        return 0

    def tell(step: Any, **_rest: object) -> None:
        told(f"{step.up_revision_id}: {step.up_revision.doc}")
        log.info(Event.DATABASE_MIGRATED, version=step.up_revision_id, step=step.up_revision.doc)

    try:
        with database.engine.begin() as connection:
            _take_turn(connection)
            config = _config()
            config.attributes.update(connection=connection, told=tell)
            command.upgrade(config, to or "head")
    except DBAPIError as exc:
        raise DatabaseUnusable(database.shown, str(exc.orig)) from exc
    return len(steps)


def _missing(found: str | None, to: str) -> list[str]:
    """The steps from `found` to `to`; a version this program does not know is a newer program's."""
    known = [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions(head=to)]
    if found is None:
        return known
    if found not in known:
        raise DatabaseUnmigrated(found, wanted())
    return known[: known.index(found)]


def _take_turn(connection: Connection) -> None:
    """Hold off a second migration; SQLite's BEGIN IMMEDIATE has done so already."""
    if connection.dialect.name == POSTGRESQL:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
