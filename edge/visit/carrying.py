"""Carries a report to a USB stick: PDF, table and the ledger's own export, whole under its name or not at all."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from edge.errors import LedgerUnusable, StickFault
from edge.ledger.export import export
from edge.storage import sync_folder
from edge.visit.files import Sheet
from edge.visit.paper import Paper
from edge.visit.report import Report
from edge.visit.sources import Source
from edge.visit.taps import Progress
from edge.visit.times import moment

PART: Final = ".part"
READ_ME: Final = "las-mig.txt"

_ADVICE: Final = {
    errno.ENOSPC: ("det är fullt", "ta ett större, eller välj en kortare period"),
    errno.EDQUOT: ("det är fullt", "ta ett större, eller välj en kortare period"),
    errno.EFBIG: ("en fil blev för stor för det", "välj en kortare period, eller formatera det som exFAT"),
    errno.EROFS: ("det är skrivskyddat", "flytta spärren på minnet, eller ta ett annat"),
    errno.EACCES: ("det får inte skrivas av dig", "kör kommandot med sudo"),
    errno.EPERM: ("det får inte skrivas av dig", "kör kommandot med sudo"),
}
_GONE: Final = ("det slutade svara eller drogs ut", "sätt i det igen och kör kommandot på nytt, eller ta ett annat")

_TEXT: Final = """\
{title}

{heading}

Filerna:
  personalliggare.pdf   rapporten för läsning och utskrift
  personalliggare.csv   samma rader som tabell (öppnas i Excel eller LibreOffice)
{exports}
{notes}

Liggarens egna poster (.jsonl) har alla poster som rapporten byggdes av, också andras än de som
valdes ut. Vem som helst kan kontrollera att ingen post är ändrad eller borttagen, utan program
från oss: se docs/ledger.md, eller kör: grindvakt ledger verify FIL
"""


def carry(report: Report, place: Path, progress: Progress) -> tuple[Path, int]:
    """Write all of it into a folder named after the time; the folder, and how many rows there were. Raises StickFault.

    The folder has its name only when every file in it is on the stick.
    """
    at = moment(report.shown.now.utc, report.zone)
    name = f"personalliggare-{at:%Y-%m-%d-%H%M%S}"
    tidy(place)
    with _translated():
        folder = next(each for each in _names(place / name) if not each.exists())
        part = folder.with_name(folder.name + PART)
        part.mkdir(mode=0o700)
        try:
            count = _write(report, part, progress)
            sync_folder(part)
            part.rename(folder)
            sync_folder(place)
            os.sync()
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return folder, count


def _write(report: Report, folder: Path, progress: Progress) -> int:
    notes = _Notes()
    with ExitStack() as stack:
        paper = Paper(stack.enter_context(_file(folder / "personalliggare.pdf")), whole=False)
        sheet = Sheet(stack.enter_context(_file(folder / "personalliggare.csv")))
        count = report.write([paper, sheet, notes], progress)
    exports = [_export(source, report, folder, progress) for source in report.sources.all]
    with _file(folder / READ_ME) as write:
        text = _TEXT.format(
            title=notes.title,
            heading="\n".join(f"{label}: {value}" for label, value in notes.lines),
            exports="".join(f"  {line}\n" for line in exports),
            notes="\n".join(notes.notes),
        )
        write(text.replace("\n", "\r\n").encode())
    return count


def _export(source: Source, report: Report, folder: Path, progress: Progress) -> str:
    """The entries that the report was made of, as anybody can check them; what the file holds, or why there is none."""
    name = f"liggare-{source.label.rstrip(':')}.jsonl" if source.label else "liggare.jsonl"
    first, last = report.span(source)
    try:
        with _file(folder / name) as write:
            written = export(source.ledger, write, "jsonl", (first, last), progress)
    except LedgerUnusable as fault:
        (folder / name).unlink(missing_ok=True)
        return f"{name} saknas: {source.name} kan inte skrivas ut ({fault.reason})"
    broken = "" if written.broken is None else f"; KEDJAN BRYTS vid post {written.broken.seq}"
    return f"{name:<21} {source.name}, post {first} till {last}{broken}"


class _Notes:
    """An output that keeps what is said around the rows."""

    def __init__(self) -> None:
        self.title = ""
        self.lines: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        self.title, self.lines = title, lines

    def section(self, title: str) -> None:
        """It keeps none."""

    def add(self, row: object) -> None:
        """It keeps none."""

    def end(self, notes: list[str]) -> None:
        self.notes = notes


@contextmanager
def _file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """A new file that is on the stick when this ends."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 100):
        yield path.with_name(f"{path.name}-{number}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason, advice = _ADVICE.get(exc.errno or 0, _GONE)
        raise StickFault(f"{reason} ({exc.strerror})", advice) from exc


def tidy(place: Path) -> None:
    """Take away what an earlier time left unfinished on a stick that was pulled out."""
    with suppress(OSError):
        for left in place.glob(f"personalliggare-*{PART}"):
            shutil.rmtree(left, ignore_errors=True)
