"""The command line of `grindvakt`: its commands, their options, and what each is for."""

import argparse
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeAlias

from edge.config import DEFAULT_PATH
from edge.version import software
from edge.words import _, msgid

LONGEST_WORD: Final = 60

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EPILOG: Final = msgid("""\
exit status:
  0   done
  1   refused, or found wrong: a broken chain, a disk that cannot be written
  2   the command line is wrong
  69  the daemon does not answer
  70  a fault of the program; it is in the log
  75  another daemon runs on the same state
  78  the configuration is wrong
  130 ended by Ctrl-C
""")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps a name and what it is for on one line: argparse forgets that commands are indented further than options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="grindvakt",
        description=_("The terminal at the gate: runs it, and says how it is."),
        epilog=_(EPILOG),
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"grindvakt {software()}")
    commands = top.add_subparsers(title=_("commands"), dest="command", required=True, metavar=_("COMMAND"))
    shared = argparse.ArgumentParser(add_help=False)
    default = _("default: {path}").format(path=DEFAULT_PATH)
    shared.add_argument("--config", type=Path, default=DEFAULT_PATH, metavar=_("FILE"), help=default)
    shared.add_argument("--json", action="store_true", help=_("answer in JSON, for programs"))

    run = _command(commands, "run", _("run the daemon"), shared)
    run.add_argument("--simulate", action="store_true", help=_("no hardware: a panel to see and tap it"))
    _command(commands, "status", _("say how the running daemon is"), shared)
    _command(commands, "check-config", _("look for mistakes in the settings"), shared)
    doctor = _command(commands, "doctor", _("look at every part, and say what to do"), shared)
    doctor.epilog = _("a part that is bad makes the exit status 1; what is doubtful or unknown leaves it at 0")
    tap = _command(commands, "tap", _("hold a card against a simulated reader"), shared)
    tap.add_argument("card", metavar=_("CARDID"), help=_("for example uid:04A1B2C3D4E5F6"))
    tap.add_argument("--reader", metavar=_("NAME"), help=_("which simulated reader; the first, if not given"))
    _signal_commands(_command(commands, "signal", _("lights and buzzer")), shared)
    _reader_commands(_command(commands, "reader", _("list card readers, and see what they read")), shared)
    _door_commands(_command(commands, "door", _("open, try and lock doors")), shared)
    _ledger_commands(_command(commands, "ledger", _("read the ledger; the daemon may run meanwhile")), shared)
    about = _("show the staff ledger at a control visit, in Swedish: who is here, and who was")
    _inspect_options(_command(commands, "inspect", about, shared))
    _completion_command(_command(commands, "completion", _("write what a shell needs to complete these commands")))
    return top


def _inspect_options(inspect: argparse.ArgumentParser) -> None:
    inspect.add_argument("view", nargs="?", choices=("present", "history"), help=_("who is here (default), or was"))
    inspect.add_argument("--from", dest="first", type=_day, metavar=_("DATE"), help=_("the first day of a history"))
    inspect.add_argument("--to", dest="last", type=_day, metavar=_("DATE"), help=_("its last day; default: no end"))
    by = _("days of work (default), or of recording")
    inspect.add_argument("--by", choices=("work", "recording"), default="work", help=by)
    part = _("only this one: name, number, or a part of it")
    inspect.add_argument("--company", type=_word, default="", metavar=_("WHO"), help=part)
    inspect.add_argument("--person", type=_word, default="", metavar=_("WHO"), help=part)
    inspect.add_argument("--all", dest="denied", action="store_true", help=_("denied taps too"))
    inspect.add_argument("--every-project", action="store_true", help=_("also projects that it was bound to before"))
    where = inspect.add_mutually_exclusive_group()
    where.add_argument("--pdf", type=Path, metavar=_("FILE"), help=_("write pages for printing"))
    where.add_argument(
        "--usb", nargs="?", const="", metavar=_("STICK"), help=_("write PDF, table and entries to a USB stick")
    )
    inspect.add_argument("--force", action="store_true", help=_("write over a PDF that is there"))


def _completion_command(completion: argparse.ArgumentParser) -> None:
    completion.set_defaults(json=False)
    completion.add_argument(
        "shell", choices=("bash", "zsh"), help=_("which; put it where the shell looks for such files")
    )
    completion.epilog = _("for all users: grindvakt completion bash > /etc/bash_completion.d/grindvakt")


