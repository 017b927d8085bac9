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
from edge.words import _
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

    table = Table("seq", _("when"), _("what"), _("where"), _("answer"), _("why"), box=None)
    for seq, payload in entries:
        table.add_row(str(seq), _local(payload.occurred_at), *_told(payload))
    console().print(table)
    return 0


def ledger_verify(path: Path, *, as_json: bool) -> int:
    """Check every link of the chain in a ledger or an export of one, and name the first entry that is wrong."""
    try:
        with bar(_("checking the chain")) as progress:
            found = _export_found(path, progress) if _is_export(path) else _ledger_found(path, progress)
    except ChainBroken as broken:
        if as_json:
            print_json({"verified": False, "entry": broken.seq, "reason": broken.reason})
        else:
            said = _("{path}: the chain breaks at entry {seq}: {reason}")
            said = said.format(path=path, seq=broken.seq, reason=broken.reason)
            print(f"grindvakt: {said}", file=sys.stderr)
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
        said = _("ledger {ledger} of terminal {terminal}: all {entries} entries are as written")
        if verified.first > 1:
            said = _("ledger {ledger} of terminal {terminal}: all {entries} entries from {first} on are as written")
        ledger = self.ledger.hex() or _("without a name")
        yield said.format(ledger=ledger, terminal=self.terminal, entries=verified.entries, first=verified.first)
        if verified.lost:
            gaps = [f"{first}-{last}" if last > first else str(first) for first, last in verified.gaps]
            shown = ", ".join(gaps[:SHOWN_GAPS]) + (", …" if len(gaps) > SHOWN_GAPS else "")
            said = _("{lost} are lost: {shown}; the chain begins again after each gap")
            yield said.format(lost=verified.lost, shown=shown)
        said = _("{purged} payloads purged after their receipt; the chain ends in {hash}")
        yield said.format(purged=verified.purged, hash=verified.last_hash.hex())
        if verified.receipted_hash is not None:
            said = _("the cloud has entries up to {receipted}, with the hash {hash}")
            yield said.format(receipted=verified.receipted, hash=verified.receipted_hash.hex())
        else:
            yield _("the cloud has said of no entry that it has it")


def _advice(seq: int) -> str:
    before = (
        _("nothing before it is there") if seq == 1 else _("entries up to {seq} are as written").format(seq=seq - 1)
    )
    advice = _(
        "Keep the file as it is and work on a copy; compare entry {seq} with what the portal has of it, "
        "and look for a failing disk (`dmesg`) or for who had the disk in his hands"
    )
    return f"{before}. {advice.format(seq=seq)}"


def _is_export(path: Path) -> bool:
    """Says what a file is by its beginning. Raises LedgerUnusable for a table, which holds no payloads to check."""
    try:
        with path.open("rb") as file:
            begins = file.read(16)
    except OSError:
        return False
    if begins.startswith(_TABLE):
        raise LedgerUnusable(path, _("it is a table for people, which cannot be checked"), _("export it as jsonl"))
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
    with LedgerInspection(path) as ledger, bar(_("exporting")) as progress:
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
        lacking = _("it has no entries {first} to {last}").format(first=first, last=last)
        raise LedgerUnusable(ledger.path, lacking, _("its newest entry is {newest}").format(newest=newest))
    return first, last


def _to_stdout(ledger: LedgerInspection, form: str, span: tuple[int, int], progress: Progress) -> Written:
    try:
        written = export(ledger, sys.stdout.buffer.write, form, span, progress)
        sys.stdout.buffer.flush()
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer has nowhere to go
        reason = _("{reason}; look at the program that reads it").format(reason=exc.strerror)
        raise ExportFailed(Path(_("standard output")), reason) from exc
    return written


def _summary(written: Written, output: str) -> str:
    said = _("entries {first} to {last} are in {output}: {entries} of them, {lost} are missing")
    if not written.lost:
        said = _("entries {first} to {last} are in {output}: {entries} of them")
    counted = {"first": written.first, "last": written.last, "entries": written.entries, "lost": written.lost}
    said = said.format(output=output, **counted)
    if written.broken is None:
        return said
    breaks = _("the chain breaks at entry {seq}: {reason}; it was exported as it is")
    return f"{said}\n{breaks.format(seq=written.broken.seq, reason=written.broken.reason)}"


@contextmanager
def bar(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, with entries per second and the time left; gives what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(""), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, every: shown.update(task, completed=done, total=every)


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
            return _("door"), payload.door, payload.state, payload.cause
        case Fact():
            return payload.subject, "", "", " ".join(f"{name}={value}" for name, value in payload.details.items())


def _local(at: int) -> str:
    moment = datetime.fromtimestamp(at / MICROSECONDS, UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
