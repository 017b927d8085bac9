"""A ledger as a file of JSON lines: written by the terminal, read by anybody (docs/ledger.md)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from protocol.entries import check_link, digest, genesis
from protocol.errors import UNREADABLE, ChainBroken, ExportCutOff, ExportInvalid, TerminalId, TopicInvalid
from protocol.topics import terminal_id

FORMAT: Final = "grindvakt ledger"
VERSION: Final = 1
LONGEST_LINE: Final = 64 * 1024  # a payload of 4 KiB in base64, and its words with every character escaped

_Id = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Heading:
    """What an export holds: entries `first` to `last` of a ledger, chained to `previous`.

    `receipted`: up to where the cloud has said that it has them, with `receipted_hash` there; only these may be purged.
    """

    terminal: TerminalId
    ledger: bytes
    first: int
    last: int
    previous: bytes
    receipted: int = 0
    receipted_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """One entry; `payload` is None where it was purged after its receipt."""

    seq: int
    digest: bytes
    hash: bytes
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Entries that the ledger itself had lost when it was exported; the chain begins again after them."""

    first: int
    last: int


class _Header(msgspec.Struct, frozen=True):
    format: str
    version: int
    terminal: str
    ledger: _Id
    first: _Seq
    last: _Count
    previous: _Hash
    receipted: _Count = 0
    receipted_hash: _Hash | None = None


class _Entry(msgspec.Struct, frozen=True):
    seq: _Seq
    digest: _Hash
    hash: _Hash
    payload: bytes | None
    entry: dict[str, Any] | None = None


class _Gap(msgspec.Struct, frozen=True):
    first: _Seq
    last: _Seq


class _Line(msgspec.Struct, frozen=True):
    """Any line after the first: what it is shows in which fields are there."""

    seq: _Seq | None = None
    digest: _Hash | None = None
    hash: _Hash | None = None
    payload: bytes | None = None
    lost: _Gap | None = None
    end: bool = False
    entries: _Count | None = None
    last_hash: _Hash | None = None


_encode = msgspec.json.Encoder().encode
_headers = msgspec.json.Decoder(_Header)
_lines = msgspec.json.Decoder(_Line)


def header_line(heading: Heading) -> bytes:
    """The first line."""
    receipted_hash = None if heading.receipted_hash is None else heading.receipted_hash.hex()
    return _line(
        _Header(
            FORMAT,
            VERSION,
            heading.terminal,
            heading.ledger.hex(),
            heading.first,
            heading.last,
            heading.previous.hex(),
            heading.receipted,
            receipted_hash,
        )
    )


def entry_line(entry: Exported, words: dict[str, Any] | None) -> bytes:
    """The line of an entry; `words` is the same for people and counts for nothing."""
    return _line(_Entry(entry.seq, entry.digest.hex(), entry.hash.hex(), entry.payload, words))


def lost_line(lost: Lost) -> bytes:
    """The line that stands for entries which are lost."""
    return _line({"lost": _Gap(lost.first, lost.last)})


def end_line(entries: int, last_hash: bytes) -> bytes:
    """The last line: without it the file was cut off."""
    return _line({"end": True, "entries": entries, "last_hash": last_hash.hex()})


def _line(content: Any) -> bytes:
    return _encode(content) + b"\n"


