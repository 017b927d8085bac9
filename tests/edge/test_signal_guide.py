"""The guide to the signals and its pictures say what the lights do, and can be read without colours."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge.signals.patterns import PATTERNS, Pattern
from tests.house.repository import ROOT
from tests.signal_guide import GUIDE, PICTURES, main, pages, picture

SVG = "{http://www.w3.org/2000/svg}"


def parsed(pattern: Pattern) -> ElementTree.Element:
    """A picture that can be looked into."""
    return ElementTree.fromstring(picture(pattern))  # noqa: S314  # drawn by ourselves


@pytest.mark.feature("F11")
@pytest.mark.parametrize("path", sorted(pages()), ids=lambda path: path.stem)
def test_the_committed_guide_is_the_one_that_the_table_gives(path: Path) -> None:
    """After a change of a pattern: `make signals`."""
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path]


def test_there_is_no_picture_of_a_pattern_that_is_no_more() -> None:
    assert {each.relative_to(ROOT) for each in (ROOT / PICTURES).glob("*.svg")} == pages().keys() - {GUIDE}


def test_writing_the_guide_removes_what_is_no_more(tmp_path: Path) -> None:
    (tmp_path / PICTURES).mkdir(parents=True)
    (tmp_path / PICTURES / "gone.svg").touch()
    main(tmp_path)
    assert sorted(each.name for each in (tmp_path / PICTURES).iterdir()) == sorted(f"{each}.svg" for each in Pattern)


def test_every_pattern_stands_in_the_guide_once_with_its_picture() -> None:
    named = re.findall(r"^\| `([a-z_]+)` \|.*pictures/signals/([a-z_]+)\.svg", pages()[GUIDE], re.MULTILINE)
    assert [name for name, _ in named] == [file for _, file in named]
    assert sorted(name for name, _ in named) == sorted([*Pattern, Pattern.UNBOUND]), "unbound answers taps, and rests"


@pytest.mark.parametrize("pattern", Pattern)
def test_a_letter_on_every_bar_says_its_colour(pattern: Pattern) -> None:
    """A picture whose colours cannot be seen says the same."""
    drawing = parsed(pattern)
    letters = {text.text for text in drawing.iter(f"{SVG}text") if text.get("fill") == "#fff"}
    steps = PATTERNS[pattern].steps
    assert letters == {"R" for step in steps if step.red} | {"G" for step in steps if step.green}


def test_a_bar_is_as_long_as_its_light() -> None:
    drawing = parsed(Pattern.ADMITTED_OUT)
    bars = [each for each in drawing.iter(f"{SVG}rect") if each.get("fill") == "#14794a"]
    assert [(bar.get("x"), bar.get("width")) for bar in bars] == [("10", "66"), ("89.2", "66")]
