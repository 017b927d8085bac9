"""Every text of the commands is there in Swedish, nothing is kept that nobody says, and help speaks by the locale."""

import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import edge
from edge.doors.door import DoorState
from edge.forms import _notes
from edge.settings import REPEATED, SINGLE
from edge.signals.patterns import PATTERNS
from edge.words import DOMAIN, FOLDER
from protocol.clock import ClockQuality

CODE = Path(edge.__file__).parent
PROGRAM = [sys.executable, "-m", "edge.cli"]


def said() -> dict[str, str]:
    """Every text that is translated, and where it stands."""
    found = extract_from_dir(CODE, method_map=[("**.py", "python")], keywords={"_": None, "msgid": None})
    texts = {text: f"edge/{file}:{line}" for file, line, text, _comments, _context in found if isinstance(text, str)}
    texts |= dict.fromkeys((text for each in PATTERNS.values() for text in (each.says, each.words)), "PATTERNS")
    texts |= dict.fromkeys((each.value for each in (*DoorState, *ClockQuality)), "what is how")
    return texts | dict.fromkeys(_of_settings(), "settings")


def _of_settings() -> Iterator[str]:
    for kind in {**SINGLE, **REPEATED}.values():
        hints = get_type_hints(kind, include_extras=True)
        for each in fields(kind):
            yield from _of_hint(hints[each.name])


def _of_hint(hint: object) -> Iterator[str]:
    for note in _notes(hint):
        if note.description:
            yield note.description
        if note.extra and "form" in note.extra:
            yield str(note.extra["form"])
    for part in getattr(hint, "__args__", ()):
        yield from _of_hint(part)


def catalogue() -> Catalog:
    """The Swedish file."""
    with (FOLDER / "sv.po").open("rb") as file:
        return read_po(file, locale="sv")


def texts() -> dict[str, str]:
    """What the Swedish file has, without what argparse says: that differs with the version of Python."""
    ours = (message for message in catalogue() if message.id and not message.auto_comments)
    return {str(message.id): str(message.string) for message in ours}


def places(text: str) -> list[str]:
    """The fields to fill in, with their forms."""
    return sorted(f"{name}!{conversion}:{form}" for _, name, form, conversion in string.Formatter().parse(text) if name)


def test_every_text_is_there_in_swedish_and_no_other() -> None:
    ours = texts()
    missing = {text: place for text, place in said().items() if not ours.get(text)}
    assert not missing
    assert not ours.keys() - said().keys(), "nobody says this any more"


def test_a_translation_is_no_guess_and_has_the_same_places_to_fill_in() -> None:
    assert not [message.id for message in catalogue() if message.id and message.fuzzy]
    unlike = {text for text, told in texts().items() if "{" in text and {*places(text)} != {*places(told)}}
    assert not unlike


def test_the_compiled_catalogue_is_the_one_that_is_written() -> None:
    import gettext

    compiled = gettext.translation(DOMAIN, FOLDER, ["sv"])
    assert all(compiled.gettext(text) == told for text, told in texts().items()), "run deploy/setup test"


@pytest.mark.parametrize(
    ("language", "expected"), [("sv_SE.UTF-8", "användning: grindvakt"), ("C", "usage: grindvakt")]
)
def test_help_speaks_the_language_of_the_locale(language: str, expected: str) -> None:
    environment = {"LANG": language, "PATH": ""}
    asked = subprocess.run([*PROGRAM, "--help"], env=environment, capture_output=True, text=True, check=True)
    assert asked.stdout.startswith(expected)
