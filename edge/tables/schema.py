"""How the tables lie on disk: a blocklist keyed by integer, so that a million cards cost a look as much as one."""

from typing import TYPE_CHECKING, Final

from protocol.tables import Table

if TYPE_CHECKING:
    from sqlite_utils import Database

PUT: Final = {
    Table.BINDING: "INSERT OR REPLACE INTO binding VALUES (?, ?)",
    Table.ROSTER: "INSERT OR REPLACE INTO roster VALUES (?, ?)",
    Table.BLOCKLIST: "INSERT OR REPLACE INTO blocklist VALUES (?, ?)",
    Table.PRESENCE: "INSERT OR REPLACE INTO presence VALUES (?, ?, ?)",
    Table.PEOPLE: "INSERT OR REPLACE INTO people VALUES (?, ?)",
}
DROP: Final = {
    Table.BINDING: "DELETE FROM binding WHERE key = ?",
    Table.ROSTER: "DELETE FROM roster WHERE key = ?",
    Table.BLOCKLIST: "DELETE FROM blocklist WHERE key = ?",
    Table.PRESENCE: "DELETE FROM presence WHERE key = ?",
    Table.PEOPLE: "DELETE FROM people WHERE key = ?",
}
EMPTY: Final = {
    Table.BINDING: "DELETE FROM binding",
    Table.ROSTER: "DELETE FROM roster",
    Table.BLOCKLIST: "DELETE FROM blocklist",
    Table.PRESENCE: "DELETE FROM presence",
    Table.PEOPLE: "DELETE FROM people",
}


def _first(db: "Database") -> None:
    held = {"name": str, "scope": str, "epoch": bytes, "version": int}
    db.create_table("held", held, pk="name", not_null={"scope", "epoch", "version"}, strict=True, if_not_exists=True)
    db.create_table("left_epoch", {"epoch": bytes}, pk="epoch", strict=True, if_not_exists=True)
    db.create_table("blocklist", {"key": int, "reason": int}, pk="key", strict=True, if_not_exists=True)
    for name in (Table.BINDING, Table.ROSTER):  # one lookup instead of two: the rows lie in their key's own tree
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
        )


def _second(db: "Database") -> None:
    db.execute(
        "CREATE TABLE IF NOT EXISTS presence (key BLOB PRIMARY KEY, value BLOB NOT NULL, came_in INTEGER) "
        "STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX IF NOT EXISTS inside ON presence (came_in) WHERE came_in IS NOT NULL")
    db.create_table("silence", {"one": int, "value": bytes}, pk="one", strict=True, if_not_exists=True)


def _third(db: "Database") -> None:
    db.execute("CREATE TABLE IF NOT EXISTS people (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID")


MIGRATIONS: Final = (_first, _second, _third)
