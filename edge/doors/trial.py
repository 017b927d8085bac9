"""Tries a door together with the installer: what to do, what was seen of it, and what to look at when it was not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from edge.words import _, msgid

LOOK_EVERY: Final = 0.1

Look = dict[str, Any]
"""What the daemon says of the door: its state, its lock, and what each switch sees."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do and to see; `name` is for programs, and is translated where it is shown."""

    name: str
    do: str
    is_seen: Callable[[Look], bool]
    otherwise: str
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a step; `advice` is empty when it was seen."""

    step: str
    seen: bool
    seconds: float
    advice: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The daemon, the clock (monotonic seconds) and the installer."""

    look: Callable[[], Look]
    open: Callable[[], object]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]


def steps(first: Look) -> Iterator[Step]:
    """What there is to try at this door, by what is fitted to it."""
    seen = first["seen"]
    bolt = "thrown" in seen
    yield Step(
        msgid("locked"),
        _("Close the door and leave it alone."),
        lambda look: look["state"] == "locked",
        _not_locked(seen),
    )
    motor = _("is the motor powered, and are pin and pin_lock the right way round?")
    relay = _("is the relay powered, and is active_high right?")
    yield Step(
        msgid("unlocked"),
        _("The lock is opened now: listen for it."),
        lambda look: look["lock"] == "unlocked",
        motor if bolt else relay,
        opens=True,
    )
    if "contact" in seen:
        yield Step(
            msgid("opened"),
            _("Open the door."),
            lambda look: bool(look["seen"]["contact"]),
            _("the contact did not tell: look at its gap, its wires and contact_active_high"),
            opens=True,
        )
        yield Step(
            msgid("closed"),
            _("Close the door."),
            lambda look: not look["seen"]["contact"],
            _("the contact still says open: look at its gap"),
        )
    yield Step(msgid("relocked"), _("Leave it alone: it locks by itself."), _is_locked, _not_locked(seen))
    yield from _buttons(seen)


def _buttons(seen: dict[str, bool]) -> Iterator[Step]:
    """What is beside lock and leaf."""
    if "exit" in seen:
        yield Step(
            msgid("exit button"),
            _("Press the exit button."),
            lambda look: bool(look["seen"]["exit"]) or look["lock"] != "locked",
            _("the button did not tell: look at its wires and exit_active_high"),
        )
    if "tamper" in seen:
        tamper = _("the switch did not tell: look at its wires and tamper_active_high")
        yield Step(msgid("box opened"), _("Open the box."), lambda look: bool(look["seen"]["tamper"]), tamper)
        yield Step(msgid("box closed"), _("Close the box."), lambda look: not look["seen"]["tamper"], tamper)


def _is_locked(look: Look) -> bool:
    return bool(look["state"] == "locked")


def _not_locked(seen: dict[str, bool]) -> str:
    if "thrown" in seen:
        return _("the bolt was not seen thrown: look at its hole, bolt_pin and bolt_active_high")
    return _("it was not seen closed: look at the contact's gap, its wires and contact_active_high")


def tried(around: Surroundings, seconds: float) -> Iterator[Tried]:
    """Go through the steps, each for at most so many seconds; the first that is not seen does not end the trial."""
    for step in steps(around.look()):
        around.say(step.do)
        yield _try(step, around, seconds)


def _try(step: Step, around: Surroundings, seconds: float) -> Tried:
    began = around.now()
    look = around.look()
    while True:
        if step.is_seen(look):
            return Tried(step.name, True, round(around.now() - began, 1), "")
        if around.now() - began >= seconds:
            return Tried(step.name, False, round(around.now() - began, 1), step.otherwise)
        if step.opens and look["lock"] == "locked":
            around.open()
        around.sleep(LOOK_EVERY)
        look = around.look()
