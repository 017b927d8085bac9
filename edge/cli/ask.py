"""The commands that ask the running daemon, and how its answers look to a person."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from edge.local import FILE_NAME, Answer, AskStatus, AskTap, Request, ask
from edge.settings import Settings
from edge.words import _, msgid
from protocol.cards import CardId
from protocol.clock import ClockQuality

if TYPE_CHECKING:
    from rich.console import Console

GOOD: Final = "green"
BAD: Final = "red"
UNSURE: Final = "yellow"
PIPED_WIDTH: Final = 200
LIGHTS: Final = (msgid("red"), msgid("green"), msgid("buzzer"))

ADVICE: Final = {
    "identify": msgid("somebody asked where this terminal is; it ends by itself"),
    "updating": msgid("wait until it is done, and leave the power on"),
    "ledger_fault": msgid("look at `journalctl -u grindvakt` and `df`: make room, or renew the SD card"),
    "unbound": msgid("bind it to a project in the portal"),
    "door_alarm": msgid("go there, see who is inside, and close the door"),
    "door_pre_alarm": msgid("close the door"),
    "reader_tamper": msgid("go to the reader: somebody opened it or took it off its wall"),
    "reader_fault": msgid("look at the plug and the cable of the reader that is lost"),
    "door_fault": msgid("see whether something holds the bolt; `grindvakt door test NAME` moves it"),
    "ledger_salvaged": msgid("the portal shows what is lost; renew the SD card soon"),
    "clock_untrusted": msgid("let the terminal reach a time server, or fit a clock with a battery"),
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
        written = _("not in the ledger") if seq is None else _("entry {seq}").format(seq=seq)
        shown = _("shown as {pattern}").format(pattern=answer["shown"])
        print(f"{' '.join(word for word in words if word)} ({written}, {shown})")
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
    online = _("online to {broker}") if link["online"] else _("offline to {broker}")
    lines: list[tuple[str, str, str | None]] = [
        (_("terminal"), f"{answer['terminal']} (grindvakt {answer['software']})", None),
        *((_("wrong now"), f"{_(each['says'])}: {_(ADVICE[each['name']])}", BAD) for each in answer["conditions"]),
        _binding_line(binding),
        (_("link"), online.format(broker=link["broker"]), GOOD if link["online"] else BAD),
        _tables_line(answer),
        (_("unsent"), _queue_words(queue), GOOD if not queue["depth"] else UNSURE),
        _clock_line(clock),
    ]
    lines += [reader_line(name, state) for name, state in answer["readers"].items()]
    lines += [(_("door {name}").format(name=name), _(state), None) for name, state in answer["doors"].items()]
    lit = [_(name) for name in LIGHTS if lights[name]]
    showing = _("showing {pattern}").format(pattern=lights["shown"])
    shining = _(" and ").join(lit) or _("dark")
    lines.append((_("lights"), f"{shining}, {showing}", None))
    if answer["panel"]:
        lines.append((_("panel"), answer["panel"], None))
    receipted = _("{last_seq} entries, {receipted} of them receipted").format(**ledger)
    lines.append((_("ledger"), receipted, None))
    if ledger["behind"]:
        lines.append(("", _("{behind} entries of damaged ledgers are still to be sent").format(**ledger), UNSURE))
    lines.append((_("room"), _room_words(ledger), None))
    lines.append(("", _("{id} ends in {hash}…").format(id=ledger["id"], hash=ledger["last_hash"][:16]), "dim"))
    return lines


def reader_line(name: str, state: dict[str, Any]) -> tuple[str, str, str | None]:
    """How a reader is, and what to do where it is not there."""
    return (_("reader {name}").format(name=name), *reader_words(state))


def reader_words(state: dict[str, Any]) -> tuple[str, str]:
    """How a reader is, as the status has it, and in which colour."""
    if state["tampered"]:
        return (_("opened or taken off its wall: go and look at it"), BAD)
    if state["there"]:
        return (_("there"), GOOD)
    if state["why"] is None:
        return (_("not heard of yet"), UNSURE)
    lost_at = f"{datetime.fromisoformat(state['lost_at']).astimezone():%Y-%m-%d %H:%M:%S}"
    said = _("lost since {lost_at}: {why}; it comes back by itself")
    return (said.format(lost_at=lost_at, why=_(state["why"])), BAD)


def _clock_line(clock: dict[str, Any]) -> tuple[str, str, str | None]:
    quality = clock["quality"]
    words = f"{clock['utc']} ({_(quality)})"
    match quality:
        case ClockQuality.SYNCHRONISED:
            return (_("clock"), words, GOOD)
        case ClockQuality.UNTRUSTED:
            return (
                _("clock"),
                _("{words}; it was last right at {floor}, see docs/clock.md").format(words=words, **clock),
                BAD,
            )
        case _:
            return (_("clock"), words, UNSURE)


def _binding_line(binding: dict[str, Any] | None) -> tuple[str, str, str | None]:
    if binding is None:
        return (_("project"), _("not bound: bind it in the portal"), BAD)
    ended = _(", ended") if binding["ended"] else ""
    return (_("project"), f"{binding['project_name']}, {binding['place']} ({binding['mode']}{ended})", GOOD)


def _tables_line(answer: Answer) -> tuple[str, str, str | None]:
    """Which version of each table counts; names in a log and on the wire, so they are not translated."""
    held = ", ".join(f"{name} {version}" for name, version in sorted(answer["tables"].items())) or _("none yet")
    if not answer["lacking"]:
        return (_("tables"), held, None)
    return (
        _("tables"),
        _("{held}; still to come: {lacking}").format(held=held, lacking=", ".join(answer["lacking"])),
        UNSURE,
    )


def _room_words(ledger: dict[str, Any]) -> str:
    free = ledger["disk_free_bytes"] / (1 << 30)
    said = _("{percent:g} % of the ledger's capacity in use, {free:.1f} GiB of the disk free")
    return said.format(percent=ledger["capacity_percent"], free=free)


def _queue_words(queue: dict[str, Any]) -> str:
    if not queue["depth"]:
        return _("nothing")
    return _("{depth} entries, the oldest of {oldest_unsent}").format(**queue)
