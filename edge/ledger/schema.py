"""The ledger's tables, and the triggers that keep entries from being changed, taken out or replaced (DESIGN 7)."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

_GUARDS: Final = """
CREATE TRIGGER IF NOT EXISTS entry_never_changes BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'an entry never changes'); END;
CREATE TRIGGER IF NOT EXISTS entry_never_goes BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'an entry never goes'); END;
CREATE TRIGGER IF NOT EXISTS entry_only_follows BEFORE INSERT ON entry WHEN NEW.seq <= (SELECT max(seq) FROM entry)
    BEGIN SELECT RAISE(ABORT, 'an entry only follows the last'); END;
CREATE TRIGGER IF NOT EXISTS payload_never_changes BEFORE UPDATE ON payload
    BEGIN SELECT RAISE(ABORT, 'a payload never changes'); END;
CREATE TRIGGER IF NOT EXISTS payload_goes_after_receipt BEFORE DELETE ON payload
    WHEN OLD.seq > coalesce((SELECT upto FROM receipt), 0)
    BEGIN SELECT RAISE(ABORT, 'a payload without a receipt stays'); END;
CREATE TRIGGER IF NOT EXISTS payload_only_follows BEFORE INSERT ON payload
    WHEN NEW.seq <= (SELECT max(seq) FROM payload)
    BEGIN SELECT RAISE(ABORT, 'a payload only follows the last'); END;
CREATE TRIGGER IF NOT EXISTS ledger_never_changes BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its name'); END;
CREATE TRIGGER IF NOT EXISTS ledger_never_goes BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its name'); END;
"""


def _first(db: "Database") -> None:
    tables: dict[str, dict[str, type]] = {
        "ledger": {"only": int, "id": bytes, "terminal": str},
        "receipt": {"only": int, "upto": int, "hash": bytes},
        "entry": {"seq": int, "digest": bytes, "hash": bytes},
        "payload": {"seq": int, "bytes": bytes},
    }
    for name, columns in tables.items():
        key, *rest = columns
        db.create_table(name, columns, pk=key, not_null=set(rest), strict=True, if_not_exists=True)
    db.conn.executescript(_GUARDS)


MIGRATIONS: Final = (_first,)
