"""Drives the output lines for lights, buzzer and locks: real ones on a Raspberry Pi, or simulated ones in a file."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gpiozero import OutputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPin

from edge.errors import PinFailed, PinsUnavailable

LARGEST_HISTORY: Final = 1 << 20
"""Bytes of a history file; then it becomes `pins.log.1` and a new one begins."""


@dataclass(frozen=True, slots=True)
class Line:
    """One output: what it is called here, its number (BCM), and whether a high level energises it."""

    name: str
    number: int
    active_high: bool = True


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


class Pins:
    """The named output lines of a terminal. All are made inactive before the first one can be used."""

    def __init__(self, lines: Sequence[Line], factory: Any) -> None:
        self._factory = factory
        self._outputs: dict[str, PinOutput] = {}
        try:
            for line in lines:
                self._outputs[line.name] = PinOutput(line, factory)
        except (GPIOZeroError, OSError, *_board_errors) as exc:
            self.close()
            raise PinsUnavailable(f"{line.name} on {line.number}: {exc}") from exc

    @classmethod
    def simulated(cls, lines: Sequence[Line], history: Path) -> Self:
        """Lines without hardware, whose every change is written to `history`. Raises PinsUnavailable."""
        try:
            record = PinHistory(history, LARGEST_HISTORY)
        except OSError as exc:
            raise PinsUnavailable(f"{history}: {exc.strerror}") from exc
        return cls(lines, SimulatedFactory(record, {line.number: line.name for line in lines}))

    @classmethod
    def on_board(cls, lines: Sequence[Line]) -> Self:
        """The lines of the Raspberry Pi this runs on. Raises PinsUnavailable."""
        return cls(lines, _board_factory())

    def __getitem__(self, name: str) -> PinOutput:
        return self._outputs[name]

    def set(self, name: str, on: bool) -> None:
        """Energise a line or let it go. Raises PinFailed."""
        self._outputs[name].set(on)

    def close(self) -> None:
        """Let all lines go, inactive."""
        for output in self._outputs.values():
            output.close()
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


@dataclass(frozen=True, slots=True)
class PinChange:
    """A level that a simulated line took: `level` is electrical, so an active-low lock is energised at 0."""

    at_ns: int
    pin: str
    level: int


class PinHistory:
    """Appends every level to a file, each with one write of its own, so that it outlives the process that set it."""

    def __init__(self, path: Path, largest: int) -> None:
        self._path = path
        self._largest = largest
        self._levels: dict[str, int] = {}
        self._lock = threading.Lock()  # the guard of a door writes from a thread of its own
        self._open()

    def append(self, pin: str, level: int) -> None:
        """Write that `pin` has this level from now on."""
        with self._lock:
            self._levels[pin] = level
            self._size += os.write(self._file, b"%d %s %d\n" % (time.monotonic_ns(), pin.encode(), level))
            if self._size > self._largest:
                self._rotate()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        """Begin a new file with the levels that hold now, so that it can be read alone."""
        os.close(self._file)
        self._path.replace(_older(self._path))
        self._open()
        for pin, level in self._levels.items():
            self._size += os.write(self._file, b"%d %s %d\n" % (time.monotonic_ns(), pin.encode(), level))


class SimulatedPin(MockPin):  # type: ignore[misc]
    """gpiozero's pin without hardware, but with its history in a file instead of a list that grows for ever."""

    def output_with_state(self, state: bool) -> None:
        self._function = "output"
        self._state = state
        self._record(state)

    def _change_state(self, value: bool) -> bool:
        if self._state == value:
            return False
        self._state = value
        self._record(value)
        return True

    def _record(self, level: bool) -> None:
        name = self.factory.names.get(self._number)
        if name is not None:
            self.factory.history.append(name, int(level))


class SimulatedFactory(MockFactory):  # type: ignore[misc]
    """Makes simulated pins that know their names and share one history."""

    def __init__(self, history: PinHistory, names: dict[int, str]) -> None:
        super().__init__(revision="a02082", pin_class=SimulatedPin)
        self.history = history
        self.names = names

    def close(self) -> None:
        super().close()
        self.history.close()


def read_pin_history(path: Path) -> list[PinChange]:
    """Everything a simulated terminal's lines did, oldest first; a line torn by a power cut is left out."""
    changes = []
    for part in (_older(path), path):
        if part.exists():
            changes += [change for line in part.read_bytes().splitlines() if (change := _change(line)) is not None]
    return changes


def pin_levels(path: Path) -> dict[str, int]:
    """The level that each simulated line has now, whoever set it."""
    return {change.pin: change.level for change in read_pin_history(path)}


def _change(line: bytes) -> PinChange | None:
    match line.split():
        case [at, pin, (b"0" | b"1") as level] if at.isdigit():
            return PinChange(int(at), pin.decode(errors="replace"), int(level))
        case _:
            return None


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")
