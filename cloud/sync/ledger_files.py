"""Reads a terminal's ledger from a file that somebody brought: an export, or the `ledger.db` of a surviving card."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol

from cloud.errors import LedgerFileUnusable
from protocol.entries import HASH_BYTES, LEDGER_BYTES, check_link, genesis
from protocol.errors import ChainBroken, ProtocolError
from protocol.exports import Exported, ExportReader, Heading, Lost
from protocol.topics import terminal_id

SQLITE: Final = b"SQLite format 3\0"
FORMAT: Final = 1  # the `user_version` that is known here
LONGEST_VALUE: Final = 256 * 1024
PAGE: Final = 2_000

_ENTRIES: Final = """
    SELECT entry.seq, entry.digest, entry.hash, payload.bytes FROM entry LEFT JOIN payload USING (seq)
    WHERE entry.seq > ? ORDER BY entry.seq LIMIT ?"""


class LedgerFile(Protocol):
    """A ledger as it lies in a file: `heading` says what it holds, iterating gives every entry, checked, in order.

    Iterating raises ChainBroken, ExportInvalid or ExportCutOff at what is wrong.
    """

    heading: Heading

    def __iter__(self) -> Iterator[Exported | Lost]: ...


@contextmanager
def opened(path: Path) -> Iterator[LedgerFile]:
    """Open a file for one reading, whichever of the two it is. Raises LedgerFileUnusable, also for what is wrong."""
    try:
        with path.open("rb") as file:
            kind = file.read(len(SQLITE))
            file.seek(0)
            if kind != SQLITE:
                yield ExportReader(file.readline)
                return
        with closing(_connected(path)) as connection:
            yield _Database(connection)
    except OSError as exc:
        raise LedgerFileUnusable(path, exc.strerror or str(exc)) from exc
    except (ProtocolError, sqlite3.Error) as exc:
        raise LedgerFileUnusable(path, str(exc)) from exc


class _Database:
    """A terminal's own file: one reading of it, while nobody writes to it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._execute("BEGIN")
        (version,) = self._execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise ChainBroken(1, f"the file is of version {version}, this program knows {FORMAT}: upgrade the cloud")
        row = self._execute("SELECT id, terminal FROM ledger").fetchone()
        if row is None or not _is_bytes(row[0], LEDGER_BYTES) or not isinstance(row[1], str):
            raise ChainBroken(1, "the file does not say whose ledger it is")
        ledger, terminal = row[0], terminal_id(row[1])
        receipt = self._execute("SELECT upto, hash FROM receipt").fetchone() or (0, None)
        (last,) = self._execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
        self.heading = Heading(terminal, ledger, 1, last, genesis(terminal, ledger), *receipt)

    def __iter__(self) -> Iterator[Exported | Lost]:
        seq, previous = 0, self.heading.previous
        while rows := self._execute(_ENTRIES, (seq, PAGE)).fetchall():
            for found, payload_digest, entry_hash, payload in rows:
                if found != seq + 1:
                    raise ChainBroken(seq + 1, f"it is missing: entry {found} follows")
                if not (_is_bytes(payload_digest, HASH_BYTES) and _is_bytes(entry_hash, HASH_BYTES)):
                    raise ChainBroken(found, "its digest or hash is none")
                if payload is None and found > self.heading.receipted:
                    raise ChainBroken(found, "its payload is missing and no receipt covers it")
                if payload is not None and not isinstance(payload, bytes):
                    raise ChainBroken(found, "its payload is none")
                check_link(previous, found, payload_digest, entry_hash, payload)
                seq, previous = found, entry_hash
                yield Exported(found, payload_digest, entry_hash, payload)


def _is_bytes(value: object, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def _connected(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. Raises LedgerFileUnusable where the newest entries cannot be seen."""
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    is_fixed = not os.access(path.parent, os.W_OK)
    if is_fixed and has_log:
        raise LedgerFileUnusable(
            path, f"its newest entries are in {log.name} beside it; copy both into a folder that can be written"
        )
    how = "immutable=1" if is_fixed else "mode=ro"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    return connection
