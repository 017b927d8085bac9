"""The one mechanism behind all tables of terminals: versioned rows, and the changes between two versions.

Who changes a table calls `put` or `drop` in the transaction of its own rows. A version covers so few rows that the way
from any version to the newest can be told in messages of bounded size; a snapshot goes in numbered chunks.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from cloud.database import insert_into
from cloud.sync.models import TableHead, TableRow
from cloud.sync.recipients import Recipient
from cloud.wakeups import Topic, announce
from protocol.messages import VERSION, TableChange, TableVersion
from protocol.tables import Row, Table, pack_keys, pack_rows

EPOCH_BYTES: Final = 16
ROWS_PER_VERSION: Final = 500
BYTES_PER_VERSION: Final = 32 * 1024
BYTES_PER_MESSAGE: Final = 96 * 1024  # an envelope holds 256 KiB: room for a largest row and for the framing
MANY_CHANGES: Final = 5_000  # from here on a snapshot may be the shorter way

Changed = tuple[bytes, bytes | None]
Write = Callable[[Session, TableHead, Sequence[Row]], bool]


@dataclass(frozen=True, slots=True)
class _Telling:
    """A table as somebody is told of it: as it lies here, or sealed for one terminal, under an epoch of its own."""

    head: TableHead
    recipient: Recipient | None

    @property
    def epoch(self) -> bytes:
        return self.head.epoch if self.recipient is None else self.recipient.epoch(self.head)

    def written(self, key: bytes, value: bytes) -> bytes:
        return value if self.recipient is None else self.recipient.sealed(self.head, key, value)


def head_of(session: Session, table: Table, scope: str) -> TableHead:
    """The table's head, locked until the end of the transaction; a new table begins at version 1 without rows."""
    found = select(TableHead).where(TableHead.name == table, TableHead.scope == scope)
    found = found.with_for_update().execution_options(populate_existing=True)
    head = session.scalars(found).one_or_none()
    if head is not None:
        return head
    new = {"name": table, "scope": scope, "epoch": secrets.token_bytes(EPOCH_BYTES), "version": 1, "published": 0}
    session.execute(insert_into(session, TableHead).values(new).on_conflict_do_nothing())
    return session.scalars(found).one()


def put(session: Session, table: Table, scope: str, rows: Mapping[bytes, bytes]) -> TableHead:
    """Set these rows. What already stands so is no change."""
    return put_into(session, head_of(session, table, scope), rows)


def put_into(session: Session, head: TableHead, rows: Mapping[bytes, bytes]) -> TableHead:
    """The same, for who has the head from `head_of` and has looked at rows since."""
    return _change(session, head, list(rows.items()), _set)


def drop(session: Session, table: Table, scope: str, keys: Iterable[bytes]) -> TableHead:
    """Take these rows out; what is not there is no change."""
    return _change(session, head_of(session, table, scope), [(key, b"") for key in keys], _clear)


def _change(session: Session, head: TableHead, rows: Sequence[Row], write: Write) -> TableHead:
    before = head.version
    for portion in _portions(rows):
        if write(session, head, portion):
            head.version += 1
    if head.version != before:
        session.flush()
        announce(session, Topic.TABLES)
    return head


def _portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    portion: list[Row] = []
    size = 0
    for key, value in rows:
        length = len(key) + len(value)
        if portion and (len(portion) == ROWS_PER_VERSION or size + length > BYTES_PER_VERSION):
            yield portion
            portion, size = [], 0
        portion.append((key, value))
        size += length
    if portion:
        yield portion


def _set(session: Session, head: TableHead, portion: Sequence[Row]) -> bool:
    """Write rows of the next version; says whether any of them was another before."""
    here = {"name": head.name, "scope": head.scope, "version": head.version + 1}
    insert = insert_into(session, TableRow.__table__)
    replaced = {"value": insert.excluded.value, "version": insert.excluded.version}
    differs = TableRow.value.is_distinct_from(insert.excluded.value)
    written = insert.on_conflict_do_update(index_elements=["name", "scope", "key"], set_=replaced, where=differs)
    rows = [{**here, "key": key, "value": value} for key, value in portion]
    return bool(session.connection().execute(written.returning(TableRow.__table__.c.key), rows).all())


def _clear(session: Session, head: TableHead, portion: Sequence[Row]) -> bool:
    """Leave a mark in the next version where rows were; says whether there was any."""
    here = (TableRow.name == head.name, TableRow.scope == head.scope, TableRow.value.is_not(None))
    there = select(TableRow.key).where(*here, TableRow.key.in_([key for key, _ in portion]))
    held = session.scalars(there).all()
    marked = update(TableRow).where(*here, TableRow.key.in_(held)).values(value=None, version=head.version + 1)
    if held:
        session.execute(marked.execution_options(synchronize_session=False))
    return bool(held)


