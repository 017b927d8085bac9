"""check-config names what is no mistake and will surprise somebody; what is wired well is not complained of (F20)."""

import base64
from pathlib import Path
from typing import Final

import pytest

from edge.config import load
from edge.doctor.cautions import absences, cautions

KEY: Final = base64.b64encode(bytes(range(32))).decode()
QUIET: Final = f"""
[terminal]
id = "gate-1"

[link]
host = "broker.example"
ca = "ca.pem"
certificate = "terminal.pem"
key = "terminal.key"
signing_keys = ["{KEY}"]

[signals]
kind = "gpio"

[[reader]]
name = "in"
kind = "simulated"

[[door]]
name = "gate"
pin = 23
contact_pin = 24
tamper_pin = 16
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where every file is that the settings name."""
    for name in ("ca.pem", "terminal.pem", "terminal.key"):
        (tmp_path / name).touch(mode=0o600)
    return tmp_path


def noted(folder: Path, text: str) -> list[str]:
    path = folder / "terminal.toml"
    path.write_text(text, encoding="utf-8")
    return cautions(load(path, {}), 0)


def test_a_terminal_that_is_wired_well_gives_nothing_to_note(folder: Path) -> None:
    assert noted(folder, QUIET) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pin = 23", "pin = 5", "door gate: GPIO 5 is pulled up until the daemon runs, which energises it"),
        ('kind = "gpio"', 'kind = "gpio"\nred = 4', "signals.red: GPIO 4 is pulled up until the daemon runs"),
        ('kind = "gpio"', 'kind = "gpio"\nbuzzer = 8', "signals.buzzer: GPIO 8 is pulled up"),
        ("contact_pin = 24", "contact_pin = 1", "door gate contact_pin: GPIO 1 belongs to the EEPROM"),
        ("contact_pin = 24", "contact_pin = 3", "GPIO 3 has a fixed pull-up of 1.8 kΩ"),
        ("contact_pin = 24", "contact_pin = 14", "GPIO 14 is the serial console until it is turned off"),
        ("contact_pin = 24", "contact_pin = 24\ncontact_active_high = false", "when the wire of its contact is cut"),
        ("tamper_pin = 16", 'tamper_pin = 16\ninput_pull = "down"', "when the wire of its tamper switch is cut"),
        ('host = "broker.example"', 'host = "broker.example"\nport = 1883', "usually the port without TLS"),
        ('kind = "simulated"', 'kind = "simulated"\ndoors = []', "door gate: no reader stands at it"),
        ('kind = "simulated"', 'kind = "serial"\ndevice = "/dev/ttyUSB7"', "can have another name after the next"),
        ('kind = "simulated"', 'kind = "serial"\ndevice = "/dev/serial/by-id/usb-x"', "is not there now: reader in"),
        ('ca = "ca.pem"', 'ca = "other.pem"', "other.pem is not there yet: no link until it is"),
    ],
)
def test_what_will_surprise_is_noted(folder: Path, old: str, new: str, words: str) -> None:
    assert old in QUIET
    found = noted(folder, QUIET.replace(old, new))
    assert any(words in each for each in found), found


def test_a_key_that_others_may_read_is_noted_with_the_command_that_mends_it(folder: Path) -> None:
    (folder / "terminal.key").chmod(0o644)
    (sentence,) = noted(folder, QUIET)
    assert sentence.endswith(f"(-rw-r--r--): `chmod 600 {folder / 'terminal.key'}`")


def test_simulated_lines_have_no_wires_to_complain_of(folder: Path) -> None:
    text = QUIET.replace('kind = "gpio"', 'kind = "simulated"\nred = 4').replace("pin = 23", "pin = 5")
    assert noted(folder, text) == []


def test_without_files_the_link_waits_and_everything_that_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(QUIET, encoding="utf-8")
    assert [each.partition(" ")[0] for each in absences(load(path, {}))] == [
        str(tmp_path / name) for name in ("ca.pem", "terminal.pem", "terminal.key")
    ]
