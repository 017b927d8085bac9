"""docs/commands.md is the command line's own help, and the exit statuses on it are those that commands end with."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from edge.cli.__main__ import main as command_line
from edge.cli.parser import EPILOG, parser
from tests.command_guide import GUIDE, MEANS, leaves, main, name, page
from tests.house.repository import ROOT
from tests.support.terminal_process import SETTINGS

ASKED: Final = {
    "tap": ["uid:04A1B2C3"],
    "signal show": ["blocked"],
    "reader provision": ["both"],
    "door open": ["gate"],
    "door test": ["gate"],
    "door act": ["gate", "push"],
    "ledger export": ["--output", "-"],
    "completion": ["bash"],
}
"""What commands need beside their names."""

BROKEN: Final = SETTINGS.replace("pin = 5", "pin = 99")
WAITS: Final = ("run", "reader watch")
"""Those that go on until they are ended."""


def test_the_committed_page_is_the_one_that_the_command_line_gives() -> None:
    """After a change of the command line: `make commands`."""
    assert (ROOT / GUIDE).read_text(encoding="utf-8") == page()


def test_writing_the_page_writes_it(tmp_path: Path) -> None:
    (tmp_path / GUIDE.parent).mkdir()
    main(tmp_path)
    assert (tmp_path / GUIDE).read_text(encoding="utf-8") == page()


def test_every_command_has_its_statuses_and_each_of_those_stands_in_the_help() -> None:
    assert {name(each) for each in leaves(parser())} == MEANS.keys()
    named = {int(line.split()[0]) for line in EPILOG.splitlines() if line.strip()[:1].isdecimal()}
    assert {status for statuses in MEANS.values() for status in statuses} | {2} == named


@pytest.mark.parametrize("command", sorted(MEANS.keys() - set(WAITS)))
def test_without_a_daemon_and_with_wrong_settings_each_command_ends_as_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    takes_settings = command not in {"completion", "signal list"}
    for settings in (SETTINGS, BROKEN):
        path = tmp_path / "terminal.toml"
        path.write_text(settings, encoding="utf-8")
        config = [] if command == "completion" else ["--config", str(path)]
        status, err = ended([*command.split(), *ASKED.get(command, []), *config], capsys)
        assert status in MEANS[command], err
        assert "Traceback" not in err
        if settings is BROKEN and takes_settings and command != "doctor":
            assert status == 78, err


def ended(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """How a command ended, and what it said; what asks pcscd, or always speaks Swedish, has a process of its own."""
    if words[0] in {"doctor", "inspect"} or words[:2] == ["reader", "list"]:
        asked = [sys.executable, "-m", "edge.cli", *words]
        answer = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
        return answer.returncode, answer.stderr
    return command_line(words), capsys.readouterr().err
