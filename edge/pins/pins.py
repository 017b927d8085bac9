"""Drives output lines and reads input lines: real ones on a Raspberry Pi, or simulated ones with a file of history."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from gpiozero import InputDevice, OutputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPin

from edge.errors import PinFailed, PinsUnavailable
from edge.pins.history import LARGEST_HISTORY, PinHistory
from edge.pins.lines import InputLine, Line, Pull

L = TypeVar("L", Line, InputLine)
P = TypeVar("P")


class PinOutput:
    """One output line, already inactive when it is handed out."""

    def __init__(self, line: Line, factory: Any) -> None:
        self.name = line.name
        self._device: Any = OutputDevice(
            line.number, active_high=line.active_high, initial_value=False, pin_factory=factory
        )

    def set(self, on: bool) -> None:
        """Energise the line or let it go. Raises PinFailed."""
        try:
            self._device.value = on
        except (GPIOZeroError, OSError, *_board_errors) as exc:
            raise PinFailed(self.name, str(exc)) from exc

    @property
    def is_on(self) -> bool:
        """Says whether it is energised."""
        return bool(self._device.value)

    def close(self) -> None:
        """Let the line go, inactive."""
        try:
            self.set(False)
        except PinFailed:  # the program ends, and with it the line is released
            pass
        finally:
            self._device.close()


class PinInput:
    """One input line, as it is at the moment, bounces and all: `edge.doors.inputs` makes sense of it."""

    def __init__(self, line: InputLine, factory: Any) -> None:
        self.name = line.name
        self._active_high = line.active_high
        self._moved: Callable[[], None] | None = None
        pull_up = {Pull.UP: True, Pull.DOWN: False, Pull.NONE: None}[line.pull]
        state = True if pull_up is None else None  # gpiozero wants one only then; polarity is ours
        self._device: Any = InputDevice(line.number, pull_up=pull_up, active_state=state, pin_factory=factory)

    @property
    def is_on(self) -> bool:
        """Says whether it means yes. Raises PinFailed."""
        try:
            return bool(self._device.pin.state) is self._active_high
        except (GPIOZeroError, OSError, *_board_errors) as exc:
            raise PinFailed(self.name, str(exc)) from exc

    def watch(self, moved: Callable[[], None]) -> None:
        """Call `moved` at every edge from now on; on a Pi from a thread of lgpio's. Raises PinFailed."""
        self._moved = moved
        try:
            self._device.pin.when_changed = self._changed
        except (GPIOZeroError, OSError, *_board_errors) as exc:
            raise PinFailed(self.name, str(exc)) from exc

    def close(self) -> None:
        """Let the line go."""
        self._moved = None
        self._device.close()

    def _changed(self, _ticks: float, _level: int) -> None:
        if self._moved is not None:
            self._moved()


class Pins:
    """The named lines of a terminal. All outputs are made inactive before anything else is done with any line."""

    def __init__(self, lines: Sequence[Line], factory: Any, inputs: Sequence[InputLine] = ()) -> None:
        self._factory = factory
        self._outputs: dict[str, PinOutput] = {}
        self._inputs: dict[str, PinInput] = {}
        for line in lines:
            self._outputs[line.name] = self._taken(PinOutput, line)
        for switch in inputs:
            self._inputs[switch.name] = self._taken(PinInput, switch)

    def _taken(self, kind: Callable[[L, Any], P], line: L) -> P:
        try:
            return kind(line, self._factory)
        except (GPIOZeroError, OSError, *_board_errors) as exc:
            self.close()
            raise PinsUnavailable(f"{line.name} on {line.number}: {exc}") from exc

    @classmethod
    def simulated(cls, lines: Sequence[Line], history: Path, inputs: Sequence[InputLine] = ()) -> Self:
        """Lines without hardware, whose every change is written to `history`. Raises PinsUnavailable."""
        try:
            record = PinHistory(history, LARGEST_HISTORY)
        except OSError as exc:
            raise PinsUnavailable(f"{history}: {exc.strerror}") from exc
        names = {line.number: line.name for line in lines} | {switch.number: switch.name for switch in inputs}
        return cls(lines, SimulatedFactory(record, names), inputs)

    @classmethod
    def on_board(cls, lines: Sequence[Line], inputs: Sequence[InputLine] = ()) -> Self:
        """The lines of the Raspberry Pi this runs on. Raises PinsUnavailable."""
        return cls(lines, _board_factory(), inputs)

    def __getitem__(self, name: str) -> PinOutput:
        return self._outputs[name]

    def input(self, name: str) -> PinInput:
        """The input line of that name."""
        return self._inputs[name]

    @property
    def simulation(self) -> "SimulatedFactory | None":
        """What stands in for the board, where the lines are simulated."""
        return self._factory if isinstance(self._factory, SimulatedFactory) else None

    def set(self, name: str, on: bool) -> None:
        """Energise a line or let it go. Raises PinFailed."""
        self._outputs[name].set(on)

    def close(self) -> None:
        """Let all lines go, inactive."""
        for switch in self._inputs.values():
            switch.close()
        for output in self._outputs.values():
            output.close()
        self._inputs.clear()
        self._outputs.clear()
        self._factory.close()


