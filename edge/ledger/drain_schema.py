"""How what was read of a damaged ledger lies on disk: entries and payloads as in a ledger, gaps allowed."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS origin (only INTEGER PRIMARY KEY, ledger BLOB, terminal TEXT NOT NULL,
    receipted INTEGER NOT NULL, receipted_hash BLOB, after INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS progress (only INTEGER PRIMARY KEY, stage TEXT NOT NULL, log INTEGER NOT NULL,
    database INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, digest BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS payload (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS rival_entry (seq INTEGER NOT NULL, digest BLOB NOT NULL, hash BLOB NOT NULL,
    UNIQUE (seq, digest, hash)) STRICT;
CREATE TABLE IF NOT EXISTS rival_payload (seq INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (seq, bytes)) STRICT;
CREATE TABLE IF NOT EXISTS stretch (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS receipt (only INTEGER PRIMARY KEY, upto INTEGER NOT NULL) STRICT;
"""


def _first(db: "Database") -> None:
    db.conn.executescript(_TABLES)


MIGRATIONS: Final = (_first,)
