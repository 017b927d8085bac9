"""The terminal's settings are read completely, and every mistake is answered at once with what to do."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load
from edge.errors import ConfigInvalid
from edge.forms import form, meaning
from edge.settings import REPEATED, SINGLE, Settings
from protocol.decision import ReaderDirection

ROOT: Final = Path(__file__).parents[2]
KEY: Final = base64.b64encode(bytes(range(32))).decode()
GOOD: Final = f"""
[terminal]
id = "gate-1"
state_dir = "state"

[link]
host = "broker.example"
ca = "ca.pem"
certificate = "terminal.pem"
key = "terminal.key"
signing_keys = ["{KEY}"]

[signals]
kind = "simulated"

[[reader]]
name = "in"
kind = "serial"
direction = "in"
device = "/dev/serial/by-id/usb-reader"

[[door]]
name = "gate"
pin = 5
"""


def read(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that this text gives."""
    path = folder / "terminal.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment or {})


def problems(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The mistakes that are found in this text."""
    with pytest.raises(ConfigInvalid) as found:
        read(folder, text, environment)
    assert all(problem in str(found.value) for problem in found.value.problems)
    assert str(folder / "terminal.toml") in str(found.value)
    return found.value.problems


def test_a_correct_file_becomes_typed_settings_with_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert settings.terminal.id == "gate-1"
    assert settings.terminal.runtime_dir == Path("/run/grindvakt")
    assert settings.link.port == 8883
    assert settings.link.signing_keys == (bytes(range(32)),)
    assert [(reader.name, reader.direction) for reader in settings.readers] == [("in", ReaderDirection.IN)]
    assert settings.doors[0].access_seconds == 5.0


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert settings.terminal.state_dir == tmp_path / "state"
    assert settings.link.ca == tmp_path / "ca.pem"
    assert settings.readers[0].device == Path("/dev/serial/by-id/usb-reader")


def test_all_mistakes_are_answered_together(tmp_path: Path) -> None:
    text = GOOD.replace('id = "gate-1"', 'id = "Gate 1"').replace("[signals]", "[singals]")
    text = text.replace('host = "broker.example"', 'hots = "broker.example"\nport = 70000')
    text = text.replace('direction = "in"', 'direction = "inwards"').replace("pin = 5", "pin = 99")
    assert problems(tmp_path, text) == (
        "[singals] is no section; did you mean signals?",
        "terminal.id = 'Gate 1' does not fit: expected a-z, 0-9 and hyphen, at most 40 characters",
        "link.hots is no setting; did you mean host?",
        "link.host is missing: the broker's name or address",
        "link.port = 70000 does not fit: expected a whole number from 1 to 65535",
        "signals.kind is missing: real pins, or a file of them in state_dir",
        "reader 1.direction = 'inwards' does not fit: expected in or out or toggle",
        "door 1.pin = 99 does not fit: expected a whole number from 0 to 27",
    )


def test_broken_toml_names_its_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[terminal]\nid = "gate\n')
    assert problem.startswith("it is not TOML")
    assert "line 2" in problem
    assert """which is 'id = "gate'""" in problem


def test_text_that_is_not_utf_8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_bytes(b"[terminal]\n# gr\xe4ns\n")
    with pytest.raises(ConfigInvalid, match="not UTF-8 text: line 2"):
        load(path, {})


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nowhere.toml cannot be used:\n.*No such file"):
        load(tmp_path / "nowhere.toml", {})


def test_a_file_of_absurd_size_is_not_swallowed(tmp_path: Path) -> None:
    assert "larger than" in problems(tmp_path, "#" * 300_000)[0]


def test_a_reader_is_told_which_doors_it_stands_at(tmp_path: Path) -> None:
    """Some, all of them, or none where it only registers."""
    for written, doors in (('["gate"]', ("gate",)), ("[]", ())):
        settings = read(tmp_path, GOOD.replace('direction = "in"', f'direction = "in"\ndoors = {written}'))
        assert settings.readers[0].doors == doors
    assert read(tmp_path, GOOD).readers[0].doors is None


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    other = base64.b64encode(bytes(32)).decode()
    environment = {
        "GRINDVAKT_LINK__HOST": "10.0.0.7",
        "GRINDVAKT_LINK__PORT": "18883",
        "GRINDVAKT_LINK__SIGNING_KEYS": f"{KEY},{other}",
        "GRINDVAKT_TERMINAL__REPEAT_SECONDS": "1.5",
        "GRINDVAKT_BROKER__HOST": "the cloud's business",
    }
    settings = read(tmp_path, GOOD, environment)
    assert (settings.link.host, settings.link.port) == ("10.0.0.7", 18883)
    assert settings.link.signing_keys == (bytes(range(32)), bytes(32))
    assert settings.terminal.repeat_seconds == 1.5


def test_a_variable_that_overrides_nothing_is_a_mistake_with_a_suggestion(tmp_path: Path) -> None:
    environment = {"GRINDVAKT_LINK__HSOT": "x", "GRINDVAKT_LINKS__HOST": "x", "GRINDVAKT_LINK__PORT": "many"}
    assert problems(tmp_path, GOOD, environment) == (
        "environment GRINDVAKT_LINK__HSOT overrides nothing; did you mean GRINDVAKT_LINK__HOST?",
        "environment GRINDVAKT_LINKS__HOST overrides nothing; did you mean GRINDVAKT_LINK__HOST?",
        "GRINDVAKT_LINK__PORT = 'many' does not fit: expected a whole number from 1 to 65535",
    )


def osdp(name: str, **numbers: int) -> str:
    """A section of an OSDP reader."""
    rest = "".join(f"{key} = {number}\n" for key, number in numbers.items())
    return f'[[reader]]\nname = "{name}"\nkind = "osdp"\ndevice = "/dev/ttyAMA0"\n{rest}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (f'["{KEY}"]', "[]", "link.signing_keys is missing"),
        (f'["{KEY}"]', '["AAAA"]', "expected a list, each base64 of the 32 raw bytes"),
        ("pin = 5", "pin = 17", "signals and door.pin = 17 stands more than once"),
        ('device = "/dev/serial/by-id/usb-reader"', "", "reader in is serial and has no device"),
        ('kind = "serial"', 'kind = "pcsc"', "reader in is pcsc and has a device"),
        (
            "[[door]]",
            '[[reader]]\nname = "out"\nkind = "serial"\ndevice = "/dev/serial/by-id/usb-reader"\n[[door]]',
            "readers in and out have the same device /dev/serial/by-id/usb-reader: each needs its own",
        ),
        ("direction", "address = 3\ndirection", "reader in is serial and has an address: leave it out"),
        ("[[door]]", '[[reader]]\nname = "a"\nkind = "osdp"\n[[door]]', "reader a is osdp and has no device"),
        ("[[door]]", f"{osdp('a')}{osdp('b')}[[door]]", "readers a and b have the same address 0 on /dev/ttyAMA0"),
        (
            "[[door]]",
            f"{osdp('a')}{osdp('b', baud=115200, address=1)}[[door]]",
            "readers a and b are on the same bus /dev/ttyAMA0 and have another baud: give both the same",
        ),
        (
            "[[door]]",
            f"{osdp('a', address=127)}[[door]]",
            "address = 127 does not fit: expected a whole number from 0 to",
        ),
        (
            "[[door]]",
            '[[reader]]\nname = "a"\nkind = "pcsc"\n[[reader]]\nname = "b"\nkind = "pcsc"\n[[door]]',
            "readers a and b take the same PC/SC reader: give each `pcsc` a part of the name",
        ),
        ('direction = "in"', 'direction = "in"\npcsc = "ACS"', "reader in is serial and has a pcsc: leave it out"),
        ("[[door]]", '[[door]]\nname = "gate"\npin = 6\n[[door]]', "door.name = 'gate' stands more than once"),
        ('direction = "in"', 'direction = "in"\ndoors = ["shed"]', "there is no [[door]] of that name"),
        ("[[reader]]", "[reader]", "reader must be written as [[reader]]"),
        ("[terminal]", "[[terminal]]", "terminal must be a section, written as [terminal]"),
        ('ca = "ca.pem"', "ca = 3", "link.ca = 3 does not fit: expected a path"),
        ('ca = "ca.pem"', 'ca = ""', "link.ca = '' does not fit: expected a path"),
        ("pin = 5", "pin = 5\naccess_seconds = 3600", "expected a number from 0.5 to 60"),
        ("pin = 5", 'pin = 5\nkind = "motor"\nbolt_pin = 6', "door gate is a motor and has no pin_lock"),
        ("pin = 5", 'pin = 5\nkind = "motor"\npin_lock = 6', "door gate is a motor and has no bolt_pin"),
        ("pin = 5", "pin = 5\nbolt_pin = 6", "door gate is a relay and has a bolt_pin: only a motor has one"),
        (
            "pin = 5",
            'pin = 5\nkind = "motor"\npin_lock = 6\nbolt_pin = 7\nfail = "safe"',
            "door gate is a motor and fail-safe",
        ),
        (
            "pin = 5",
            "pin = 5\nheld_open_seconds = 30",
            "door gate cannot know whether it is held open: give contact_pin",
        ),
        ("pin = 5", 'pin = 5\nrelock = "opened"', "door gate cannot know when it is opened: give contact_pin"),
        (
            "pin = 5",
            "pin = 5\ncontact_pin = 6\npre_alarm_seconds = 10",
            "door gate warns of an alarm that never comes: give held_open_seconds",
        ),
        (
            "pin = 5",
            "pin = 5\ncontact_pin = 6\nheld_open_seconds = 10\npre_alarm_seconds = 10",
            "make pre_alarm_seconds shorter than held_open_seconds",
        ),
        ("pin = 5", "pin = 5\nlong_access_seconds = 2", "make long_access_seconds longer"),
        ("pin = 5", "pin = 5\ncontact_pin = 5", "signals and door.pin = 5 stands more than once"),
        ("pin = 5", "pin = 5\nexit_pin = 27", "signals and door.pin = 27 stands more than once"),
        ("pin = 5", 'pin = 5\nfail = "open"', "expected secure or safe"),
        ("pin = 5", "pin = 5\ndebounce_seconds = 5", "expected a number from 0.005 to 0.5"),
        ("pin = 5", 'pin = "5"', "expected a whole number from 0 to 27, without quotation marks"),
    ],
)
def test_each_mistake_says_what_to_do(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert expected in " | ".join(problems(tmp_path, GOOD.replace(old, new)))


def test_a_terminal_without_any_reader_is_a_mistake(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD.partition("[[reader]]")[0]) == (
        "[[reader]] is missing: without a reader nobody can tap",
    )


def test_more_readers_than_can_be_reported_are_a_mistake(tmp_path: Path) -> None:
    many = "".join(f'[[reader]]\nname = "r{number}"\nkind = "simulated"\n' for number in range(40))
    assert problems(tmp_path, GOOD + many) == ("[[reader]] is there 41 times, at most 32 can be served",)


VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(section=st.sampled_from([*SINGLE, *REPEATED]), value=VALUES)
def test_no_value_whatever_escapes_as_anything_but_a_mistake(
    tmp_path_factory: pytest.TempPathFactory, section: str, value: object
) -> None:
    """JSON's strings, numbers and lists are TOML's too; what TOML has not, it refuses with a line."""
    text = f"{section} = {json.dumps(value)}\n"
    assert problems(tmp_path_factory.getbasetemp(), text)


@given(text=st.text(max_size=200))
def test_no_text_whatever_escapes_as_anything_but_a_mistake(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    assert problems(tmp_path_factory.getbasetemp(), text)


def test_the_reference_page_says_what_the_code_does() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    terminal = page.partition("## terminal.toml")[2].partition("## cloud.toml")[0]
    written = re.findall(r"^\| `.*$", terminal, re.MULTILINE)
    assert written == list(reference())


def test_the_example_of_the_reference_page_is_accepted(tmp_path: Path) -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(# /etc/grindvakt/terminal.toml.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert read(tmp_path, example).terminal.id == "gate-north"


def reference() -> list[str]:
    """The rows of the tables in docs/configuration.md, as the declarations give them."""
    rows = []
    for section, kind in {**SINGLE, **REPEATED}.items():
        hints = get_type_hints(kind, include_extras=True)
        for each in fields(kind):
            variable = f"`GRINDVAKT_{section}__{each.name}`".upper() if section in SINGLE else ""
            cells = [f"`{section}.{each.name}`", form(hints[each.name]), shown(each.default), variable]
            rows.append(f"| {' | '.join([*cells, meaning(hints[each.name])])} |")
    return rows


def shown(default: Any) -> str:
    """A default as the page writes it."""
    if default is MISSING:
        return "**required**"
    return "none" if default in (None, ()) else f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    print("\n".join(reference()))
