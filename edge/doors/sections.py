"""Reads the doors of a configuration in which nothing else need be right: they are locked when the daemon is gone."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec

from edge.config import LARGEST_FILE, PREFIX, Reading
from edge.doors.contradictions import of_the_lock
from edge.errors import ConfigInvalid
from edge.settings import DoorSettings
from edge.words import _

GUESSED: Final = frozenset({"name", "motor_seconds", "debounce_seconds"})
"""Settings that may be wrong without keeping a door from being locked; a wrong polarity would open it."""

DEFAULT_STATE: Final = Path("/var/lib/grindvakt")

UNUSED: Final = frozenset(
    {"access_seconds", "long_access_seconds", "relock", "held_open_seconds", "pre_alarm_seconds"}
    | {f"{name}_{what}" for name in ("exit", "tamper") for what in ("pin", "active_high")}
)
"""Settings that locking does not look at."""


@dataclass(frozen=True, slots=True)
class DoorSections:
    """The doors that can be locked, where their lines are, and what is wrong with the others."""

    doors: tuple[DoorSettings, ...]
    is_simulated: bool
    state_dir: Path
    problems: tuple[str, ...]


def read_doors(path: Path, environment: Mapping[str, str]) -> DoorSections:
    """Read what is needed to lock. Raises ConfigInvalid only where the file cannot be read at all."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE).decode(errors="replace")
    except OSError as exc:
        raise ConfigInvalid(path, [_("it cannot be read: {reason}").format(reason=exc.strerror)]) from exc
    document, problems = _document(text)
    reading = Reading(path.parent.absolute(), {})
    given = document.get("door", [])
    read = [_door(reading, number, each) for number, each in enumerate(given if isinstance(given, list) else [], 1)]
    return DoorSections(
        doors=tuple(each for each in read if each is not None),
        is_simulated=_setting(document, environment, "signals", "kind") == "simulated",
        state_dir=path.parent.absolute() / (_setting(document, environment, "terminal", "state_dir") or DEFAULT_STATE),
        problems=(*problems, *reading.problems),
    )


def _document(text: str) -> tuple[dict[str, Any], list[str]]:
    """The whole file, or where a part of it is no TOML, the sections that are."""
    try:
        return tomllib.loads(text), []
    except (tomllib.TOMLDecodeError, RecursionError):
        pass
    document: dict[str, Any] = {}
    problems = []
    for section in re.split(r"^(?=\s*\[)", text, flags=re.MULTILINE):
        try:
            part = tomllib.loads(section)
        except (tomllib.TOMLDecodeError, RecursionError) as exc:
            line = section.strip().partition("\n")[0]
            problems.append(_("{line} is not TOML: {reason}").format(line=line, reason=exc))
            continue
        for name, value in part.items():
            known = document.setdefault(name, value)
            if known is not value and isinstance(known, list) and isinstance(value, list):
                known += value
    return document, problems


def _door(reading: Reading, number: int, given: object) -> DoorSettings | None:
    where = f"door {number}"
    if isinstance(given, dict):
        hints = get_type_hints(DoorSettings, include_extras=True)
        needed = {key: value for key, value in given.items() if key in hints and key not in UNUSED}
        wrong = {key for key in needed.keys() & GUESSED if not _fits(needed[key], hints[key])}
        given = {"name": f"door-{number}"} | {key: value for key, value in needed.items() if key not in wrong}
    door = reading.section(where, DoorSettings, given)
    problems = [] if door is None else list(of_the_lock(door))
    reading.problems += [_("door {name} {problem}").format(name=number, problem=problem) for problem in problems]
    return None if problems else door


def _fits(value: object, hint: Any) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _setting(document: Mapping[str, Any], environment: Mapping[str, str], section: str, key: str) -> str | None:
    """A word of another section, from the environment or the file, whatever else is wrong there."""
    given = environment.get(f"{PREFIX}{section}__{key}".upper())
    if given is None and isinstance(document.get(section), dict):
        given = document[section].get(key)
    return given if isinstance(given, str) else None