class ExportReader:
    """Reads an export in order, a line at a time, and checks each against the chain.

    `readline` gives the next line, at most so many bytes of it, as that of a file opened for bytes does.
    Raises ExportInvalid where the first line is not that of an export.
    """

    def __init__(self, readline: Callable[[int], bytes]) -> None:
        self._readline = readline
        self._number = 0
        self.heading = self._heading()

    def __iter__(self) -> Iterator[Exported | Lost]:
        """Every entry, checked, and every gap. Raises ExportInvalid, ExportCutOff, ChainBroken.

        What came before a fault is as it was written; after `Lost` the chain begins again at the entry that follows.
        """
        seq, count = self.heading.first - 1, 0
        previous: bytes | None = self.heading.previous
        last_hash = self.heading.previous
        while True:
            line = self._next(seq)
            if line.end:
                self._check_end(line, seq, count, last_hash)
                return
            if line.lost is not None:
                lost = self._lost(line.lost, seq)
                seq, previous = lost.last, None
                yield lost
                continue
            entry = self._entry(line, seq + 1)
            self._check(entry, previous)
            seq, previous, last_hash, count = entry.seq, entry.hash, entry.hash, count + 1
            yield entry

    def _heading(self) -> Heading:
        raw = self._raw()
        try:
            header = _headers.decode(raw)
            terminal = terminal_id(header.terminal)
        except (*UNREADABLE, TopicInvalid) as exc:
            raise ExportInvalid(1, "it is not the first line of an exported ledger") from exc
        if header.format != FORMAT:
            raise ExportInvalid(1, f"its format is {header.format[:40]!r}, not {FORMAT!r}")
        if header.version != VERSION:
            raise ExportInvalid(1, f"it is of version {header.version}, this program knows {VERSION}: upgrade it")
        ledger, previous = bytes.fromhex(header.ledger), bytes.fromhex(header.previous)
        if header.first == 1 and previous != genesis(terminal, ledger):
            raise ChainBroken(1, "it does not begin where this terminal's ledger begins")
        receipted_hash = None if header.receipted_hash is None else bytes.fromhex(header.receipted_hash)
        return Heading(terminal, ledger, header.first, header.last, previous, header.receipted, receipted_hash)

    def _raw(self) -> bytes:
        raw = self._readline(LONGEST_LINE + 1)
        self._number += 1
        if len(raw) > LONGEST_LINE:
            raise ExportInvalid(self._number, f"it is longer than {LONGEST_LINE} bytes")
        return raw

    def _next(self, seq: int) -> _Line:
        raw = self._raw()
        if not raw.endswith(b"\n"):
            raise ExportCutOff(self._number, seq, self.heading.last)
        try:
            return _lines.decode(raw)
        except UNREADABLE as exc:
            raise ExportInvalid(self._number, str(exc)) from exc

    def _entry(self, line: _Line, expected: int) -> Exported:
        if line.seq is None or line.digest is None or line.hash is None:
            raise ExportInvalid(self._number, "it is neither an entry nor the end")
        if line.seq != expected:
            raise ChainBroken(expected, f"it is missing: line {self._number} has entry {line.seq}")
        return Exported(line.seq, bytes.fromhex(line.digest), bytes.fromhex(line.hash), line.payload)

    def _check(self, entry: Exported, previous: bytes | None) -> None:
        if entry.payload is None and entry.seq > self.heading.receipted:
            raise ChainBroken(entry.seq, "its payload is missing and no receipt covers it")
        if previous is not None:
            check_link(previous, entry.seq, entry.digest, entry.hash, entry.payload)
        elif entry.payload is not None and digest(entry.payload) != entry.digest:
            raise ChainBroken(entry.seq, "its payload is not the one that was recorded")
        if entry.seq == self.heading.receipted and self.heading.receipted_hash not in {None, entry.hash}:
            raise ChainBroken(entry.seq, "its hash is not the one that the cloud has receipted")

    def _lost(self, gap: _Gap, seq: int) -> Lost:
        if gap.first != seq + 1 or gap.last < gap.first:
            raise ExportInvalid(self._number, f"entries {gap.first} to {gap.last} cannot be lost after entry {seq}")
        return Lost(gap.first, gap.last)

    def _check_end(self, line: _Line, seq: int, count: int, last_hash: bytes) -> None:
        if seq != self.heading.last:
            raise ChainBroken(seq + 1, f"it is missing: the export is of entries up to {self.heading.last}")
        if line.entries != count or line.last_hash != last_hash.hex():
            raise ExportInvalid(self._number, "its count or last hash is not that of the entries before it")
        if self._readline(1):
            raise ExportInvalid(self._number + 1, "something follows the last line")
