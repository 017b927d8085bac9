"""A shell completes the commands with what `grindvakt completion` writes for it."""

import subprocess
from pathlib import Path

import pytest

from edge.cli.__main__ import main

COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"
_shtab_grindvakt
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "grindvakt"
    path.write_text(capsys.readouterr().out)
    return path


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers after these words, the last of them begun."""
    command = ["bash", "-c", COMPLETE, "bash", str(script), *words]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, cwd=script.parent).stdout.split())


def test_commands_and_what_they_take_are_completed(script: Path) -> None:
    assert {"run", "status", "check-config", "door"} <= completed(script, "grindvakt", "")
    assert completed(script, "grindvakt", "door", "o") == {"open"}
    assert completed(script, "grindvakt", "signal", "show", "led") == {"ledger_fault", "ledger_salvaged"}


def test_files_are_completed_where_a_file_is_wanted(script: Path) -> None:
    (script.parent / "terminal.toml").touch()
    assert completed(script, "grindvakt", "status", "--config", "term") == {"terminal.toml"}


def test_zsh_has_a_script_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef grindvakt")
