"""Judges doors and lights by what the daemon says of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doors.door import DoorState
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


def judge_doors(doors: Sequence[DoorSettings], told: dict[str, str] | None) -> Iterator[Finding]:
    """Each door by its name; `told` is what the daemon says of them, None where it does not run."""
    if not doors:
        yield good("doors", _("none is configured: taps are recorded, and nothing is opened"))
    for door in doors:
        part = f"door {door.name}"
        if told is None or door.name not in told:
            yield unknown(part, _("only the daemon knows, and it gave no answer"))
            continue
        judged = _JUDGED.get(DoorState(told[door.name]))
        yield judged(part) if judged is not None else good(part, _state(door, told[door.name]))


def _state(door: DoorSettings, state: str) -> str:
    if door.contact_pin is None:
        return _("{state}; without a contact nobody knows whether it is open").format(state=state)
    return state


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
