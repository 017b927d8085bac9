"""Lists the readers of the settings and how each is, and what is plugged in and stands in no settings."""

from dataclasses import asdict, dataclass
from typing import Any, assert_never

import msgspec

from edge.cli.ask import print_json, reader_words
from edge.cli.reader_words import wrapped
from edge.errors import DaemonUnreachable
from edge.local import FILE_NAME, AskStatus, ask
from edge.readers.plugged import Plugged, plugged_beside
from edge.settings import ReaderSettings, Settings
from edge.words import _


@dataclass(frozen=True, slots=True)
class _Listed:
    """A reader of the settings; `state` as in the status, None while no daemon runs."""

    settings: ReaderSettings
    state: dict[str, Any] | None


def reader_list(settings: Settings, *, as_json: bool) -> int:
    """Say how each reader is, and what could be added. Raises DaemonUnreachable if one hangs, SocketForbidden."""
    try:
        states = ask(settings.terminal.runtime_dir / FILE_NAME, AskStatus())["readers"]
    except DaemonUnreachable as fault:
        if fault.hangs:
            raise
        states = None
    listed = [_Listed(each, None if states is None else states.get(each.name)) for each in settings.readers]
    plugged = plugged_beside(settings.readers)
    if as_json:
        readers = [
            msgspec.to_builtins({**asdict(each.settings), **(each.state or {})}, enc_hook=str) for each in listed
        ]
        others = [{"kind": each.kind, "name": each.name, "lines": each.lines} for each in plugged.others]
        print_json(
            {"daemon": states is not None, "readers": readers, "plugged_in": others, "pcscd": plugged.why_no_pcsc}
        )
    else:
        _show(listed, plugged, is_running=states is not None)
    return 0


def _show(listed: list[_Listed], plugged: Plugged, *, is_running: bool) -> None:
    if not is_running:
        _say(_("The daemon does not run, so nobody reads them: `systemctl start grindvakt`."))
    for each in listed:
        state = _("not read now") if each.state is None else reader_words(each.state)[0]
        _say(_("reader {name}: {state}").format(name=each.settings.name, state=state))
        print(f"  {_speech(each.settings)}")
    if plugged.why_no_pcsc:
        _say(_("pcscd, which PC/SC readers need, does not answer: {why}").format(why=plugged.why_no_pcsc))
    for other in plugged.others:
        print()
        _say(_("plugged in, and in no settings; if it is a card reader, add to terminal.toml:"))
        print("".join(f"  {line}\n" for line in other.lines), end="")
    if not plugged.others:
        _say(_("Nothing else is plugged in that could be a reader."))


def _say(text: str) -> None:
    """In lines of the terminal's width; what is to be copied is printed as it is."""
    for line in wrapped(text):
        print(line)


def _speech(reader: ReaderSettings) -> str:
    """What it is and how it speaks, as the settings have it."""
    turned = ", reversed" if reader.reversed else ""
    match reader.kind:
        case "serial":
            return f"serial, {reader.profile}, {reader.baud} baud{turned}, {reader.device}"
        case "pcsc":
            return f"pcsc{turned}, " + (repr(reader.pcsc) if reader.pcsc else _("the first that pcscd has"))
        case "osdp":
            return f"osdp, address {reader.address}, {reader.baud} baud{turned}, {reader.device}"
        case "simulated":
            return "simulated"
        case _:
            assert_never(reader.kind)
