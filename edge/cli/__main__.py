"""The command `grindvakt`: the daemon, and what an installer asks of it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.cli.parser import parser
from edge.config import EXIT_CONFIG, load
from edge.errors import ConfigInvalid, DaemonUnreachable, StateInUse, TerminalError
from edge.settings import Settings
from edge.words import speak, speak_plainly
from protocol.errors import ProtocolError

LEDGER: Final = "ledger.db"
EXIT_WRONG: Final = 1
EXIT_UNREACHABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_IN_USE: Final = 75  # EX_TEMPFAIL
EXIT_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit status."""
    speak()
    asked = parser().parse_args(arguments)
    try:
        return _obey(asked)
    except (TerminalError, ProtocolError) as fault:
        _complain(fault, asked.json)
        return _status_of(fault)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _obey(asked: argparse.Namespace) -> int:
    if asked.command == "signal" and asked.signal == "list":
        from edge.cli.signal import signal_list

        return signal_list(as_json=asked.json)
    if asked.command == "completion":
        from edge.cli.completion import completion

        return completion(asked.shell)
    if asked.command == "door":
        from edge.cli.door import door

        return door(asked, os.environ)
    if asked.command == "reader":
        from edge.cli.reader import reader

        return reader(asked, os.environ)
    if asked.command == "ledger" and asked.file is not None:
        return _obey_ledger(asked, asked.file)
    if asked.command in {"check-config", "doctor"}:
        return _look_over(asked)
    settings = load(asked.config, os.environ)
    match asked.command:
        case "run":
            return _run(settings, simulate=asked.simulate)
        case "status" | "tap":
            return _obey_asking(asked, settings)
        case "inspect":
            from edge.cli.inspect import inspect

            return inspect(settings, asked, os.environ)
        case "signal":
            from edge.cli.signal import signal_show

            return signal_show(settings, asked.pattern, asked.seconds, as_json=asked.json)
        case _:
            return _obey_ledger(asked, settings.terminal.state_dir / LEDGER)


def _obey_asking(asked: argparse.Namespace, settings: Settings) -> int:
    from edge.cli.ask import status, tap

    if asked.command == "status":
        return status(settings, as_json=asked.json)
    return tap(settings, asked.card, asked.reader, as_json=asked.json)


def _look_over(asked: argparse.Namespace) -> int:
    """What looks at settings that may be wrong."""
    if asked.command == "doctor":
        from edge.cli.doctor import doctor

        return doctor(asked.config, os.environ, as_json=asked.json)
    from edge.cli.check_config import check_config

    return check_config(asked.config, os.environ, as_json=asked.json)


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
    speak_plainly()
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


if __name__ == "__main__":
    sys.exit(main())
