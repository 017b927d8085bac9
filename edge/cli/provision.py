"""The command that gives an OSDP reader a key of its own, in words for whoever stands before it."""

from collections.abc import Mapping
from textwrap import fill
from typing import Final

from edge.cli.ask import print_json
from edge.local import FILE_NAME, AskProvision, ask
from edge.readers.osdp.requests import Outcome
from edge.settings import Settings
from edge.words import _, msgid

DONE: Final = frozenset({Outcome.KEYED, Outcome.REPLACED})

WIDTH: Final = 79

WORDS: Final[Mapping[Outcome, str]] = {
    Outcome.KEYED: msgid(
        "Reader {name} has a key of its own now and has answered under it.\n"
        "Next: switch install mode off at the reader, if that is a switch, and hold a card against it."
    ),
    Outcome.REPLACED: msgid("Reader {name} has a new key and has answered under it. The old one is forgotten."),
    Outcome.SILENT: msgid(
        "Reader {name} does not answer, and has no new key.\n"
        "Look at its power, at A and B (try them the other way round), and at address and baud: "
        "the settings must say what is set at the reader."
    ),
    Outcome.FOREIGN_KEY: msgid(
        "Reader {name} answers, but has another key than ours and is not in install mode.\n"
        "Put it in install mode (its manual says how; mostly by resetting it to factory settings), then ask again."
    ),
    Outcome.NOT_CAPABLE: msgid(
        "Reader {name} answers and knows no Secure Channel, so that anybody could imitate it: it cannot be used.\n"
        "Look whether its maker has a newer firmware, or take another reader."
    ),
    Outcome.UNPROVED: msgid(
        "Reader {name} answers, but has not proved in time that it has the new key.\n"
        "Both the old and the new one stay known, and whichever it has is found by itself. Ask again in a minute; "
        "if that fails too, put it in install mode first."
    ),
    Outcome.PORT_GONE: msgid(
        "The port of reader {name} is not there, and the reader has no new key.\n"
        "Look at the adapter and at `device` in the settings: `grindvakt reader list` shows what is plugged in."
    ),
}


def provision(settings: Settings, name: str, *, as_json: bool) -> int:
    """Have the running daemon do it; 0 when the reader has its key. Raises TerminalError."""
    answer = ask(settings.terminal.runtime_dir / FILE_NAME, AskProvision(name))
    outcome = Outcome(answer["outcome"])
    if as_json:
        print_json(answer)
    else:
        for paragraph in _(WORDS[outcome]).format(name=name).splitlines():
            print(fill(paragraph, WIDTH))
    return 0 if outcome in DONE else 1
