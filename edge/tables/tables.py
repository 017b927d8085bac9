"""What the cloud told this terminal: binding, roster, blocklist, presence and sealed names, each at a version."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from edge.events import Event
from edge.tables.file import TablesFile
from edge.tables.schema import DROP, EMPTY, PUT
from edge.tables.silence import Silence
from edge.tables.snapshots import Shadow
from edge.tables.stored import movement_of, stored_keys, stored_rows
from protocol.cards import CardId
from protocol.clock import ClockReading
from protocol.decision import Binding, BlockReason, Enrolment, TableName
from protocol.errors import ProtocolError
from protocol.messages import TableChange, TableVersion
from protocol.passes import Direction, Movement
from protocol.tables import (
    Table,
    block_key,
    block_reason,
    decode_binding,
    decode_enrolment,
)

_REASON: Final = "SELECT coalesce(cast(reason AS INTEGER) & 255, 0) FROM blocklist WHERE key = ?"
_TABLES: Final = {table.value: table for table in Table}
_NOT_SHOWN: Final = (Table.PRESENCE, Table.PEOPLE)  # each tap at another gate changes one: no light depends on them

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
        self._knows_presence = False
        self._silence: Silence | None = None
        self._saved: Silence | None = None
        self._file = TablesFile(path, self._load)

    @classmethod
    def open(cls, path: Path) -> "Tables":
        """Open the file, or begin a new one where there is none or a damaged one. Raises TablesUnusable."""
        return cls(path)

    def enrolment(self, card: CardId) -> Enrolment | None:
        """Whose card this is on the project here. Raises TablesUnusable."""
        row = self._file.look("SELECT coalesce(cast(value AS BLOB), x'') FROM roster WHERE key = ?", str(card).encode())
        try:
            return decode_enrolment(row[0]) if row else None
        except ProtocolError as exc:  # rows are checked when they come: what stands there now is damaged
            self._file.discard(str(exc))
            return None

    def blocked(self, card: CardId) -> BlockReason | None:
        """Why a card is on the blocklist; costs the same for one row and for a million. Raises TablesUnusable."""
        while True:
            salts = self._salts
            for salt in salts:
                row = self._file.look(_REASON, block_key(salt, card))
                if row:
                    return block_reason(row[0])
            if salts is self._salts:  # else another list took this one's place meanwhile: look again
                return None

    def presence(self, key: bytes) -> Movement | None:
        """Where the cloud last saw whoever this key of presence names; costs nothing where it tells of nobody.

        Raises TablesUnusable.
        """
        if not self._knows_presence:
            return None
        row = self._file.look("SELECT value FROM presence WHERE key = ?", key)
        return movement_of(row[0]) if row else None

    def came_in(self) -> Iterator[tuple[bytes, Movement]]:
        """Everybody whom the cloud last saw come in, by their key of presence. Raises TablesUnusable."""
        if self._knows_presence:
            yield from (
                (key, Movement(Direction.IN, at))
                for key, at in self._file.look_at_all("SELECT key, came_in FROM presence WHERE came_in IS NOT NULL")
            )

    def heard(self, now: ClockReading) -> None:
        """The cloud has said something that it signed."""
        self._silence = Silence.beginning(now)
        self._save_silence(now)

    def unheard_for(self, now: ClockReading) -> int | None:
        """How long the cloud has been silent, in microseconds; None where it was never heard."""
        return None if self._silence is None else self._silence.lasts(now)

    def count_silence(self, now: ClockReading) -> None:
        """Put down how long the cloud has been silent, so that it is known after a power cut; called now and then."""
        if self._silence is not None:
            self._silence = self._silence.until(now)
            self._save_silence(now)

    def held(self) -> tuple[TableVersion, ...]:
        """Every table that counts here with the version held; one that the binding names and is not here has 0."""
        counted = [held for table, held in self._held.items() if table is Table.BINDING]
        for named in self.binding.tables if self.binding else ():
            table = _TABLES.get(named.name)
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
        with self._file.lock:
            table = _TABLES.get(change.name)
            if table is None or not self._counts(table, change):
                return Effect.STALE
            held = self._version_of(table, change.scope, change.epoch)
            if change.to_version <= max(held, change.from_version):
                return Effect.STALE
            with self._file.translated():
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
        with self._file.lock, self._file.transaction():
            self._file.writer.executemany(PUT[Table.BLOCKLIST], rows)
        self._file.settle()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    async def check(self) -> None:
        """Look over the whole file, beside the taps; one that is damaged is begun anew. Raises TablesUnusable."""
        if (why := await asyncio.to_thread(self._file.check)) is not None:
            self._file.discard(why)

    # --- changes ----------------------------------------------------------------------------------------------------

    def _counts(self, table: Table, change: TableChange) -> bool:
        """Whether a table is one of those that count: the binding names the others, and is itself not of the past."""
        if table is not Table.BINDING:
            named = self.binding.tables if self.binding else ()
            return TableName(change.name, change.scope, change.epoch) in named
        with self._file.translated():
            gone = self._file.writer.execute("SELECT 1 FROM left_epoch WHERE epoch = ?", (change.epoch,)).fetchone()
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
            with self._file.transaction():
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
        if table not in _NOT_SHOWN:
            self.on_change()
        if change.from_version == 0:
            self._file.settle()

    def _write(self, table: Table, change: TableChange, parts: Iterable[bytes]) -> None:
        if change.from_version == 0:
            self._file.writer.execute(EMPTY[table])
        for packed in parts:
            self._file.writer.executemany(PUT[table], stored_rows(table, packed))
        self._file.writer.executemany(DROP[table], stored_keys(table, change.drops))
        self._write_held(table, TableVersion(change.name, change.scope, change.epoch, change.to_version))

    def _write_held(self, table: Table, coming: TableVersion) -> None:
        before = self._held.get(table)
        if table is Table.BINDING and before is not None and before.epoch != coming.epoch:
            # an epoch once left never counts again: a binding of long ago, signed as it is, cannot be played back
            self._file.writer.execute("INSERT OR IGNORE INTO left_epoch VALUES (?)", (before.epoch,))
        row = (table, coming.scope, coming.epoch, coming.held)
        self._file.writer.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", row)

    def _drop_what_is_not_named(self, binding: Binding | None) -> None:
        """Rows of another project go; those of an earlier epoch serve until the new ones are here."""
        named = {(named.name, named.scope) for named in binding.tables} if binding else set()
        for table, held in self._held.items():
            if table is not Table.BINDING and (held.name, held.scope) not in named:
                self._file.writer.execute(EMPTY[table])
                self._file.writer.execute("DELETE FROM held WHERE name = ?", (table,))

    def _save_silence(self, now: ClockReading) -> None:
        """Sparsely, and only where doors expire by it; not while a change is written: a tap does not wait for that."""
        saved, matters = self._saved, self.binding is not None and self.binding.doors_expire_after_offline is not None
        if saved is not None and not (matters and saved.is_to_be_replaced(now)):
            return
        if not self._file.lock.acquire(blocking=False):
            return
        try:
            value = msgspec.msgpack.encode(self._silence)
            self._file.writer.execute("INSERT OR REPLACE INTO silence VALUES (1, ?)", (value,))
            self._saved = self._silence
        except sqlite3.Error as exc:
            _log.error(Event.TABLE_FAILED, why=str(exc), then="the silence of the cloud is put down the next time")
        finally:
            self._file.lock.release()

    def _load(self, file: TablesFile) -> None:
        """Take into memory what a file says that was opened just now."""
        self._file = file
        self._shadow = Shadow(file.writer)
        row = file.writer.execute("SELECT value FROM silence").fetchone()
        self._silence = self._saved = msgspec.msgpack.decode(row[0], type=Silence) if row else None
        self._know(self._read_binding())
        self.on_change()

    def _read_binding(self) -> Binding | None:
        row = self._file.writer.execute("SELECT value FROM binding WHERE key = x''").fetchone()
        return decode_binding(row[0]) if row else None

    def _know(self, binding: Binding | None) -> None:
        """Take into memory what holds now."""
        execute = self._file.writer.execute
        rows = execute("SELECT name, scope, epoch, version FROM held").fetchall()
        self._held = {Table(row[0]): TableVersion(*row) for row in rows}
        self._salts = tuple(held.epoch for table, held in self._held.items() if table is Table.BLOCKLIST)
        self._knows_presence = execute("SELECT 1 FROM presence LIMIT 1").fetchone() is not None
        self.versions = {table.value: held.held for table, held in self._held.items()}
        self.binding = binding


def _nobody() -> None:
    """Does nothing, until somebody wants to know."""
