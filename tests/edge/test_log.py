"""The log is JSON, complete, and what the reference page says; a log that nobody takes stops nothing."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from edge.events import Event
from edge.log import Lines
from protocol.cards import CardId
from tests.support.gate import gate

ROOT: Final = Path(__file__).parents[2]
LOGGED: Final = """
import edge.log
edge.log.configure()
import structlog
from protocol.cards import CardId
log = structlog.get_logger()
log.debug("not.told")
log.info("tap.answered", card=CardId.parse("uid:04A1B2C3D4E5F6").masked, word="gr\\xe4ns", other=object)
try:
    raise KeyError("unforeseen")
except KeyError:
    log.exception("task.failed")
"""


def test_lines_are_json_with_time_level_and_what_went_wrong() -> None:
    told = subprocess.run([sys.executable, "-c", LOGGED], cwd=ROOT, check=True, capture_output=True).stdout
    tap, task = [json.loads(line) for line in told.splitlines()]
    assert (tap["event"], tap["level"], tap["card"], tap["word"]) == ("tap.answered", "info", "uid:…E5F6", "gräns")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", tap["at"])
    assert "KeyError: 'unforeseen'" in task["exception"]


def test_a_card_that_is_logged_by_mistake_is_masked() -> None:
    assert repr(CardId.parse("uid:04A1B2C3D4E5F6")) == "CardId(uid:…E5F6)"


def test_a_log_that_nobody_takes_any_more_stops_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        Lines(write).info(b"{}")
    finally:
        os.close(write)
    Lines(write).info(b"{}")


def keys_by_event() -> dict[str, set[str]]:
    """What the code says with each event, as far as it is written out."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(args=[ast.Attribute(value=ast.Name(id="Event"), attr=member), *_], keywords=keywords):
                    found[Event[member].value] |= {word.arg for word in keywords if word.arg is not None}
    return found


def page() -> dict[str, set[str]]:
    """Each event of the terminal's part of docs/log-events.md, with its keys."""
    part = (ROOT / "docs/log-events.md").read_text(encoding="utf-8").partition("## Terminal")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| ((?:`[a-z_]+` ?)+)\|$", part, re.MULTILINE)
    return {event: set(re.findall(r"`([a-z_]+)`", keys)) for event, keys in rows}


def test_the_reference_page_lists_every_event_and_no_other() -> None:
    assert set(page()) == set(Event)


def test_every_event_is_used() -> None:
    assert set(keys_by_event()) == set(Event)


@pytest.mark.parametrize("event", Event)
def test_the_reference_page_names_everything_that_is_said(event: Event) -> None:
    assert keys_by_event()[event] - {"exc_info"} <= page()[event]


@pytest.mark.parametrize("event", Event)
def test_events_follow_the_grammar(event: Event) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+", event)
    assert event.name == event.value.replace(".", "_").upper()


def test_the_line_of_a_tap_says_exactly_what_the_page_says(tmp_path: Path) -> None:
    with gate(tmp_path) as site, capture_logs() as lines:
        site.tap()
    assert set(lines[-1]) - {"event", "log_level"} == page()["tap.answered"]
