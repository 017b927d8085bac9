"""Looks at a ledger's file when it is opened, before anything is added: at its name and the end of its chain."""

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge.errors import LedgerDamaged, LedgerForeign
from edge.storage import primary_code
from protocol.entries import LEDGER_BYTES, check_link, genesis, link
from protocol.errors import ChainBroken, TerminalId

CHECKED_AT_START: Final = 100

Execute = Callable[..., Any]

# the casts keep what a damaged file has for a number or bytes from being anything else
_FIRST: Final = "SELECT coalesce(cast(digest AS BLOB), x''), coalesce(cast(hash AS BLOB), x'') FROM entry WHERE seq = 1"
ENTRIES_FROM: Final = """
    SELECT cast(entry.seq AS INTEGER), coalesce(cast(entry.digest AS BLOB), x''),
    coalesce(cast(entry.hash AS BLOB), x''), cast(payload.bytes AS BLOB) FROM entry LEFT JOIN payload USING (seq)
    WHERE entry.seq >= ? ORDER BY entry.seq LIMIT ?"""


def identity(execute: Execute, path: Path, terminal: TerminalId) -> bytes:
    """A ledger's name, made with the file. Raises LedgerForeign, LedgerDamaged, sqlite3.Error."""
    row = execute("SELECT cast(id AS BLOB), terminal FROM ledger").fetchone()
    first = execute(_FIRST).fetchone()
    if row is None:
        if first is not None:
            raise LedgerDamaged(path, "its name is gone")
        made = secrets.token_bytes(LEDGER_BYTES)
        execute("INSERT INTO ledger VALUES (1, ?, ?)", (made, terminal))
        return made
    found: bytes = row[0] or b""
    begins = genesis(TerminalId(str(row[1])), bytes(found))
    if first is not None and link(begins, 1, first[0]) != first[1]:
        raise LedgerDamaged(path, "its name and its first entry do not belong together")
    if row[1] != terminal:
        raise LedgerForeign(path, row[1], terminal)
    return found


def check_end(execute: Execute, last_seq: int, receipted: int, hash_at: Callable[[int], bytes]) -> None:
    """Check the newest links of the chain. Raises ChainBroken, sqlite3.Error."""
    if receipted > last_seq:
        raise ChainBroken(last_seq + 1, f"it is missing, and the cloud has entries up to {receipted}")
    first = max(last_seq - CHECKED_AT_START, 0)
    expected, previous = first + 1, hash_at(first)
    for seq, payload_digest, entry_hash, raw in execute(ENTRIES_FROM, (expected, CHECKED_AT_START)):
        if seq != expected:
            raise ChainBroken(expected, "it is missing")
        if raw is None and seq > receipted:
            raise ChainBroken(seq, "its payload is missing and no receipt covers it")
        check_link(previous, seq, payload_digest, entry_hash, raw)
        expected, previous = seq + 1, entry_hash


def settle(execute: Execute) -> None:
    """Move everything from the log into the file, and begin the log anew, before any new entry builds on it.

    After a sync that failed, what the log shows may be in the kernel's memory only, and no later sync of the log
    writes it; the file that it is copied to is written. Raises sqlite3.Error.
    """
    try:
        execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as exc:
        if primary_code(exc) != sqlite3.SQLITE_FULL:  # then it stays where it is
            raise