def changes(
    session: Session, table: Table, scope: str, held: TableVersion | None, recipient: Recipient | None = None
) -> list[TableChange]:
    """What brings who holds `held` to the newest version: nothing, changes in order, or a snapshot in chunks.

    Who holds nothing, another epoch, or a version that never was here (a restored cloud) gets the snapshot. With a
    `recipient` every row is sealed for that terminal.
    """
    head = session.get(TableHead, (table.value, scope))
    if head is None:
        return []
    telling = _Telling(head, recipient)
    if held is None or held.held == 0 or held.epoch != telling.epoch or held.held > head.version:
        return snapshot(session, head, recipient)
    if held.held == head.version:
        return []
    if _snapshot_is_shorter(session, head, held.held):
        return snapshot(session, head, recipient)
    return _steps(session, telling, held.held)


def snapshot(session: Session, head: TableHead, recipient: Recipient | None = None) -> list[TableChange]:
    """All rows, in as many chunks as it takes; an empty table is one empty chunk."""
    table, telling = Table(head.name), _Telling(head, recipient)
    found = _rows_of(head).where(TableRow.value.is_not(None)).order_by(TableRow.key)
    lying = session.execute(found.execution_options(yield_per=5_000))
    rows = ((key, telling.written(key, value or b"")) for key, value, _ in lying)
    packed = [pack_rows(table, chunk) for chunk in _chunks(rows)] or [pack_rows(table, [])]
    checksum = sha256()
    for chunk in packed:
        checksum.update(chunk)
    nothing = pack_keys(table, [])
    ends = (0, head.version)
    whole = (len(packed), checksum.digest())
    return [_message(telling, ends, (number, *whole), (chunk, nothing)) for number, chunk in enumerate(packed)]


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for key, value in rows:
        chunk.append((key, value))
        size += len(key) + len(value) + 8
        if size >= BYTES_PER_MESSAGE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _steps(session: Session, telling: _Telling, held: int) -> list[TableChange]:
    """The rows changed since `held`, whole versions at a time, each message beginning where the one before ends."""
    found = _rows_of(telling.head).where(TableRow.version > held).order_by(TableRow.version, TableRow.key)
    told: list[TableChange] = []
    gathered: list[Changed] = []
    size, upto = 0, held
    for version, rows in groupby(session.execute(found), key=itemgetter(2)):
        changed = [(key, None if value is None else telling.written(key, value)) for key, value, _ in rows]
        length = sum(len(key) + len(value or b"") + 8 for key, value in changed)
        if gathered and size + length > BYTES_PER_MESSAGE:
            told.append(_step(telling, told[-1].to_version if told else held, upto, gathered))
            gathered, size = [], 0
        gathered += changed
        size, upto = size + length, version
    told.append(_step(telling, told[-1].to_version if told else held, telling.head.version, gathered))
    return told


def _step(telling: _Telling, start: int, end: int, changed: Sequence[Changed]) -> TableChange:
    table = Table(telling.head.name)
    rows = pack_rows(table, [(key, value) for key, value in changed if value is not None])
    drops = pack_keys(table, [key for key, value in changed if value is None])
    return _message(telling, (start, end), (0, 1, sha256(rows).digest()), (rows, drops))


def _message(
    telling: _Telling, ends: tuple[int, int], part: tuple[int, int, bytes], packed: tuple[bytes, bytes]
) -> TableChange:
    """`ends`: from and to version. `part`: number, how many, checksum of the whole. `packed`: rows and drops."""
    (start, end), (number, chunks, checksum), (rows, drops) = ends, part, packed
    head = telling.head
    return TableChange(VERSION, head.name, head.scope, telling.epoch, start, end, number, chunks, checksum, rows, drops)


def _snapshot_is_shorter(session: Session, head: TableHead, held: int) -> bool:
    here = (TableRow.name == head.name) & (TableRow.scope == head.scope)
    changed = session.scalar(select(func.count()).select_from(TableRow).where(here, TableRow.version > held)) or 0
    if changed < MANY_CHANGES:
        return False
    live = select(func.count()).select_from(TableRow).where(here, TableRow.value.is_not(None))
    return changed > (session.scalar(live) or 0)


def _rows_of(head: TableHead) -> Select[bytes, bytes | None, int]:
    here = (TableRow.name == head.name) & (TableRow.scope == head.scope)
    return select(TableRow.key, TableRow.value, TableRow.version).where(here)
