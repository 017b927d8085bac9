"""How the tables lie on disk: a blocklist keyed by integer, so that a million cards cost a look as much as one."""

from typing import TYPE_CHECKING, Final

from protocol.tables import Table

if TYPE_CHECKING:
    from sqlite_utils import Database

PUT: Final = {
    Table.BINDING: "INSERT OR REPLACE INTO binding VALUES (?, ?)",
    Table.ROSTER: "INSERT OR REPLACE INTO roster VALUES (?, ?)",
    Table.BLOCKLIST: "INSERT OR REPLACE INTO blocklist VALUES (?, ?)",
    Table.PRESENCE: "INSERT OR REPLACE INTO presence VALUES (?, ?)",
}
DROP: Final = {
    Table.BINDING: "DELETE FROM binding WHERE key = ?",
    Table.ROSTER: "DELETE FROM roster WHERE key = ?",
    Table.BLOCKLIST: "DELETE FROM blocklist WHERE key = ?",
    Table.PRESENCE: "DELETE FROM presence WHERE key = ?",
}
EMPTY: Final = {
    Table.BINDING: "DELETE FROM binding",
    Table.ROSTER: "DELETE FROM roster",
    Table.BLOCKLIST: "DELETE FROM blocklist",
    Table.PRESENCE: "DELETE FROM presence",
}


def _first(db: "Database") -> None:
    held = {"name": str, "scope": str, "epoch": bytes, "version": int}
    db.create_table("held", held, pk="name", not_null={"scope", "epoch", "version"}, strict=True, if_not_exists=True)
    db.create_table("left_epoch", {"epoch": bytes}, pk="epoch", strict=True, if_not_exists=True)
    db.create_table("blocklist", {"key": int, "reason": int}, pk="key", strict=True, if_not_exists=True)
    for name in (Table.BINDING, Table.ROSTER):
        _keyed(db, name)


def _second(db: "Database") -> None:
    _keyed(db, Table.PRESENCE)
    heard = {"one": int, "boot": bytes, "monotonic": int, "utc": int, "quality": str, "unheard": int}
    db.create_table("heard", heard, pk="one", not_null=set(heard), strict=True, if_not_exists=True)


def _keyed(db: "Database", name: Table) -> None:
    """One lookup instead of two: the rows lie in their key's own tree."""
    db.execute(f"CREATE TABLE IF NOT EXISTS {name} (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID")


MIGRATIONS: Final = (_first, _second)