def _command(commands: _Commands, name: str, words: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command, which says the same in the list and at the head of its own help."""
    return commands.add_parser(name, parents=parents, help=words, description=words, formatter_class=_Help)


def _ledger_commands(ledger: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    views = ledger.add_subparsers(title=_("commands"), dest="view", required=True, metavar=_("VIEW"))
    tail = _command(views, "tail", _("show the newest entries"), shared)
    tail.add_argument("-n", "--number", type=_count, default=20, help=_("how many; default: 20"))
    verify = _command(views, "verify", _("check the whole chain of a ledger or an export"), shared)
    export = _command(views, "export", _("write entries to a file that anybody can check"), shared)
    for view in (tail, verify, export):
        view.add_argument(
            "file", nargs="?", type=Path, metavar=_("FILE"), help=_("another ledger than that of the settings")
        )
    export.add_argument(
        "--format", choices=("jsonl", "csv"), default="jsonl", help=_("JSON lines (default), or a table")
    )
    export.add_argument("--output", required=True, metavar=_("PATH"), help=_("the file to write; - is standard output"))
    export.add_argument("--force", action="store_true", help=_("write over a file that is there"))
    begin = export.add_mutually_exclusive_group()
    begin.add_argument("--from", dest="first", type=_seq, metavar=_("SEQ"), help=_("the first entry; default: 1"))
    begin.add_argument("--since", type=_moment, metavar=_("DATE"), help=_("a date or time here, as 2026-11-01T06:00"))
    export.add_argument("--to", dest="last", type=_seq, metavar=_("SEQ"), help=_("the last entry; default: the newest"))


def _door_commands(door: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    acts = door.add_subparsers(title=_("commands"), dest="door", required=True, metavar=_("WHAT"))
    opens = _command(acts, "open", _("open a door as a granted tap does"), shared)
    tests = _command(acts, "test", _("try lock, contact and buttons, step by step"), shared)
    tests.add_argument("--seconds", type=_seconds, default=60.0, help=_("how long to wait for each step; default: 60"))
    _command(acts, "lock", _("lock all, without the daemon; systemd does so after each stop"), shared)
    does = _command(acts, "act", _("do something to a simulated door"), shared)
    for each in (opens, tests, does):
        each.add_argument("name", metavar=_("NAME"), help=_("what the settings call it"))
    does.add_argument("act", metavar=_("ACT"), help=_("push, close, force, exit, tamper, jam or unjam"))


def _reader_commands(reader: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    views = reader.add_subparsers(title=_("commands"), dest="reader", required=True, metavar=_("VIEW"))
    _command(views, "list", _("say how each reader is, and what is plugged in and not in the settings"), shared)
    gives = _command(views, "provision", _("give an OSDP reader a key of its own"), shared)
    gives.add_argument("name", metavar=_("NAME"), help=_("what the settings call it"))
    watch = _command(views, "watch", _("show each card as it is read, with its bytes, until Ctrl-C"), shared)
    watch.add_argument("--seconds", type=_seconds, help=_("end after so long"))


def _signal_commands(signal: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    views = signal.add_subparsers(title=_("commands"), dest="signal", required=True, metavar=_("VIEW"))
    _command(views, "list", _("draw every pattern and say what it means"), shared)
    show = _command(views, "show", _("show a pattern on the running daemon's lights"), shared)
    show.add_argument("pattern", metavar=_("PATTERN"), help=_("for example blocked, or identify to find it"))
    show.add_argument("--seconds", type=_seconds, default=5.0, help=_("for how long; a tap ends it; default: 5"))


def _day(text: str) -> date:
    """A date as everybody writes it, or as the regulation does: 2026:11:01."""
    try:
        return date.fromisoformat(text.replace(":", "-"))
    except ValueError as exc:
        raise argparse.ArgumentTypeError(_("a date as 2026-11-01")) from exc


def _word(text: str) -> str:
    if len(text) > LONGEST_WORD:
        raise argparse.ArgumentTypeError(_("at most {most} characters").format(most=LONGEST_WORD))
    return text


def _seconds(text: str) -> float:
    number = float(text)
    if not 0.1 <= number <= 600:
        raise argparse.ArgumentTypeError(_("from 0.1 to 600"))
    return number


def _seq(text: str) -> int:
    number = int(text)
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(_("an entry's number, from 1"))
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as exc:
        raise argparse.ArgumentTypeError(_("a date as 2026-11-01, or a time as 2026-11-01T06:00")) from exc


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError(_("from 1 to 100000"))
    return number
