"""Finds what is right by itself in a door's settings and wrong together."""

from collections.abc import Iterator
from typing import Final

from edge.doors.rules import Relock
from edge.settings import DoorSettings
from edge.words import _

FIRST_PULLED_DOWN: Final = 9
"""GPIO 0-8 are pulled up after a reset, the others down (BCM2835 ARM Peripherals, table 6-31)."""


def pins_of(door: DoorSettings) -> list[int]:
    """Every line that a door needs."""
    inputs = [door.contact_pin, door.exit_pin, door.bolt_pin, door.withdrawn_pin, door.tamper_pin]
    return [door.pin, *(pin for pin in (door.pin_lock, *inputs) if pin is not None)]


def contradictions(door: DoorSettings) -> Iterator[str]:
    """Each a whole sentence that ends in what to do."""
    for problem in (*of_the_lock(door), *_of_the_times(door)):
        yield _("door {name} {problem}").format(name=door.name, problem=problem)


def pulled_at_boot(door: DoorSettings) -> Iterator[str]:
    """Which lines move its lock while the board boots, before anybody drives them; each a whole sentence."""
    for pin in (door.pin, door.pin_lock):
        pulled_up = pin is not None and pin < FIRST_PULLED_DOWN
        if pin is not None and door.fail == "secure" and pulled_up is door.active_high:
            way, other = (_("up"), _("9 to 27")) if pulled_up else (_("down"), _("0 to 8"))
            yield (
                _(
                    "door {name}: GPIO {pin} is pulled {way} until the daemon runs, which energises it: use "
                    "one of {other}, or fit a resistor that holds it off"
                ).format(name=door.name, pin=pin, way=way, other=other)
            )


def of_the_lock(door: DoorSettings) -> Iterator[str]:
    """What keeps its lock from being driven at all, without the door's name."""
    if door.kind == "motor":
        if door.pin_lock is None:
            yield _("is a motor and has no pin_lock: give the line of the drive that throws the bolt")
        if door.bolt_pin is None:
            yield _("is a motor and has no bolt_pin: give the input that tells whether the bolt is thrown")
        if door.fail == "safe":
            yield _("is a motor and fail-safe: without power a bolt stays where it is; leave `fail` out")
        return
    for name in ("pin_lock", "bolt_pin", "withdrawn_pin"):
        if getattr(door, name) is not None:
            yield _('is a relay and has a {name}: only a motor has one; say kind = "motor", or leave it out').format(
                name=name
            )


def _of_the_times(door: DoorSettings) -> Iterator[str]:
    if door.long_seconds < door.access_seconds:
        yield _("has a long access time that is shorter than the usual one: make long_access_seconds longer")
    if door.contact_pin is None:
        if door.held_open_seconds is not None:
            yield _("cannot know whether it is held open: give contact_pin, or leave held_open_seconds out")
        if door.relock is Relock.OPENED:
            yield _('cannot know when it is opened: give contact_pin, or say relock = "time"')
    if door.pre_alarm_seconds is None:
        return
    if door.held_open_seconds is None:
        yield _("warns of an alarm that never comes: give held_open_seconds, or leave pre_alarm_seconds out")
    elif door.pre_alarm_seconds >= door.held_open_seconds:
        yield _("would warn before it is open: make pre_alarm_seconds shorter than held_open_seconds")
