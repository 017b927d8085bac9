"""A door without hardware that obeys physics: a bolt takes its time, and what is locked opens by force only."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, Protocol

from edge.doors.lines import lock_line, throw_line
from edge.scheduler import Scheduler
from edge.settings import DoorSettings

THROWN: Final = 10
"""Steps of the bolt's way; 0 is withdrawn."""

CLEAR: Final = 2
"""Up to here the bolt is out of its hole, and the door can move."""

STEP: Final = 0.08
"""Seconds that the motor needs for a step."""

PRESS: Final = 1.0
"""Seconds that somebody presses against a door that does not give way."""

FINGER: Final = 0.5
"""Seconds that somebody holds the exit button."""


class Act(StrEnum):
    """What somebody can do to a door."""

    PUSH = "push"
    CLOSE = "close"
    FORCE = "force"
    EXIT = "exit"
    TAMPER = "tamper"
    JAM = "jam"
    UNJAM = "unjam"


class Board(Protocol):
    """The simulated lines, as the world outside meets them; what is noted there outlives the process."""

    def level(self, name: str) -> int | None:
        """The level that a line or note has, or had when the process before ended; None: never."""

    def watch(self, name: str, changed: Callable[[], None]) -> None:
        """Call `changed` when an output took another level, in the thread that set it."""

    def drive(self, name: str, high: bool) -> None:
        """Put a level on an input."""

    def note(self, name: str, level: int) -> None:
        """Write something down that is no line."""


class SimulatedDoor:
    """The leaf, the bolt or strike, and the switches of one door; everything here is for the loop's thread.

    It begins as the process before left it: a bolt does not move because a program ends.
    """

    def __init__(self, settings: DoorSettings, board: Board, loop: Scheduler) -> None:
        self.name = settings.name
        self._settings = settings
        self._board = board
        self._loop = loop
        self._is_open = board.level(f"leaf-{self.name}") == 1
        self._is_stuck = board.level(f"stuck-{self.name}") == 1
        self._is_tampered = self._meant_yes("tamper", settings.tamper_active_high)
        self._bolt = self._left_bolt()
        self._is_pressed = False
        self._is_ticking = False
        for line in (lock_line(self.name), throw_line(self.name)):
            board.watch(line, self._lock_changed)
        self._switch("exit", False)
        self._switch("tamper", self._is_tampered)
        self._show()
        self._move()

    @property
    def is_open(self) -> bool:
        """Says whether the leaf is open."""
        return self._is_open

    @property
    def bolt(self) -> float | None:
        """How far the bolt is thrown, from 0 to 1; None where there is none."""
        return self._bolt / THROWN if self._settings.kind == "motor" else None

    @property
    def is_stuck(self) -> bool:
        """Says whether something keeps the bolt from moving."""
        return self._is_stuck

    @property
    def is_held(self) -> bool:
        """Says whether the lock keeps a closed door shut."""
        if self._settings.kind == "motor":
            return self._bolt > CLEAR
        return self._energised(lock_line(self.name)) is (self._settings.fail == "safe")

    def act(self, act: Act) -> str:
        """Do it; in words what came of it."""
        match act:
            case Act.PUSH:
                return self._push()
            case Act.CLOSE:
                return self._close()
            case Act.FORCE:
                self._set_leaf(True)
                return "it is forced open"
            case Act.EXIT:
                self._switch("exit", True)
                self._loop.call_later(FINGER, lambda: self._switch("exit", False))
                return "the exit button is pressed"
            case Act.TAMPER:
                self._is_tampered = not self._is_tampered
                self._switch("tamper", self._is_tampered)
                return "the box is opened" if self._is_tampered else "the box is closed"
            case Act.JAM | Act.UNJAM:
                self._is_stuck = act is Act.JAM
                self._board.note(f"stuck-{self.name}", int(self._is_stuck))
                self._move()
                return "the bolt is stuck" if self._is_stuck else "the bolt is free"

    def _push(self) -> str:
        if self._is_open:
            return "it is open already"
        self._is_pressed = True
        self._loop.call_later(PRESS, self._let_go)
        return "it opens" if self._gives_way() else "it is locked, and does not give way"

    def _close(self) -> str:
        if not self._is_open:
            return "it is closed already"
        if self._settings.kind == "motor" and self._bolt > CLEAR:
            return "it does not close: its bolt stands out"
        self._set_leaf(False)
        return "it closes"

    def _gives_way(self) -> bool:
        """A door that is pressed opens as soon as nothing holds it."""
        opens = self._is_pressed and not self._is_open and not self.is_held
        if opens:
            self._set_leaf(True)
        return opens

    def _let_go(self) -> None:
        self._is_pressed = False
        self._move()

    def _set_leaf(self, is_open: bool) -> None:
        self._is_open = is_open
        self._is_pressed = False
        self._board.note(f"leaf-{self.name}", int(is_open))
        self._show()

    def _lock_changed(self) -> None:
        """Runs in whichever thread set the line: the guard has one of its own."""
        self._loop.call_soon_threadsafe(self._move)

    def _move(self) -> None:
        """Begin to move, if a drive wants it and nothing moves yet."""
        self._gives_way()
        if self._direction() and not self._is_ticking:
            self._is_ticking = True
            self._loop.call_later(STEP, self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        clamped = self._is_pressed and not self._is_open and self.is_held
        if not (self._is_stuck or clamped):
            self._bolt = min(max(self._bolt + self._direction(), 0), THROWN)
            self._show()
        self._move()

    def _direction(self) -> int:
        if self._settings.kind != "motor":
            return 0
        return self._energised(throw_line(self.name)) - self._energised(lock_line(self.name))

    def _energised(self, line: str) -> bool:
        return bool(self._board.level(line)) is self._settings.active_high

    def _show(self) -> None:
        self._switch("contact", self._is_open)
        self._switch("bolt", self._bolt == THROWN)
        self._switch("withdrawn", self._bolt == 0)

    def _switch(self, name: str, is_so: bool) -> None:
        if getattr(self._settings, f"{name}_pin") is not None:
            active_high = getattr(self._settings, f"{name}_active_high")
            self._board.drive(f"{name}-{self.name}", is_so is active_high)

    def _left_bolt(self) -> int:
        """Where the bolt was left, as far as its switches told; a new one is thrown."""
        if self._board.level(f"bolt-{self.name}") is None or self._meant_yes("bolt", self._settings.bolt_active_high):
            return THROWN
        if self._settings.withdrawn_pin is None:
            return 0
        return 0 if self._meant_yes("withdrawn", self._settings.withdrawn_active_high) else THROWN // 2

    def _meant_yes(self, name: str, active_high: bool) -> bool:
        level = self._board.level(f"{name}-{self.name}")
        return level is not None and bool(level) is active_high


def simulated_doors(doors: Iterable[DoorSettings], board: Board | None, loop: Scheduler) -> dict[str, SimulatedDoor]:
    """A simulated door for each, where the board is simulated; make them before anybody reads an input."""
    return {} if board is None else {door.name: SimulatedDoor(door, board, loop) for door in doors}
