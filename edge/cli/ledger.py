"""The commands that read a ledger and need no daemon: its end, its whole chain, and a file of it for others."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.cli.ask import console, print_json
from edge.errors import ExportFailed, LedgerUnusable
from edge.ledger.export import Written, export, whole_file
from edge.ledger.inspection import LedgerInspection, Progress, Verified
from protocol.clock import MICROSECONDS
from protocol.entries import DoorChange, Fact, Payload, Tap
from protocol.errors import ChainBroken, TerminalId
from protocol.exports import ExportReader, Lost

STDOUT: Final = "-"
SHOWN_GAPS: Final = 10
REPORT_EVERY: Final = 5000

_TABLE: Final = b"\xef\xbb\xbfseq;"


def ledger_tail(path: Path, number: int, *, as_json: bool) -> int:
    """Show the newest entries."""
    with LedgerInspection(path) as ledger:
        entries = ledger.tail(number)
    if as_json:
        print_json([_plain(seq, payload) for seq, payload in entries])
        return 0
    from rich.table import Table

    table = Table("seq", "when", "what", "where", "answer", "why", box=None)
    for seq, payload in entries:
        table.add_row(str(seq), _local(payload.occurred_at), *_told(payload))
    console().print(table)
    return 0


def ledger_verify(path: Path, *, as_json: bool) -> int:
    """Check every link of the chain in a ledger or an export of one, and name the first entry that is wrong."""
    try:
        with _bar("checking the chain") as progress:
            found = _export_found(path, progress) if _is_export(path) else _ledger_found(path, progress)
    except ChainBroken as broken:
        if as_json:
            print_json({"verified": False, "entry": broken.seq, "reason": broken.reason})
        else:
            print(f"grindvakt: {path}: the chain breaks at entry {broken.seq}: {broken.reason}", file=sys.stderr)
            print(_advice(broken.seq), file=sys.stderr)
        return 1
    if as_json:
        print_json(found.as_json())
    else:
        print("\n".join(found.words()))
    return 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A chain that holds, and whose it is."""

    terminal: TerminalId
    ledger: bytes
    verified: Verified

    def as_json(self) -> dict[str, Any]:
        verified = self.verified
        hashes = {
            "last_hash": verified.last_hash.hex(),
            "receipted_hash": (verified.receipted_hash or b"").hex() or None,
        }
        return {"verified": True, "ledger": self.ledger.hex(), "terminal": self.terminal} | asdict(verified) | hashes

    def words(self) -> Iterator[str]:
        verified = self.verified
        span = "" if verified.first == 1 else f" from {verified.first} on"
        whose = f"ledger {self.ledger.hex() or 'without a name'} of terminal {self.terminal}"
        yield f"{whose}: all {verified.entries} entries{span} are as written"
        if verified.lost:
            gaps = [f"{first}-{last}" if last > first else str(first) for first, last in verified.gaps]
            shown = ", ".join(gaps[:SHOWN_GAPS]) + (", …" if len(gaps) > SHOWN_GAPS else "")
            yield f"{verified.lost} are lost: {shown}; the chain begins again after each gap"
        yield f"{verified.purged} payloads purged after their receipt; the chain ends in {verified.last_hash.hex()}"
        if verified.receipted_hash is not None:
            yield f"the cloud has entries up to {verified.receipted}, with the hash {verified.receipted_hash.hex()}"
        else:
            yield "the cloud has said of no entry that it has it"


def _advice(seq: int) -> str:
    before = "nothing before it is there" if seq == 1 else f"entries up to {seq - 1} are as written"
    return (
        f"{before}. Keep the file as it is and work on a copy; compare entry {seq} with what the portal has of it, "
        "and look for a failing disk (`dmesg`) or for who had the disk in his hands"
    )


def _is_export(path: Path) -> bool:
    """Says what a file is by its beginning. Raises LedgerUnusable for a table, which holds no payloads to check."""
    try:
        with path.open("rb") as file:
            begins = file.read(16)
    except OSError:
        return False
    if begins.startswith(_TABLE):
        raise LedgerUnusable(path, "it is a table for people, which cannot be checked", "export it as jsonl")
    return begins.startswith(b"{")


def _ledger_found(path: Path, progress: Progress) -> _Found:
    with LedgerInspection(path) as ledger:
        return _Found(ledger.terminal, ledger.id, ledger.verify(progress))


