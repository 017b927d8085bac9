"""The page on readers is true: each of its examples is read as it says, and it names every profile."""

import re
from pathlib import Path
from typing import Final

import pytest

from edge.readers.serial.frames import Frame, Noise
from edge.readers.serial.lines import CUT
from edge.readers.serial.profiles import Profile, frames_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/readers.md").read_text(encoding="utf-8")
ROWS: Final = re.findall(r"^\| `([a-z0-9-]+)` \| (.*`.*) \| `(\w+:\w+)` \|$", PAGE, re.MULTILINE)


def sent(words: str) -> bytes:
    """The bytes of `STX `0102` CR LF ETX`."""
    digits = words.split("`")[1].encode()
    if words.startswith("STX"):
        return b"\x02" + digits + (b"\r\n\x03" if "CR LF" in words else b"\x03")
    return digits + b"\r\n"


@pytest.mark.feature("F07")
@pytest.mark.parametrize(("profile", "words", "card"), ROWS)
def test_each_example_is_read_as_the_page_says(profile: str, words: str, card: str) -> None:
    (found,) = frames_of(Profile(profile)).feed(sent(words))
    assert isinstance(found, Frame)
    assert str(found.card) == card


def test_every_profile_has_an_example() -> None:
    assert {profile for profile, _, _ in ROWS} == set(Profile)


@pytest.mark.parametrize("digits", [b"11576829", b"176,42493"])
def test_what_the_page_says_is_refused_is_refused(digits: bytes) -> None:
    (found,) = frames_of(Profile.LINE_DEC).feed(digits + b"\r\n")
    assert found == Noise(CUT, digits)
    assert "8 digits (6H8D), and 3 and 5 with a comma" in PAGE
