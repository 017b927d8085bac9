"""Output lines: inactive before anything else, cheap to set, and with a history that outlives the process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import PinFailed, PinsUnavailable
from edge.pins.history import PinChange, PinHistory, pin_levels, read_pin_history
from edge.pins.lines import Line
from edge.pins.pins import Pins

LINES = [Line("red", 17), Line("green", 27), Line("lock.main", 23, active_high=False)]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "pins.log"


@pytest.fixture
def pins(history: Path) -> Iterator[Pins]:
    taken = Pins.simulated(LINES, history)
    yield taken
    taken.close()


def levels_of(pin: str, history: Path) -> list[int]:
    return [change.level for change in read_pin_history(history) if change.pin == pin]


def test_every_line_is_inactive_before_the_first_is_used(pins: Pins, history: Path) -> None:
    assert [(change.pin, change.level) for change in read_pin_history(history)] == [
        ("red", 0),
        ("green", 0),
        ("lock.main", 1),
    ]


def test_an_active_low_line_is_energised_at_a_low_level(pins: Pins, history: Path) -> None:
    pins.set("lock.main", True)
    assert pins["lock.main"].is_on
    pins.set("lock.main", False)
    assert levels_of("lock.main", history) == [1, 0, 1]


def test_history_holds_changes_only_and_in_the_order_of_time(pins: Pins, history: Path) -> None:
    before = time.monotonic_ns()
    for on in (True, True, False, False, True):
        pins.set("red", on)
    changes = [change for change in read_pin_history(history) if change.at_ns >= before]
    assert [change.level for change in changes] == [1, 0, 1]
    assert [change.at_ns for change in changes] == sorted(change.at_ns for change in changes)


def test_closing_lets_every_line_go(history: Path) -> None:
    taken = Pins.simulated(LINES, history)
    taken.set("green", True)
    taken.set("lock.main", True)
    taken.close()
    assert pin_levels(history) == {"red": 0, "green": 0, "lock.main": 1}


def test_a_level_outlives_a_killed_process_until_the_next_start_makes_it_inactive(history: Path) -> None:
    """As on a Pi, where nothing turns a line off when its program dies (pitfall 32)."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from edge.pins.lines import Line; from edge.pins.pins import Pins\n"
        "pins = Pins.simulated([Line('lock.main', 23)], Path(sys.argv[1])); pins.set('lock.main', True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", program, str(history)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert pin_levels(history) == {"lock.main": 1}
    Pins.simulated([Line("lock.main", 23)], history).close()
    assert levels_of("lock.main", history) == [0, 1, 0]


def test_history_is_bounded_and_a_new_file_begins_with_the_levels_that_hold(history: Path) -> None:
    record = PinHistory(history, largest=2000)
    record.append("lock.main", 1)
    for n in range(1000):
        record.append("red", n % 2)
    record.close()
    assert sum(part.stat().st_size for part in history.parent.iterdir()) < 2 * 2100
    assert pin_levels(history) == {"lock.main": 1, "red": 1}
    assert b"lock.main 1" in history.read_bytes()


def test_a_line_torn_by_a_power_cut_is_left_out(history: Path) -> None:
    history.write_bytes(b"12 red 1\n13 re")
    assert read_pin_history(history) == [PinChange(12, "red", 1)]
    history.write_bytes(b"12 red 1\n\0\0\0\0\nx red 1\n14 red 2\n15 red 0\n")
    assert read_pin_history(history) == [PinChange(12, "red", 1), PinChange(15, "red", 0)]


def test_a_file_that_is_not_there_is_an_empty_history(history: Path) -> None:
    assert read_pin_history(history) == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([Line("red", 17), Line("green", 17)], "green on 17"),
        ([Line("red", 99)], "red on 99"),
    ],
)
def test_lines_that_cannot_be_taken_are_named(history: Path, lines: list[Line], words: str) -> None:
    with pytest.raises(PinsUnavailable, match=words):
        Pins.simulated(lines, history)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PinsUnavailable, match="No such file"):
        Pins.simulated(LINES, tmp_path / "missing" / "pins.log")


def test_a_machine_without_gpio_is_told_so() -> None:
    with pytest.raises(PinsUnavailable, match="compare the pin numbers"):
        Pins.on_board(LINES)


def test_a_line_that_cannot_be_set_is_named(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(PinFailed, match=r"green.*No space left"):
            pins.set("green", True)


def test_no_file_is_left_open(history: Path) -> None:
    before = len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))
    for _ in range(10):
        Pins.simulated(LINES, history).close()
    assert len(list(Path(f"/proc/{os.getpid()}/fd").iterdir())) == before
