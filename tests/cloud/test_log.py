"""The cloud's log is JSON with names of one enum, and the page about it is true."""

import ast
import io
import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
import structlog

from cloud.events import Event
from cloud.log import configure
from tests.house.repository import ROOT


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged in the test; afterwards the log is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure(out)
    yield out
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object(lines: io.StringIO) -> None:
    structlog.get_logger().warning(Event.LINK_LOST, why="it\nis gone")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["level"], line["why"]) == ("link.lost", "warning", "it\nis gone")
    assert line["at"].endswith("Z")


def test_a_library_s_warning_stands_among_them(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("it is %s", "late")
    logging.getLogger("some.library").info("chatter")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["library"], line["line"]) == ("library.said", "some.library", "it is late")


def test_a_fault_brings_its_stack_in_the_same_line(lines: io.StringIO) -> None:
    try:
        raise LookupError("of a test")
    except LookupError:
        logging.getLogger("some.library").exception("it failed")
    assert "LookupError: of a test" in json.loads(lines.getvalue())["exception"]


def said() -> dict[str, set[str]]:
    """What the code says with each event, as far as it is written out."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "cloud").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(args=[ast.Attribute(value=ast.Name(id="Event"), attr=member), *_], keywords=keywords):
                    found[Event[member].value] |= {word.arg for word in keywords if word.arg is not None}
                case ast.Attribute(value=ast.Name(id="Event"), attr=member):
                    found[Event[member].value] |= set()
    return found


def page() -> dict[str, set[str]]:
    """Each event of the reference page, with its keys."""
    text = (ROOT / "docs/log-events-cloud.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| ((?:`[a-z_]+` ?)+|-) ?\|$", text, re.MULTILINE)
    return {event: set(re.findall(r"`([a-z_]+)`", keys)) for event, keys in rows}


def test_the_reference_page_lists_every_event_and_no_other() -> None:
    assert set(page()) == set(Event)


def test_every_event_is_used() -> None:
    assert set(said()) == set(Event)


@pytest.mark.parametrize("event", Event)
def test_the_reference_page_names_everything_that_is_said(event: Event) -> None:
    assert said()[event] - {"exc_info"} <= page()[event]


@pytest.mark.parametrize("event", Event)
def test_events_follow_the_grammar(event: Event) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+", event)
    assert event.name == event.value.replace(".", "_").upper()
