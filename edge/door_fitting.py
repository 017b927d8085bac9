"""Makes doors out of settings: which lines each needs, and how its parts go together."""

from collections.abc import Callable, Iterable
from typing import Final

from edge.doors import Door, OnChange, Sensors, Times
from edge.inputs import Input
from edge.lines import InputLine, Line
from edge.locks import Lock, RelayLock
from edge.motor_lock import Motor, MotorLock
from edge.pins import Pins
from edge.scheduler import Scheduler
from edge.settings import DoorSettings

INPUTS: Final = ("contact", "exit", "bolt", "withdrawn", "tamper")


def lock_line(door: str) -> str:
    """The name of the line that lets a door be opened: its relay, or the drive that withdraws its bolt."""
    return f"lock-{door}"


def throw_line(door: str) -> str:
    """The name of the line of the drive that throws a door's bolt."""
    return f"throw-{door}"


def outputs(doors: Iterable[DoorSettings]) -> list[Line]:
    """The lines that move these doors' locks."""
    lines = []
    for door in doors:
        lines.append(Line(lock_line(door.name), door.pin, door.active_high))
        if door.pin_lock is not None:
            lines.append(Line(throw_line(door.name), door.pin_lock, door.active_high))
    return lines


def inputs(doors: Iterable[DoorSettings]) -> list[InputLine]:
    """The lines that these doors' switches are on."""
    return [line for door in doors for line in _inputs(door)]


def _inputs(door: DoorSettings) -> list[InputLine]:
    given = [(name, getattr(door, f"{name}_pin"), getattr(door, f"{name}_active_high")) for name in INPUTS]
    return [
        InputLine(f"{name}-{door.name}", pin, active_high, door.input_pull)
        for name, pin, active_high in given
        if pin is not None
    ]


def fitted(
    settings: DoorSettings,
    pins: Pins,
    loop: Scheduler,
    on_change: OnChange,
    after: Callable[[Door], None] = lambda _: None,
) -> Door:
    """The door that the settings describe; its lines must be among the pins. It is locked once it is started."""
    made = {
        line.name.partition("-")[0]: Input(line.name, pins.input(line.name), loop, settings.debounce_seconds)
        for line in _inputs(settings)
    }
    sensors = Sensors(contact=made.get("contact"), exit_button=made.get("exit"), tamper=made.get("tamper"))
    times = Times(
        access=settings.access_seconds,
        long_access=settings.long_seconds,
        held_open=settings.held_open_seconds,
        pre_alarm=settings.pre_alarm_seconds,
        relock=settings.relock,
    )
    return Door(settings.name, _lock(settings, pins, loop, made), (sensors, times), loop, on_change, after)


def _lock(settings: DoorSettings, pins: Pins, loop: Scheduler, made: dict[str, Input]) -> Lock:
    name, pin = settings.name, pins[lock_line(settings.name)]
    if settings.kind == "relay":
        return RelayLock(name, pin, loop, fail_safe=settings.fail == "safe")
    motor = Motor(pin, pins[throw_line(name)], made["bolt"], made.get("withdrawn"), settings.motor_seconds)
    return MotorLock(name, motor, loop)
