"""What the cloud told this terminal: binding, roster and blocklist, each at a version, in a rebuildable file."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger

from edge.errors import FileTooNew, TablesUnusable
from edge.events import Event
from edge.snapshots import Shadow
from edge.storage import open_file, set_aside
from edge.tables_schema import DROP, EMPTY, MIGRATIONS, PUT
from protocol.cards import CardId
from protocol.decision import Binding, BlockReason, Enrolment, TableName
from protocol.errors import ProtocolError
from protocol.messages import TableChange, TableVersion
from protocol.tables import Table, block_key, block_reason, decode_binding, decode_enrolment, unpack_keys, unpack_rows

MAPPED: Final = 256 * 1024 * 1024  # bytes of the file that lookups read in place
WRITING_CACHE_KIB: Final = 32 * 1024  # a snapshot of a million rows is written once, not page by page over and over

_TABLES: Final = {table.value: table for table in Table}

_log: FilteringBoundLogger = structlog.get_logger()


class Effect(StrEnum):
    """What a change did."""

    APPLIED = "applied"
    """Its rows count from now on."""
    WAITING = "waiting"
    """Nothing yet: parts of a snapshot are still to come."""
    STALE = "stale"
    """Nothing: it is held already, or its table does not count here."""
    MISSING = "missing"
    """Nothing: it builds on a version that is not held. Pull."""


class Tables:
    """Looked up by the thread that answers taps while another applies changes; a look sees all of a change or none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.binding: Binding | None = None
        self.on_change: Callable[[], None] = _nobody
        """Called in whichever thread brought a change; whoever shows what holds hangs itself in here."""
        self.versions: dict[str, int] = {}
        self._held: dict[Table, TableVersion] = {}
        self._salts: tuple[bytes, ...] = ()
        self._lock = threading.RLock()
        self._open()

    @classmethod
    def open(cls, path: Path) -> "Tables":
        """Open the file, or begin a new one where there is none or a damaged one. Raises TablesUnusable."""
        return cls(path)

    def enrolment(self, card: CardId) -> Enrolment | None:
        """Whose card this is on the project here. Raises TablesUnusable."""
        row = self._look("SELECT value FROM roster WHERE key = ?", str(card).encode())
        return decode_enrolment(row[0]) if row else None

    def blocked(self, card: CardId) -> BlockReason | None:
        """Why a card is on the blocklist; costs the same for one row and for a million. Raises TablesUnusable."""
        while True:
            salts = self._salts
            for salt in salts:
                row = self._look("SELECT reason FROM blocklist WHERE key = ?", block_key(salt, card))
                if row:
                    return block_reason(row[0])
            if salts is self._salts:  # else another list took this one's place meanwhile: look again
                return None

    def held(self) -> tuple[TableVersion, ...]:
        """Every table that counts here with the version held; one that the binding names and is not here has 0."""
        counted = [held for table, held in self._held.items() if table is Table.BINDING]
        for named in self.binding.tables if self.binding else ():
            table = _known(named.name)
            if table is not None:
                version = self._version_of(table, named.scope, named.epoch)
                counted.append(TableVersion(named.name, named.scope, named.epoch, version))
        return tuple(counted)

    @property
    def lacking(self) -> bool:
        """Whether the binding names a table that has not come yet."""
        return any(not version.held for version in self.held())

    def apply(self, change: TableChange) -> Effect:
        """Apply a change, whole or not at all. May be called off the thread that looks.

        Raises MessageMalformed or MessageTooLarge for rows that are not what they should be, TablesUnusable.
        """
        with self._lock:
            table = _known(change.name)
            if table is None or not self._counts(table, change):
                return Effect.STALE
            held = self._version_of(table, change.scope, change.epoch)
            if change.to_version <= max(held, change.from_version):
                return Effect.STALE
            with self._translated():
                if change.from_version > held:
                    awaited = self._shadow.will_bring(table, change.epoch, change.from_version)
                    return Effect.WAITING if awaited else Effect.MISSING
                parts = self._shadow.take(table, change)
                if parts is None:
                    return Effect.WAITING
                self._switch(table, change, parts)
        _log.info(Event.TABLE_APPLIED, table=change.name, scope=change.scope, version=change.to_version)
        return Effect.APPLIED

    def load_blocks(self, rows: Iterable[tuple[int, int]]) -> None:
        """Add (key, code of reason) to the blocklist held, past its versions: for measuring with a full one."""
        with self._lock, self._transaction():
            self._writer.executemany(PUT[Table.BLOCKLIST], rows)
        self._settle()

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._reader.close()
            self._writer.close()

    # --- changes ----------------------------------------------------------------------------------------------------

    def _counts(self, table: Table, change: TableChange) -> bool:
        """Whether a table is one of those that count: the binding names the others, and is itself not of the past."""
        if table is not Table.BINDING:
            named = self.binding.tables if self.binding else ()
            return TableName(change.name, change.scope, change.epoch) in named
        with self._translated():
            gone = self._writer.execute("SELECT 1 FROM left_epoch WHERE epoch = ?", (change.epoch,)).fetchone()
        return gone is None

    def _version_of(self, table: Table, scope: str, epoch: bytes) -> int:
        held = self._held.get(table)
        return held.held if held and (held.scope, held.epoch) == (scope, epoch) else 0

    def _switch(self, table: Table, change: TableChange, parts: Iterable[bytes]) -> None:
        """Make rows count, in one transaction."""
        salts = self._salts
        if table is Table.BLOCKLIST and change.epoch not in salts:
            self._salts = (*salts, change.epoch)  # until both threads see the new rows, a card is looked up under both
        try:
            with self._transaction():
                self._write(table, change, parts)
                binding = self._read_binding()
                if table is Table.BINDING:
                    self._drop_what_is_not_named(binding)
        except BaseException:
            self._salts = salts
            raise
        finally:
            if change.from_version == 0:
                self._shadow.forget(table)
        self._know(binding)
        if change.from_version == 0:
            self._settle()

    def _write(self, table: Table, change: TableChange, parts: Iterable[bytes]) -> None:
        if change.from_version == 0:
            self._writer.execute(EMPTY[table])
        for packed in parts:
            self._writer.executemany(PUT[table], _stored_rows(table, packed))
        self._writer.executemany(DROP[table], _stored_keys(table, change.drops))
        self._write_held(table, TableVersion(change.name, change.scope, change.epoch, change.to_version))

    def _write_held(self, table: Table, coming: TableVersion) -> None:
        before = self._held.get(table)
        if table is Table.BINDING and before is not None and before.epoch != coming.epoch:
            # an epoch once left never counts again: a binding of long ago, signed as it is, cannot be played back
            self._writer.execute("INSERT OR IGNORE INTO left_epoch VALUES (?)", (before.epoch,))
        row = (table, coming.scope, coming.epoch, coming.held)
        self._writer.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", row)

    def _drop_what_is_not_named(self, binding: Binding | None) -> None:
        """Rows of another project go; those of an earlier epoch serve until the new ones are here."""
        named = {(named.name, named.scope) for named in binding.tables} if binding else set()
        for table, held in self._held.items():
            if table is not Table.BINDING and (held.name, held.scope) not in named:
                self._writer.execute(EMPTY[table])
                self._writer.execute("DELETE FROM held WHERE name = ?", (table,))

    def _settle(self) -> None:
        """After much was written: put it where lookups find it in place, and give the memory back."""
        with self._translated():
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.execute("PRAGMA shrink_memory")

    # --- the file ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._connect()
        except (FileTooNew, ProtocolError) as exc:
            self._begin_anew(str(exc))
        except sqlite3.OperationalError as exc:
            raise TablesUnusable(self.path, str(exc)) from exc
        except sqlite3.DatabaseError as exc:
            self._begin_anew(str(exc))

    def _connect(self) -> None:
        with ExitStack() as undo:
            self._writer = open_file(self.path, MIGRATIONS, "NORMAL", threads=True)
            undo.callback(self._writer.close)
            self._reader = open_file(self.path, MIGRATIONS, "NORMAL", threads=True)
            undo.callback(self._reader.close)
            self._reader.execute(f"PRAGMA mmap_size = {MAPPED}")
            (verdict,) = self._reader.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            self._writer.execute(f"PRAGMA cache_size = -{WRITING_CACHE_KIB}")
            self._shadow = Shadow(self._writer)
            self._know(self._read_binding())
            undo.pop_all()

    def _begin_anew(self, why: str) -> None:
        """Put a damaged file aside: unbound from now on, until the cloud has sent everything again."""
        aside = set_aside(self.path)
        _log.error(
            Event.TABLES_DISCARDED, why=why, kept_as=str(aside), then="unbound until the cloud has sent them again"
        )
        try:
            self._connect()
        except sqlite3.Error as exc:
            raise TablesUnusable(self.path, str(exc)) from exc

    def _look(self, statement: str, key: bytes | int) -> Any:
        try:
            return self._reader.execute(statement, (key,)).fetchone()
        except sqlite3.OperationalError as exc:
            raise TablesUnusable(self.path, str(exc)) from exc
        except sqlite3.DatabaseError as exc:
            with self._lock:
                self.close()
                self._begin_anew(str(exc))
        return None

    def _read_binding(self) -> Binding | None:
        row = self._writer.execute("SELECT value FROM binding WHERE key = x''").fetchone()
        return decode_binding(row[0]) if row else None

    def _know(self, binding: Binding | None) -> None:
        """Take into memory what the file says."""
        rows = self._writer.execute("SELECT name, scope, epoch, version FROM held").fetchall()
        self._held = {Table(row[0]): TableVersion(*row) for row in rows}
        self._salts = tuple(held.epoch for table, held in self._held.items() if table is Table.BLOCKLIST)
        self.versions = {table.value: held.held for table, held in self._held.items()}
        self.binding = binding
        self.on_change()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise TablesUnusable(self.path, str(exc)) from exc


def _nobody() -> None:
    """Does nothing, until somebody wants to know."""


def _known(name: str) -> Table | None:
    return _TABLES.get(name)


def _stored_rows(table: Table, packed: bytes) -> Iterable[tuple[bytes | int, bytes | int]]:
    if table is not Table.BLOCKLIST:
        return unpack_rows(table, packed)
    return ((_signed(key), reason[0]) for key, reason in unpack_rows(table, packed))


def _stored_keys(table: Table, packed: bytes) -> Iterable[tuple[bytes | int]]:
    if table is not Table.BLOCKLIST:
        return [(key,) for key in unpack_keys(table, packed)]
    return [(_signed(key),) for key in unpack_keys(table, packed)]


def _signed(key: bytes) -> int:
    return int.from_bytes(key, "big", signed=True)
