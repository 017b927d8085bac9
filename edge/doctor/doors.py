"""Judges doors and lights by what the daemon says of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doors.door import DoorState
from edge.errors import DaemonUnreachable, RequestRefused, SocketForbidden
from edge.local import FILE_NAME, Answer, AskDoor, ask
from edge.settings import DoorSettings, SignalSettings
from edge.words import _

LIGHTS: Final = "signals"

_JUDGED: Final[dict[DoorState, Callable[[str], Finding]]] = {
    DoorState.JAMMED: lambda part: bad(
        part,
        _("jammed: the bolt is not where it was driven to"),
        _("see whether something holds it; then `grindvakt door test {name}`").format(name=part.removeprefix("door ")),
    ),
    DoorState.FORCED: lambda part: bad(
        part, _("opened while it was locked"), _("go there, see who is inside, and close the door")
    ),
    DoorState.HELD_OPEN: lambda part: bad(
        part, _("stands open for too long"), _("close it; if it is closed, look at its contact's wire and polarity")
    ),
}


def look_at_doors(doors: Sequence[DoorSettings], runtime: Path) -> dict[str, Answer]:
    """What the running daemon says of each: its state, whether its lock is faulty, and what each switch sees."""
    told = {}
    for door in doors:
        with suppress(DaemonUnreachable, RequestRefused, SocketForbidden):
            told[door.name] = ask(runtime / FILE_NAME, AskDoor(door.name))
    return told


def judge_doors(doors: Sequence[DoorSettings], told: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Each door by its name; of one that is not in `told` nobody knows anything."""
    if not doors:
        yield good("doors", _("none is configured: taps are recorded, and nothing is opened"))
    for door in doors:
        yield _judge(f"door {door.name}", door, told.get(door.name))


def _judge(part: str, door: DoorSettings, told: Mapping[str, Any] | None) -> Finding:
    if told is None:
        return unknown(part, _("only the daemon knows, and it gave no answer"))
    state, seen = DoorState(told["state"]), told["seen"]
    if (judged := _JUDGED.get(state)) is not None:
        return judged(part)
    if told["faulty"]:
        found = _("{state}, and its lock did not obey").format(state=_(state))
        return bad(
            part, found, _("see whether relay or drive is powered: `grindvakt door test {name}`").format(name=door.name)
        )
    if seen.get("tamper"):
        return bad(
            part, _("its tamper switch says that the box is open"), _("close the box, or see tamper_active_high")
        )
    if seen.get("thrown") and seen.get("withdrawn"):
        found = _("both switches of the bolt say yes")
        return bad(part, found, _("one is wired or set wrong: see bolt_active_high and withdrawn_active_high"))
    if seen.get("exit"):
        found = _("{state}; its exit button is pressed").format(state=_(state))
        return doubtful(part, found, _("if nobody presses it: it sticks, or see its wires and exit_active_high"))
    return good(part, _state(door, state))


def _state(door: DoorSettings, state: str) -> str:
    if door.contact_pin is None:
        return _("{state}; without a contact nobody knows whether it is open").format(state=_(state))
    return _(state)


def judge_signals(settings: SignalSettings, told: Mapping[str, Any] | None) -> Finding:
    """What the lights show now; `told` is the daemon's status."""
    if told is None:
        return unknown(LIGHTS, _("only the daemon knows, and it gave no answer"))
    shown = str(told["lights"]["shown"])
    if settings.kind == "simulated":
        return doubtful(LIGHTS, _("simulated: nobody at the gate sees them"), _('write kind = "gpio" in [signals]'))
    why = "; ".join(_(str(each["says"])) for each in told["conditions"])
    words = _("they show {shown}").format(shown=shown) + (f" ({why})" if why else "")
    return good(LIGHTS, words, _("see whether they really light: `grindvakt signal show identify`"))
