"""The command `grindvakt`: the daemon, and what an installer asks of it."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from edge.config import DEFAULT_PATH, EXIT_CONFIG, load
from edge.errors import ConfigInvalid, DaemonUnreachable, StateInUse, TerminalError
from edge.settings import Settings
from edge.version import software
from protocol.errors import ProtocolError

LEDGER: Final = "ledger.db"
EXIT_WRONG: Final = 1
EXIT_UNREACHABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_IN_USE: Final = 75  # EX_TEMPFAIL
EXIT_INTERRUPTED: Final = 130

EPILOG: Final = """\
exit status:
  0   done
  1   refused, or found to be wrong: a broken chain, a disk that cannot be written
  2   the command line is wrong
  69  the daemon does not answer
  70  a fault of the program; it is in the log
  75  another daemon runs on the same state
  78  the configuration is wrong
  130 ended by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit status."""
    asked = parser().parse_args(arguments)
    try:
        return _obey(asked)
    except (TerminalError, ProtocolError) as fault:
        _complain(fault, asked.json)
        return _status_of(fault)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="grindvakt",
        description="The terminal at the gate: runs it, and says how it is.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"grindvakt {software()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help=f"default: {DEFAULT_PATH}")
    shared.add_argument("--json", action="store_true", help="answer in JSON, for programs")

    run = commands.add_parser("run", parents=[shared], help="run the daemon")
    run.add_argument("--simulate", action="store_true", help="no hardware: a panel to see and tap it")
    commands.add_parser("status", parents=[shared], help="say how the running daemon is")
    commands.add_parser("check-config", parents=[shared], help="look for mistakes in the settings")
    tap = commands.add_parser("tap", parents=[shared], help="hold a card against a simulated reader")
    tap.add_argument("card", metavar="CARDID", help="for example uid:04A1B2C3D4E5F6")
    tap.add_argument("--reader", metavar="NAME", help="which simulated reader; the first, if not given")
    _signal_commands(commands.add_parser("signal", help="lights and buzzer"), shared)
    _door_commands(commands.add_parser("door", help="open, try and lock doors"), shared)
    _ledger_commands(commands.add_parser("ledger", help="read the ledger; the daemon may run meanwhile"), shared)
    return top


def _ledger_commands(ledger: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    views = ledger.add_subparsers(dest="view", required=True, metavar="VIEW")
    tail = views.add_parser("tail", parents=[shared], help="show the newest entries")
    tail.add_argument("-n", "--number", type=_count, default=20, help="how many; default: 20")
    verify = views.add_parser("verify", parents=[shared], help="check the whole chain of a ledger or an export")
    export = views.add_parser("export", parents=[shared], help="write entries to a file that anybody can check")
    for view in (tail, verify, export):
        view.add_argument("file", nargs="?", type=Path, metavar="FILE", help="another ledger than that of the settings")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="JSON lines (default), or a table")
    export.add_argument("--output", required=True, metavar="PATH", help="the file to write; - is standard output")
    export.add_argument("--force", action="store_true", help="write over a file that is there")
    begin = export.add_mutually_exclusive_group()
    begin.add_argument("--from", dest="first", type=_seq, metavar="SEQ", help="the first entry; default: 1")
    begin.add_argument("--since", type=_moment, metavar="DATE", help="a date or time here, as 2026-11-01T06:00")
    export.add_argument("--to", dest="last", type=_seq, metavar="SEQ", help="the last entry; default: the newest")


def _door_commands(door: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    acts = door.add_subparsers(dest="door", required=True, metavar="WHAT")
    opens = acts.add_parser("open", parents=[shared], help="open a door as a granted tap does")
    tests = acts.add_parser("test", parents=[shared], help="try lock, contact and buttons, step by step")
    tests.add_argument("--seconds", type=_seconds, default=60.0, help="how long to wait for each step; default: 60")
    acts.add_parser("lock", parents=[shared], help="lock all, without the daemon; systemd does so after each stop")
    does = acts.add_parser("act", parents=[shared], help="do something to a simulated door")
    for each in (opens, tests, does):
        each.add_argument("name", metavar="NAME", help="what the settings call it")
    does.add_argument("act", metavar="ACT", help="push, close, force, exit, tamper, jam or unjam")


def _signal_commands(signal: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    views = signal.add_subparsers(dest="signal", required=True, metavar="VIEW")
    views.add_parser("list", parents=[shared], help="draw every pattern and say what it means")
    show = views.add_parser("show", parents=[shared], help="show a pattern on the running daemon's lights")
    show.add_argument("pattern", metavar="PATTERN", help="for example blocked, or identify to find it")
    show.add_argument("--seconds", type=_seconds, default=5.0, help="for how long; a tap ends it; default: 5")


def _obey(asked: argparse.Namespace) -> int:
    if asked.command == "signal" and asked.signal == "list":
        from edge.cli.signal import signal_list

        return signal_list(as_json=asked.json)
    if asked.command == "door":
        from edge.cli.door import door

        return door(asked, os.environ)
    if asked.command == "ledger" and asked.file is not None:
        return _obey_ledger(asked, asked.file)
    if asked.command == "check-config":
        from edge.cli.check_config import check_config

        return check_config(asked.config, os.environ, as_json=asked.json)
    settings = load(asked.config, os.environ)
    match asked.command:
        case "run":
            return _run(settings, simulate=asked.simulate)
        case "status":
            from edge.cli.ask import status

            return status(settings, as_json=asked.json)
        case "tap":
            from edge.cli.ask import tap

            return tap(settings, asked.card, asked.reader, as_json=asked.json)
        case "signal":
            from edge.cli.signal import signal_show

            return signal_show(settings, asked.pattern, asked.seconds, as_json=asked.json)
        case _:
            return _obey_ledger(asked, settings.terminal.state_dir / LEDGER)


def _obey_ledger(asked: argparse.Namespace, path: Path) -> int:
    from edge.cli import ledger as cli_ledger

    match asked.view:
        case "tail":
            return cli_ledger.ledger_tail(path, asked.number, as_json=asked.json)
        case "verify":
            return cli_ledger.ledger_verify(path, as_json=asked.json)
        case _:
            wanted = cli_ledger.Asked(asked.format, asked.output, asked.force, asked.first, asked.last, asked.since)
            return cli_ledger.ledger_export(path, wanted, as_json=asked.json)


def _run(settings: Settings, *, simulate: bool) -> int:
    import edge.log  # before anything else that logs: it keeps rich off the daemon's path

    edge.log.configure()
    from edge.daemon import run

    return run(settings, os.environ, simulate=simulate)


def _complain(fault: TerminalError | ProtocolError, as_json: bool) -> None:
    if as_json:
        from edge.cli.ask import print_json

        problems = {"problems": fault.problems} if isinstance(fault, ConfigInvalid) else {}
        print_json({"error": type(fault).__name__, "message": str(fault), **problems})
    else:
        print(f"grindvakt: {fault}", file=sys.stderr)


def _status_of(fault: TerminalError | ProtocolError) -> int:
    match fault:
        case ConfigInvalid():
            return EXIT_CONFIG
        case DaemonUnreachable():
            return EXIT_UNREACHABLE
        case StateInUse():
            return EXIT_IN_USE
        case _:
            return EXIT_WRONG


def _seconds(text: str) -> float:
    number = float(text)
    if not 0.1 <= number <= 600:
        raise argparse.ArgumentTypeError("from 0.1 to 600")
    return number


def _seq(text: str) -> int:
    number = int(text)
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError("an entry's number, from 1")
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as exc:
        raise argparse.ArgumentTypeError("a date as 2026-11-01, or a time as 2026-11-01T06:00") from exc


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError("from 1 to 100000")
    return number


if __name__ == "__main__":
    sys.exit(main())