# --- on a Raspberry Pi ----------------------------------------------------------------------------------------------

_board_errors: list[type[Exception]] = []  # what lgpio raises, known once it is imported


def _board_factory() -> Any:
    try:
        import lgpio
        from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin
    except ImportError as exc:
        raise PinsUnavailable(f"{exc} (pins need the package lgpio and a Raspberry Pi, or --simulate)") from exc

    class InactiveFirstPin(LGPIOPin):  # type: ignore[misc]
        """Claims the line with its level; gpiozero's own claims it low first, a pulse on an active-low relay."""

        def output_with_state(self, state: bool) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(state))

    if lgpio.error not in _board_errors:
        _board_errors.append(lgpio.error)
    try:
        factory = LGPIOFactory()
    except (GPIOZeroError, OSError, lgpio.error) as exc:
        raise PinsUnavailable(str(exc)) from exc
    factory.pin_class = InactiveFirstPin
    return factory


# --- simulated ------------------------------------------------------------------------------------------------------


class SimulatedPin(MockPin):  # type: ignore[misc]
    """gpiozero's pin without hardware, but with its history in a file instead of a list that grows for ever."""

    def output_with_state(self, state: bool) -> None:
        self._function = "output"
        self._state = state
        self._tell(state)

    def _change_state(self, value: bool) -> bool:
        if self._state == value:
            return False
        self._state = value
        if self._function == "output":  # an input's pull is no event; what drives it from outside is noted there
            self._tell(value)
        return True

    def _tell(self, level: bool) -> None:
        name = self.factory.names.get(self._number)
        if name is not None:
            self.factory.changed(name, int(level))


class SimulatedFactory(MockFactory):  # type: ignore[misc]
    """Makes simulated pins that know their names and share one history, and is the board that simulated doors meet."""

    def __init__(self, history: PinHistory, names: dict[int, str]) -> None:
        super().__init__(revision="a02082", pin_class=SimulatedPin)
        self.history = history
        self.names = names
        self._watchers: dict[str, Callable[[], None]] = {}
        self._onlookers: list[Callable[[], object]] = []

    def look_on(self, changed: Callable[[], object]) -> None:
        """Call `changed` when any level is another, in the thread that set it."""
        self._onlookers.append(changed)

    def level(self, name: str) -> int | None:
        """The level that a line or note has, or had when the process before ended; None: never."""
        return self.history.levels.get(name)

    def watch(self, name: str, changed: Callable[[], None]) -> None:
        """Call `changed` when an output took another level, in the thread that set it."""
        self._watchers[name] = changed

    def changed(self, name: str, level: int) -> None:
        """A pin tells that its level is another."""
        self._append(name, level)
        if name in self._watchers:
            self._watchers[name]()

    def drive(self, name: str, high: bool) -> None:
        """Put a level on an input from outside, as a switch at the door does."""
        if self.level(name) != int(high):
            self.note(name, int(high))
        pin = self.pin(next(number for number, called in self.names.items() if called == name))
        pin.drive_high() if high else pin.drive_low()

    def note(self, name: str, level: int) -> None:
        """Write down a level that a line, or something that is no line, has from now on.

        What people do at a door cannot fail: a full disk keeps it from being written only.
        """
        with suppress(OSError):
            self._append(name, level)

    def _append(self, name: str, level: int) -> None:
        self.history.append(name, level)
        for changed in self._onlookers:
            changed()

    def close(self) -> None:
        self._watchers.clear()
        self._onlookers.clear()
        super().close()
        self.history.close()
