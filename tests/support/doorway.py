"""A door with its real parts in one process: simulated lines, a leaf and a bolt that obey physics, time by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge.doors.door import Door, DoorState
from edge.doors.fitting import fitted
from edge.doors.lines import inputs, lock_line, outputs, throw_line
from edge.doors.signs import DoorSigns
from edge.doors.simulated_door import Act, SimulatedDoor
from edge.pins.history import PinChange, read_pin_history
from edge.pins.pins import Pins
from edge.settings import DoorSettings
from edge.signals.patterns import Pattern
from tests.support.hand_clock import HandLoop

RELAY: Final = DoorSettings(
    name="gate",
    pin=23,
    contact_pin=5,
    exit_pin=6,
    tamper_pin=12,
    access_seconds=5,
    long_access_seconds=20,
    held_open_seconds=30,
    pre_alarm_seconds=10,
)
MOTOR: Final = DoorSettings(
    name="gate",
    kind="motor",
    pin=23,
    pin_lock=24,
    bolt_pin=13,
    withdrawn_pin=16,
    motor_seconds=2,
    contact_pin=5,
    exit_pin=6,
    tamper_pin=12,
    access_seconds=5,
    long_access_seconds=20,
    held_open_seconds=30,
    pre_alarm_seconds=10,
)


def changed(settings: DoorSettings, **other: Any) -> DoorSettings:
    """The same door with other settings."""
    given = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    return DoorSettings(**{**given, **other})


@dataclass
class Doorway:
    """What a test does at a door, and everything that can be seen there."""

    settings: DoorSettings
    loop: HandLoop
    pins: Pins
    door: Door
    wall: SimulatedDoor
    log: Path
    entries: list[tuple[DoorState, str]] = field(default_factory=list)
    held: set[Pattern] = field(default_factory=set)

    def act(self, *acts: Act, then: float = 0.2) -> str:
        """Do these one after another, each followed by some time for its switch to settle."""
        words = ""
        for act in acts:
            words = self.wall.act(act)
            self.loop.advance(then)
        return words

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.advance(seconds)

    @property
    def state(self) -> DoorState:
        """What the door says it is."""
        return self.door.state

    @property
    def is_energised(self) -> bool:
        """Whether the relay, or the drive that withdraws the bolt, is on."""
        return self.pins[lock_line(self.settings.name)].is_on

    @property
    def is_throwing(self) -> bool:
        """Whether the drive that throws the bolt is on."""
        return self.pins[throw_line(self.settings.name)].is_on

    @property
    def states(self) -> list[DoorState]:
        """The states of all entries."""
        return [state for state, _ in self.entries]

    @property
    def changes(self) -> list[PinChange]:
        """Everything that the lines did."""
        return read_pin_history(self.log)


@contextmanager
def doorway(folder: Path, settings: DoorSettings) -> Iterator[Doorway]:
    """A started door; opened again in the same folder it stands as it was left."""
    loop, log = HandLoop(), folder / "pins.log"
    pins = Pins.simulated(outputs([settings]), log, inputs([settings]))
    assert pins.simulation is not None
    wall = SimulatedDoor(settings, pins.simulation, loop)
    entries: list[tuple[DoorState, str]] = []
    held: set[Pattern] = set()

    def hold(pattern: Pattern, on: bool) -> None:
        assert (pattern in held) is not on, f"{pattern} is told again"
        held.symmetric_difference_update({pattern})

    door = fitted(settings, pins, loop, lambda _, state, cause: entries.append((state, cause)), DoorSigns(hold).look)
    door.start()
    try:
        yield Doorway(settings, loop, pins, door, wall, log, entries, held)
    finally:
        door.stop()
        pins.close()
