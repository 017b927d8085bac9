"""The command of a control visit as a person types it, and as a program reads it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.parser import parser
from edge.visit.asking import Asked, View
from tests.support.visited import ANNA, BORIS, BYGG, EL, IN, OUT, Visited, at, denied, tap


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    found.record(
        tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")),
        denied(BORIS, EL, at("2026-06-10 08:00:00")),
        tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00")),
    )
    return found


@pytest.mark.parametrize(
    ("words", "view"),
    [
        ([], "present"),
        (["present"], "present"),
        (["history"], "history"),
        (["--from", "2026-06-10"], "history"),  # whoever names a day wants what was
        (["--to", "2026:06:10"], "history"),  # as the regulation writes it
        (["--all"], "history"),
        (["--by", "recording"], "history"),
    ],
)
def test_what_is_shown_follows_from_what_is_asked(visited: Visited, words: list[str], view: str) -> None:
    visited.seen(*words)
    assert visited.facts()[-1].details["what"] == view


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--from", "2026-13-01"], 2, "2026-11-01"),
        (["--from", "2026-06-11", "--to", "2026-06-10"], 1, "perioden slutar innan den börjar"),
        (["--person", "x" * 61], 2, "60"),
        (["--pdf", "a.pdf", "--usb"], 2, "--usb"),
        (["yesterday"], 2, "yesterday"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_shown(
    visited: Visited, words: list[str], status: int, said: str
) -> None:
    done = visited.inspect(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert visited.facts() == []


def test_a_program_gets_the_same_rows_and_sees_that_nothing_was_cut_off(visited: Visited) -> None:
    shown = visited.seen("history", "--all")
    passes, denials = shown["sections"]
    (row,) = passes["rows"]
    assert (row["person"], row["company"]) == (
        {"name": "Anna Åkesson", "number": "190905271474"},
        {"name": "Bygg & Söner AB", "number": "5560160680"},
    )
    assert (row["began"]["date"], row["began"]["time"], row["began"]["entry"]) == ("2026:06:10", "07:00:00", "2")
    assert row["began"]["utc_microseconds"] == at("2026-06-10 07:00:00")
    assert [each["kind"] for each in denials["rows"]] == ["nekad"]
    assert shown["complete"] is True


def test_a_program_is_told_where_the_pages_are(visited: Visited, tmp_path: Path) -> None:
    done = visited.inspect("history", "--pdf", str(tmp_path / "a.pdf"), "--json")
    told = json.loads(done.stdout)
    assert told == {"pdf": str(tmp_path / "a.pdf"), "rows": 1, "recorded": 5, "faults": []}
    assert visited.facts()[-1].details["on"] == "pdf"


def test_the_text_is_swedish_whatever_the_machine_speaks(visited: Visited) -> None:
    command = [sys.executable, "-m", "edge.cli", "inspect", "--config", str(visited.config)]
    english = {**os.environ, "LANGUAGE": "en", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=english, timeout=60)
    assert "Personalliggare: nulägesrapport" in done.stdout
    assert "Ingen är här, så långt den här terminalen vet." in done.stdout


def test_whoever_called_sudo_stands_in_the_ledger(visited: Visited) -> None:
    command = [sys.executable, "-m", "edge.cli", "inspect", "--config", str(visited.config)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "SUDO_USER": "sigrid"}, timeout=60)
    assert visited.facts()[-1].details["account"] == "sigrid"


def test_a_reader_who_has_seen_enough_may_leave(visited: Visited) -> None:
    begins = at("2026-06-11 00:00:00")
    visited.record(*(denied(BORIS, EL, begins + n) for n in range(3000)))
    command = f'"{sys.executable}" -m edge.cli inspect --all --config "{visited.config}" | head -n 1'
    done = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Personalliggare: historik\n", "")


def test_the_guide_names_commands_that_there_are() -> None:
    """Every command and option of docs/inspection.md is one that the command line takes."""
    text = (Path(__file__).parents[2] / "docs" / "inspection.md").read_text(encoding="utf-8")
    commands = re.findall(r"`sudo grindvakt (inspect[^`]*)`", text)
    options = re.findall(r"`(--[a-z-]+(?: [^`]*)?)`", text)
    assert len(commands) >= 2
    assert {option.split()[0] for option in options} >= {"--company", "--person", "--by", "--all", "--pdf", "--usb"}
    for command in commands:
        assert parser().parse_args(command.split()).command == "inspect"
    for option in options:
        assert parser().parse_args(["inspect", "history", *option.split()]).view == "history"


def test_the_reference_of_the_ledger_names_what_a_showing_tells() -> None:
    text = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| `ledger.shown`"))
    details = Asked(View.PRESENT).details("screen", "root")
    assert [name for name in details if f"`{name}`" not in row] == []