def _export_found(path: Path, progress: Progress) -> _Found:
    with path.open("rb") as file:
        reader = ExportReader(file.readline)
        heading = reader.heading
        every = heading.last - heading.first + 1
        entries, purged, last_hash, gaps = 0, 0, heading.previous, list[tuple[int, int]]()
        for entry in reader:
            if isinstance(entry, Lost):
                gaps.append((entry.first, entry.last))
                continue
            entries, purged, last_hash = entries + 1, purged + (entry.payload is None), entry.hash
            if not entries % REPORT_EVERY:
                progress(entries, every)
    lost = sum(last - first + 1 for first, last in gaps)
    receipt = (heading.receipted, heading.receipted_hash)
    verified = Verified(entries, purged, last_hash, heading.first, *receipt, lost, tuple(gaps))
    return _Found(heading.terminal, heading.ledger, verified)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to export: entries `first` to `last` (None: the newest), or those since a time; and where to."""

    form: str
    output: str
    force: bool
    first: int | None = None
    last: int | None = None
    since: datetime | None = None


def ledger_export(path: Path, asked: Asked, *, as_json: bool) -> int:
    """Write entries to a file or to standard output, with a progress bar; say what the file holds."""
    with LedgerInspection(path) as ledger, _bar("exporting") as progress:
        span = _span(ledger, asked)
        if asked.output == STDOUT:
            written = _to_stdout(ledger, asked.form, span, progress)
        else:
            with whole_file(Path(asked.output), force=asked.force) as write:
                written = export(ledger, write, asked.form, span, progress)
    if as_json and asked.output != STDOUT:
        broken = written.broken
        wrong = None if broken is None else {"entry": broken.seq, "reason": broken.reason}
        print_json(asdict(written) | {"last_hash": written.last_hash.hex(), "broken": wrong})
    else:
        print(_summary(written, asked.output), file=sys.stderr if asked.output == STDOUT else sys.stdout)
    return 0 if written.broken is None else 1


def _span(ledger: LedgerInspection, asked: Asked) -> tuple[int, int]:
    newest = ledger.last_seq
    first, last = asked.first or 1, newest if asked.last is None else asked.last
    if asked.since is not None:
        first = ledger.first_since(int(asked.since.timestamp() * MICROSECONDS))
    if last > newest or first > last + 1:
        raise LedgerUnusable(ledger.path, f"it has no entries {first} to {last}", f"its newest entry is {newest}")
    return first, last


def _to_stdout(ledger: LedgerInspection, form: str, span: tuple[int, int], progress: Progress) -> Written:
    try:
        written = export(ledger, sys.stdout.buffer.write, form, span, progress)
        sys.stdout.buffer.flush()
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer has nowhere to go
        raise ExportFailed(Path("standard output"), f"{exc.strerror}; look at the program that reads it") from exc
    return written


def _summary(written: Written, output: str) -> str:
    lost = f", {written.lost} are missing" if written.lost else ""
    said = f"entries {written.first} to {written.last} are in {output}: {written.entries} of them{lost}"
    if written.broken is None:
        return said
    return f"{said}\nthe chain breaks at entry {written.broken.seq}: {written.broken.reason}; it was exported as it is"


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, with entries per second and the time left; gives what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(""), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, every: bar.update(task, completed=done, total=every)


def _plain(seq: int, payload: Payload) -> dict[str, Any]:
    """An entry for programs: bytes as hexadecimal digits, times as they are stored."""
    fields = {name: getattr(payload, name) for name in payload.__struct_fields__}
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    return {"seq": seq, "kind": payload.__struct_config__.tag, **shown}


def _told(payload: Payload) -> tuple[str, str, str, str]:
    """What, where, answer and why, in words for a table."""
    match payload:
        case Tap():
            way = f" {payload.direction}" if payload.direction else ""
            return payload.card, payload.reader, f"{payload.outcome}{way}", payload.reason or ""
        case DoorChange():
            return "door", payload.door, payload.state, payload.cause
        case Fact():
            return payload.subject, "", "", " ".join(f"{name}={value}" for name, value in payload.details.items())


def _local(at: int) -> str:
    moment = datetime.fromtimestamp(at / MICROSECONDS, UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
