"""docs/hardware.md is right about pins, defaults, readers and commands, as far as the code and a Pi's header tell."""

import re
from pathlib import Path
from typing import Final, get_args, get_type_hints

import pytest
from gpiozero.pins.pi import PiBoardInfo

from edge.cli.parser import parser
from edge.config import load
from edge.doctor import Verdict
from edge.doctor.cautions import SPECIAL, absences, cautions, used_pins
from edge.doctor.smartcards import RIVALS
from edge.doors.contradictions import FIRST_PULLED_DOWN
from edge.readers.serial.profiles import Profile
from edge.settings import DoorSettings, ReaderSettings, SignalSettings
from tests.house.repository import ROOT

PAGE: Final = (ROOT / "docs/hardware.md").read_text(encoding="utf-8")
PI_4: Final = PiBoardInfo.from_revision(0xC03111)
WIRES: Final = re.findall(r"^\| `(signals|door)\.(\w+)` \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
DRAWN: Final = re.findall(r"(GPIO\d+|GND|3V3|5V) +\((\d+)\)|\((\d+)\) +(GPIO\d+|GND|5V)", PAGE)
(EXAMPLE,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MOTOR: Final = 'kind = "motor"\npin_lock = 26\nbolt_pin = 20\nwithdrawn_pin = 21\n'


def header(number: int) -> str:
    """What gpiozero says that a pin of the header is called."""
    return str(PI_4.headers["J8"].pins[number].name)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"{wire[0]}.{wire[1]}")
def test_each_wire_goes_to_the_header_pin_of_its_gpio(wire: tuple[str, str, str, str]) -> None:
    _, _, gpio, pin = wire
    assert header(int(pin)) == f"GPIO{gpio}"


def test_the_drawing_has_every_pin_of_the_header_in_its_place() -> None:
    drawn = {int(left or right): name or other for name, left, right, other in DRAWN}
    assert len(drawn) == 40
    assert drawn == {number: header(number) for number in range(1, 41)}


@pytest.mark.parametrize("name", ["GND", "3V3", "5V"])
def test_power_and_ground_are_where_the_page_says(name: str) -> None:
    words = {"GND": "Ground is on the", "3V3": "3.3 V on", "5V": "5 V on"}[name]
    sentence = re.sub(r"\s+", " ", PAGE).partition(words)[2]
    numbers = re.match(r"[^0-9]*([0-9, ]+ and [0-9]+)", sentence)
    assert numbers is not None
    assert [int(each) for each in re.findall(r"\d+", numbers[1])] == [
        number for number in range(1, 41) if header(number) == name
    ]


def test_the_example_is_accepted_and_wired_as_the_table_says(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    named = {(section, key): int(gpio) for section, key, gpio, _ in WIRES}
    for text in (EXAMPLE, EXAMPLE + MOTOR):
        path.write_text(text, encoding="utf-8")
        settings = load(path, {})
        assert [each for each in cautions(settings, 0) if each not in absences(settings)] == []
        for pin, what in used_pins(settings).items():
            section, _, key = what.replace("door gate ", "door.").partition(".")
            assert named[section, key] == pin
    assert len(used_pins(settings)) == len(WIRES)
    assert all(each in PAGE for each in MOTOR.splitlines())


def test_lights_and_polarities_are_the_defaults() -> None:
    lights = SignalSettings(kind="gpio")
    assert {(key, int(gpio)) for section, key, gpio, _ in WIRES if section == "signals"} == {
        ("red", lights.red),
        ("green", lights.green),
        ("buzzer", lights.buzzer),
    }
    door = DoorSettings(name="gate", pin=23)
    polarities = dict(re.findall(r"`(\w+_active_high)` = `(\w+)`", PAGE))
    assert polarities == {
        key: str(getattr(door, key)).lower() for key in get_type_hints(DoorSettings) if "_active_" in key
    }
    assert 'input_pull = "up"' in PAGE
    assert door.input_pull == "up"
    assert f"GPIO 0 to {FIRST_PULLED_DOWN - 1} are\n  pulled up and {FIRST_PULLED_DOWN} to 27 pulled down" in PAGE


def test_every_kind_of_reader_stands_in_the_table_and_says_whether_it_was_tried() -> None:
    rows = re.findall(r"^\| [^|]+ \| `(\w+)`(?:, `([\w-]+)`)? \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert {kind for kind, _, _ in rows} == set(get_args(get_type_hints(ReaderSettings)["kind"]))
    assert {profile for _, profile, _ in rows if profile} == set(Profile)
    assert all(re.match("(un)?tried", state) for _, _, state in rows)
    assert f"{ReaderSettings(name='in', kind='serial').baud} baud" in PAGE
    assert RIVALS[0] in PAGE


def test_pins_that_have_another_use_are_all_named() -> None:
    sentence = re.sub(r"\s+", " ", PAGE).partition("Pins to leave alone unless you know why:")[2].partition("`")[0]
    outside = re.sub(r"\([^)]*\)", "", sentence)
    assert {int(each) for each in re.findall(r"\d+", outside)} == SPECIAL.keys()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`grindvakt ([a-z][^`]*)`", PAGE))))
def test_every_command_on_the_page_is_one(command: str) -> None:
    assert parser().parse_args(command.split()).command == command.split(maxsplit=1)[0]


def test_every_verdict_is_explained() -> None:
    assert set(re.findall(r"^\| `(good|doubtful|bad|unknown)` \|", PAGE, re.MULTILINE)) == set(Verdict)
