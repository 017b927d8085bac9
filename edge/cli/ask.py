"""The commands that ask the running daemon, and how its answers look to a person."""

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from edge.local import FILE_NAME, Answer, AskStatus, AskTap, Request, ask
from edge.settings import Settings
from protocol.cards import CardId
from protocol.clock import ClockQuality

if TYPE_CHECKING:
    from rich.console import Console

GOOD: Final = "green"
BAD: Final = "red"
UNSURE: Final = "yellow"
PIPED_WIDTH: Final = 200

ADVICE: Final = {
    "identify": "somebody asked where this terminal is; it ends by itself",
    "updating": "wait until it is done, and leave the power on",
    "ledger_fault": "look at `journalctl -u grindvakt` and `df`: make room, or renew the SD card",
    "unbound": "bind it to a project in the portal",
    "door_alarm": "go there, see who is inside, and close the door",
    "door_pre_alarm": "close the door",
    "reader_fault": "look at the plug and the cable of the reader that is lost",
    "door_fault": "see whether something holds the bolt; `grindvakt door test NAME` moves it",
    "ledger_salvaged": "the portal shows what is lost; renew the SD card soon",
    "clock_untrusted": "let the terminal reach a time server, or fit a clock with a battery",
}
"""What to do about each condition, by the name of its pattern."""


def status(settings: Settings, *, as_json: bool) -> int:
    """Say how the running daemon is."""
    answer = _ask(settings, AskStatus())
    if as_json:
        print_json(answer)
    else:
        _show_status(answer)
    return 0


def tap(settings: Settings, card: str, reader: str | None, *, as_json: bool) -> int:
    """Hold a card against a simulated reader and say what was answered."""
    answer = _ask(settings, AskTap(str(CardId.parse(card)), reader))
    if as_json:
        print_json(answer)
    else:
        words = [answer["outcome"], answer["direction"], answer["reason"]]
        seq = answer["seq"]
        written = "not in the ledger" if seq is None else f"entry {seq}"
        print(f"{' '.join(word for word in words if word)} ({written}, shown as {answer['shown']})")
    return 0


def print_json(answer: Any) -> None:
    """Print what a program asked for."""
    print(json.dumps(answer, ensure_ascii=False, indent=2))


def _ask(settings: Settings, request: Request) -> Answer:
    return ask(settings.terminal.runtime_dir / FILE_NAME, request)


def _show_status(answer: Answer) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value, colour in _status_lines(answer):
        table.add_row(name, Text(value, style=colour or ""))
    console().print(table)


def console() -> "Console":
    """Where tables go: names are shown as they are, and a pipe cuts nothing off."""
    from rich.console import Console

    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def _status_lines(answer: Answer) -> list[tuple[str, str, str | None]]:
    """What, how it is, and in which colour; the words alone say it too."""
    binding, queue, clock, ledger = answer["binding"], answer["queue"], answer["clock"], answer["ledger"]
    lights, link = answer["lights"], answer["link"]
    lines: list[tuple[str, str, str | None]] = [
        ("terminal", f"{answer['terminal']} (grindvakt {answer['software']})", None),
        *(("wrong now", f"{each['says']}: {ADVICE[each['name']]}", BAD) for each in answer["conditions"]),
        _binding_line(binding),
        ("link", f"{'online' if link['online'] else 'offline'} to {link['broker']}", GOOD if link["online"] else BAD),
        ("unsent", _queue_words(queue), GOOD if not queue["depth"] else UNSURE),
        _clock_line(clock),
    ]
    for name, is_there in answer["readers"].items():
        lines.append((f"reader {name}", "there" if is_there else "lost", GOOD if is_there else BAD))
    lines += [(f"door {name}", state, None) for name, state in answer["doors"].items()]
    lit = [name for name in ("red", "green", "buzzer") if lights[name]]
    lines.append(("lights", f"{' and '.join(lit) or 'dark'}, showing {lights['shown']}", None))
    if answer["panel"]:
        lines.append(("panel", answer["panel"], None))
    lines.append(("ledger", f"{ledger['last_seq']} entries, {ledger['receipted']} of them receipted", None))
    if ledger["behind"]:
        lines.append(("", f"{ledger['behind']} entries of damaged ledgers are still to be sent", UNSURE))
    lines.append(("room", _room_words(ledger), None))
    lines.append(("", f"{ledger['id']} ends in {ledger['last_hash'][:16]}…", "dim"))
    return lines


def _clock_line(clock: dict[str, Any]) -> tuple[str, str, str | None]:
    words = f"{clock['utc']} ({clock['quality']})"
    match clock["quality"]:
        case ClockQuality.SYNCHRONISED:
            return ("clock", words, GOOD)
        case ClockQuality.UNTRUSTED:
            return ("clock", f"{words}; it was last right at {clock['floor']}, see docs/clock.md", BAD)
        case _:
            return ("clock", words, UNSURE)


def _binding_line(binding: dict[str, Any] | None) -> tuple[str, str, str | None]:
    if binding is None:
        return ("project", "not bound: bind it in the portal", BAD)
    ended = ", ended" if binding["ended"] else ""
    return ("project", f"{binding['project_name']}, {binding['place']} ({binding['mode']}{ended})", GOOD)


def _room_words(ledger: dict[str, Any]) -> str:
    free = ledger["disk_free_bytes"] / (1 << 30)
    return f"{ledger['capacity_percent']:g} % of the ledger's capacity in use, {free:.1f} GiB of the disk free"


def _queue_words(queue: dict[str, Any]) -> str:
    if not queue["depth"]:
        return "nothing"
    return f"{queue['depth']} entries, the oldest of {queue['oldest_unsent']}"
