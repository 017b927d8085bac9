"""What locking needs of a configuration is read whatever else is in it."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doors.sections import DEFAULT_STATE, read_doors
from edge.errors import ConfigInvalid
from edge.settings import TerminalSettings

DOOR = '[[door]]\nname = "gate"\npin = 23\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "terminal.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_word_of_state_it_is_where_the_daemon_keeps_it(tmp_path: Path) -> None:
    (default,) = [each.default for each in fields(TerminalSettings) if each.name == "state_dir"]
    assert read_doors(written(tmp_path, DOOR), {}).state_dir == default == DEFAULT_STATE


def test_environment_overrides_here_too(tmp_path: Path) -> None:
    path = written(tmp_path, '[terminal]\nstate_dir = "a"\n[signals]\nkind = "gpio"\n' + DOOR)
    environment = {"GRINDVAKT_TERMINAL__STATE_DIR": "b", "GRINDVAKT_SIGNALS__KIND": "simulated"}
    read = read_doors(path, environment)
    assert (read.state_dir, read.is_simulated) == (tmp_path / "b", True)


def test_a_door_that_is_no_toml_is_named(tmp_path: Path) -> None:
    read = read_doors(written(tmp_path, DOOR + "[[door]]\npin = \n"), {})
    assert [door.name for door in read.doors] == ["gate"]
    assert len(read.problems) == 1
    assert read.problems[0].startswith("[[door]] is not TOML")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pin = 23", "", "door 1.pin is missing"),
        ("pin = 23", "pin = 99", "door 1.pin = 99 does not fit"),
        ("pin = 23", 'pin = 23\nkind = "motor"', "door 1 is a motor and has no pin_lock"),
        ("pin = 23", "pin = 23\nactive_high = 1", "door 1.active_high = 1 does not fit"),
    ],
)
def test_a_door_that_cannot_be_driven_is_named_and_not_guessed(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    read = read_doors(written(tmp_path, DOOR.replace(old, new)), {})
    assert read.doors == ()
    assert any(problem.startswith(expected) for problem in read.problems), read.problems


def test_a_file_that_is_not_there_is_the_only_thing_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        read_doors(tmp_path / "nowhere.toml", {})


@given(text=st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_whatever_stands_before_it_a_door_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """But for text that opens a string of several lines, in which a door may stand as words."""
    if '"""' in text or "'''" in text or "door" in text:
        text = "x"
    read = read_doors(written(tmp_path_factory.getbasetemp(), f"{text}\n{DOOR}"), {})
    assert [door.pin for door in read.doors] == [23]
