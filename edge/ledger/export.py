"""Writes a ledger out: as JSON lines that anybody can check (docs/ledger.md), or as a table for people."""

import csv
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, Protocol

from edge.errors import ExportFailed, LedgerUnusable
from edge.ledger.inspection import LedgerInspection, Stored
from edge.storage import sync_folder
from protocol.entries import Fact, Payload, check_link, decode_payload, digest
from protocol.errors import ChainBroken, ProtocolError
from protocol.exports import Exported, Heading, Lost, end_line, entry_line, header_line, lost_line

LEFT_FREE: Final = 32 * 1024 * 1024
"""Bytes of the disk that an export leaves alone: it may be the one that the ledger is written to."""

LOOK_AT_DISK_EVERY: Final = 4 * 1024 * 1024
COLUMNS: Final = (
    "seq",
    "kind",
    "occurred_at",
    "clock_quality",
    "registered_at",
    "card",
    "person",
    "company",
    "reader",
    "direction",
    "outcome",
    "reason",
    "project",
    "source",
    "door",
    "state",
    "cause",
    "subject",
    "details",
    "hash",
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # a cell that begins so is run by spreadsheets (OWASP)
LOOK_EVERY: Final = 5000

Write = Callable[[bytes], object]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export holds; `broken` is the first thing wrong with the chain, which is exported all the same."""

    first: int
    last: int
    entries: int
    lost: int
    last_hash: bytes
    broken: ChainBroken | None = None


class _Form(Protocol):
    """What a format does with a heading, entries, gaps and the end."""

    def begin(self, heading: Heading) -> None: ...

    def add(self, entry: Stored) -> None: ...

    def miss(self, lost: Lost) -> None: ...

    def end(self, entries: int, last_hash: bytes) -> None: ...


class _Lines:
    """JSON lines: complete, so that the chain can be checked from the file alone."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def begin(self, heading: Heading) -> None:
        self._write(header_line(heading))

    def add(self, entry: Stored) -> None:
        payload = _decoded(entry.payload)
        self._write(entry_line(Exported(*entry), None if payload is None else words(payload, UTC)))

    def miss(self, lost: Lost) -> None:
        self._write(lost_line(lost))

    def end(self, entries: int, last_hash: bytes) -> None:
        self._write(end_line(entries, last_hash))


class _Table:
    """CSV as a Swedish Excel opens it: UTF-8 with a mark, semicolons, times with their zone, no cell a formula."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def begin(self, heading: Heading) -> None:
        self._write(b"\xef\xbb\xbf" + csv_row(COLUMNS))

    def add(self, entry: Stored) -> None:
        payload = _decoded(entry.payload)
        missing: dict[str, Any] = {"kind": "purged" if entry.payload is None else "unreadable"}
        told = (missing if payload is None else words(payload)) | {"seq": entry.seq, "hash": entry.hash.hex()}
        if isinstance(payload, Fact):
            told["details"] = " ".join(f"{name}={value}" for name, value in payload.details.items())
        self._write(csv_row([told.get(column) for column in COLUMNS]))

    def miss(self, lost: Lost) -> None:
        self._write(csv_row([f"{lost.first}-{lost.last}", "lost"]))

    def end(self, entries: int, last_hash: bytes) -> None:
        """A table ends with its last row."""


FORMATS: Final[Mapping[str, Callable[[Write], _Form]]] = {"jsonl": _Lines, "csv": _Table}


def export(ledger: LedgerInspection, write: Write, form: str, span: tuple[int, int], progress: Progress) -> Written:
    """Write entries `span` (both ends in it) out, and check the chain meanwhile. Raises LedgerUnusable, OSError."""
    first, last = span
    previous = ledger.hash_before(first)
    if previous is None:
        raise LedgerUnusable(ledger.path, f"entry {first - 1} is not there", "export from another entry, or from 1")
    out = FORMATS[form](write)
    out.begin(Heading(ledger.terminal, ledger.id, first, last, previous, ledger.receipted, ledger.receipted_hash))
    walk = _Walk(ledger, out, first, previous)
    for entry in ledger.entries(first, last):
        walk.take(entry)
        if not walk.entries % LOOK_EVERY:
            progress(entry.seq - first + 1, last - first + 1)
    walk.miss_until(last + 1)
    out.end(walk.entries, walk.last_hash)
    progress(last - first + 1, last - first + 1)
    return Written(first, last, walk.entries, walk.lost, walk.last_hash, walk.broken)


class _Walk:
    """Writes entries down as they are, and keeps the first thing that is wrong with them."""

    def __init__(self, ledger: LedgerInspection, out: _Form, first: int, previous: bytes) -> None:
        self._may_lack = ledger.has_gaps
        self._out = out
        self._seq = first - 1
        self._previous: bytes | None = previous
        self.last_hash = previous
        self.entries, self.lost = 0, 0
        self.broken: ChainBroken | None = None

    def take(self, entry: Stored) -> None:
        self.miss_until(entry.seq)
        self.broken = self.broken or _objection(self._previous, entry)
        self._out.add(entry)
        self._seq, self._previous, self.last_hash = entry.seq, entry.hash, entry.hash
        self.entries += 1

    def miss_until(self, seq: int) -> None:
        """Say which entries before this one are missing."""
        if seq == self._seq + 1:
            return
        if not self._may_lack:
            self.broken = self.broken or ChainBroken(self._seq + 1, "it is missing")
        self._out.miss(Lost(self._seq + 1, seq - 1))
        self.lost += seq - self._seq - 1
        self._seq, self._previous = seq - 1, None


def _objection(previous: bytes | None, entry: Stored) -> ChainBroken | None:
    try:
        if previous is not None:
            check_link(previous, *entry)
        elif entry.payload is not None and digest(entry.payload) != entry.digest:
            raise ChainBroken(entry.seq, "its payload is not the one that was recorded")
    except ChainBroken as broken:
        return broken
    return None


def words(payload: Payload, zone: tzinfo | None = None) -> dict[str, Any]:
    """An entry for people, times in a zone (None: this machine's); a time that no calendar has stays a number."""
    told = {name: _told(getattr(payload, name)) for name in payload.__struct_fields__}
    for name in ("occurred_at", "registered_at"):
        told[name] = _moment(told[name], zone)
    return {"kind": payload.__struct_config__.tag, **told}


def _told(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _moment(at: int, zone: tzinfo | None) -> str | int:
    try:
        return (_EPOCH + timedelta(microseconds=at)).astimezone(zone).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return at


def _decoded(raw: bytes | None) -> Payload | None:
    if raw is not None:
        with suppress(ProtocolError):
            return decode_payload(raw)
    return None


def csv_row(cells: Sequence[Any]) -> bytes:
    """A line of a table as a Swedish Excel opens it, with no cell a formula."""
    line = io.StringIO()
    csv.writer(line, delimiter=";").writerow([_harmless(cell) for cell in cells])
    return line.getvalue().encode(errors="replace")


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[Write]:
    """A file that stands under its name when all of it is on disk, and not before; gives what writes to it.

    Raises ExportFailed; then nothing of it is left.
    """
    if path.exists() and not path.is_file():
        raise ExportFailed(path, "it is no file; name a file in a folder")
    if path.exists() and not force:
        raise ExportFailed(path, "it is there already; name another file, or say --force")
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            try:
                yield sparing(file.write, path.parent)
                file.flush()
                os.fsync(file.fileno())
                part.rename(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as exc:
        advice = "give it more room" if exc.errno == errno.ENOSPC else "look at the folder and its disk"
        raise ExportFailed(path, f"{exc.strerror or exc}; {advice}") from exc


def sparing(write: Write, folder: Path) -> Write:
    """The same, but leaves some of the folder's disk free. It raises OSError (ENOSPC)."""
    written = LOOK_AT_DISK_EVERY

    def carefully(part: bytes) -> None:
        nonlocal written
        written += len(part)
        if written >= LOOK_AT_DISK_EVERY:
            written = 0
            if shutil.disk_usage(folder).free < LEFT_FREE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(part)

    return carefully
