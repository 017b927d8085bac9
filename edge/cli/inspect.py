"""The command of a control visit: shows the ledger at the terminal, without network, and writes down that it did."""

import argparse
import os
import pwd
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import edge.log
from edge.cli.ask import print_json
from edge.cli.ledger import bar
from edge.clock.clock import SystemClock, boot_id
from edge.clock.timekeeping import remembered
from edge.errors import DaemonUnreachable, RequestRefused, StateUnusable, TerminalError
from edge.ledger.export import whole_file
from edge.ledger.start import NAME
from edge.link.tls import begins
from edge.local import FILE_NAME, AskInspected, ask
from edge.settings import Settings
from edge.visit.asking import Asked, By, Period, View
from edge.visit.files import Json
from edge.visit.heading import Shown
from edge.visit.names import Names
from edge.visit.recording import note_without_daemon
from edge.visit.report import Output, Report
from edge.visit.screen import Screen, columns
from edge.visit.sources import Sources
from edge.visit.taps import Progress
from edge.visit.told import Told
from protocol.errors import ProtocolError

TABLES: Final = "tables.db"
EXIT_FAULTS: Final = 1
LONGEST_ACCOUNT: Final = 40


def inspect(settings: Settings, asked: argparse.Namespace, environment: MutableMapping[str, str]) -> int:
    """Show what was asked for; 1 where something was wrong with it, such as a ledger that is damaged."""
    edge.log.configure(2)  # what is shown stands alone on standard output
    environment["LANGUAGE"] = "sv"  # text in the ledger is Swedish (SKVFS 2015:6, 4 §), and what is wrong with it too
    folder = settings.terminal.state_dir
    if folder.exists() and not (os.access(folder, os.R_OK | os.X_OK) and _may_read(folder / NAME)):
        raise StateUnusable(folder, "du får inte läsa den; kör kommandot med sudo")
    wanted = _wanted(asked)
    on = "pdf" if asked.pdf else "screen" if asked.usb is None else "usb"
    if on == "usb":
        from edge.visit.sticks import Machine, chosen, sticks

        stick = chosen(sticks(Machine(), folder), asked.usb or None)
    with ExitStack() as stack:
        report = _report(settings, wanted, on, environment, stack)
        match on:
            case "pdf":
                count = _to_paper(report, asked.pdf, force=asked.force)
                _say_written(report, asked, {"pdf": str(asked.pdf)}, count)
            case "usb":
                from edge.visit.sticks import mounted

                with mounted(stick) as place, bar("läser") as progress:
                    written, count = _to_stick(report, place, progress)
                where = {"usb": stick.name, "folder": written.name}
                _say_written(report, asked, where, count)
                if not asked.json:
                    print(_ready(stick.mounted_at))
            case _:
                _to_screen(report, as_json=asked.json)
        return EXIT_FAULTS if report.faults else 0


def _may_read(ledger: Path) -> bool:
    return not ledger.exists() or os.access(ledger, os.R_OK)


def _wanted(asked: argparse.Namespace) -> Asked:
    if asked.first and asked.last and asked.last < asked.first:
        raise RequestRefused("perioden slutar innan den börjar; byt plats på --from och --to")
    of_a_time = asked.first or asked.last or asked.denied or asked.by == By.RECORDING
    return Asked(
        View(asked.view or (View.HISTORY if of_a_time else View.PRESENT)),
        Period(asked.first, asked.last),
        By(asked.by),
        asked.company.strip(),
        asked.person.strip(),
        asked.denied,
        asked.every_project,
    )


def _report(
    settings: Settings, wanted: Asked, on: str, environment: MutableMapping[str, str], stack: ExitStack
) -> Report:
    """Everything that a report needs; it stands in the ledger from here on, before anything of it is shown."""
    folder, link = settings.terminal.state_dir, settings.link
    known = remembered(
        folder / NAME, boot_id(), battery=settings.terminal.battery_clock, certified=begins(link.certificate)
    )
    clock = SystemClock(known)
    account = _account(environment)
    seq, why = _recorded(settings, clock, wanted.details(on, account))
    told = stack.enter_context(closing(Told(folder / TABLES)))
    sources = stack.enter_context(closing(Sources.of(folder)))
    shown = Shown(settings.terminal.id, clock.read(), account, seq, why)
    return Report(wanted, told, Names.at(folder / TABLES, link.key), sources, shown, clock.floor)


def _recorded(settings: Settings, clock: SystemClock, details: dict[str, str]) -> tuple[int | None, str]:
    """The number of the entry that says so, or why there is none: then it is shown all the same, at once, as the law
    wants it."""
    terminal = settings.terminal
    try:
        answer = ask(terminal.runtime_dir / FILE_NAME, AskInspected(details))
        return int(answer["seq"]), ""
    except DaemonUnreachable:
        pass
    except (TerminalError, ProtocolError) as fault:
        return None, str(fault)
    try:
        return note_without_daemon(terminal.state_dir, terminal.id, clock, details), ""
    except (TerminalError, ProtocolError) as fault:
        return None, str(fault)
    except OSError as exc:
        return None, f"{terminal.state_dir} kan inte skrivas ({exc.strerror})"


def _account(environment: MutableMapping[str, str]) -> str:
    """Who is at the keyboard, as far as the system knows; root is who called sudo."""
    user = os.geteuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    by = environment.get("SUDO_USER", "") if user == 0 else ""
    return (by or name)[:LONGEST_ACCOUNT]


def _to_screen(report: Report, *, as_json: bool) -> None:
    def write(text: bytes) -> None:
        sys.stdout.write(text.decode(errors="replace"))

    output: Output = Json(write) if as_json else Screen(print, columns())
    with _reader_may_leave(), _shown_beside(sys.stdout.isatty()) as progress:
        report.write([output], progress)
        sys.stdout.flush()


def _to_paper(report: Report, path: Path, *, force: bool) -> int:
    from edge.visit.paper import Paper  # brings a library that no other command needs

    with bar("läser") as progress, whole_file(path, force=force) as write:
        return report.write([Paper(write)], progress)


def _to_stick(report: Report, place: Path, progress: Progress) -> tuple[Path, int]:
    from edge.visit.carrying import carry

    return carry(report, place, progress)


def _say_written(report: Report, asked: argparse.Namespace, where: dict[str, str], count: int) -> None:
    if asked.json:
        print_json({**where, "rows": count, "recorded": report.shown.seq, "faults": report.faults})
        return
    name = where.get("pdf") or f"USB-minnet {where['usb']}, mappen {where['folder']}"
    print(f"{count} rader är sparade: {name}")
    for fault in report.faults:
        print(f"obs: {fault}", file=sys.stderr)


def _ready(mounted_at: Path | None) -> str:
    if mounted_at is None:
        return "USB-minnet kan tas ut."
    return f"Allt är skrivet. USB-minnet var monterat redan: avmontera det innan det tas ut (umount {mounted_at})."


@contextmanager
def _shown_beside(on_screen: bool) -> Iterator[Progress]:
    """A progress bar where the rows do not go to the same screen."""
    if on_screen:
        yield _nowhere
        return
    with bar("läser") as progress:
        yield progress


def _nowhere(done: int, every: int) -> None:
    """Nobody looks at it."""


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Whoever reads a pipe may have seen enough: `grindvakt inspect | head`."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
