"""Makes doors out of their settings."""

from collections.abc import Callable

from edge.doors.door import Door, OnChange, Sensors, Times
from edge.doors.inputs import Input
from edge.doors.lines import door_inputs, lock_line, throw_line
from edge.doors.locks import Lock, RelayLock
from edge.doors.motor_lock import Motor, MotorLock
from edge.pins.pins import Pins
from edge.scheduler import Scheduler
from edge.settings import DoorSettings


def fitted(
    settings: DoorSettings,
    pins: Pins,
    loop: Scheduler,
    on_change: OnChange,
    after: Callable[[Door], None] = lambda _: None,
) -> Door:
    """The door that the settings describe; its lines must be among the pins. It is locked once it is started."""
    made = {}
    for line in door_inputs(settings):
        what, quiet = line.name.partition("-")[0], settings.debounce_seconds
        made[what] = Input(line.name, pins.input(line.name), loop, quiet, is_button=what == "exit")
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
