"""The command `grindvakt` answers people in tables and programs in JSON, and every failure says what to do."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from edge.cli.__main__ import main
from edge.cli.parser import EPILOG
from tests.support.gate import ANNA, BORIS, gate
from tests.support.terminal_process import SETTINGS, TerminalProcess

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TerminalProcess]:
    """A daemon that runs; two people have tapped."""
    with TerminalProcess(tmp_path_factory.mktemp("running")) as terminal:
        terminal.bind({ANNA: "anna"})
        terminal.start()
        terminal.tap(ANNA)
        terminal.tap(BORIS)
        yield terminal


@pytest.fixture
def stopped(tmp_path: Path) -> TerminalProcess:
    """A terminal whose daemon does not run, with a ledger of three taps."""
    terminal = TerminalProcess(tmp_path)
    terminal.state.mkdir()
    with gate(terminal.state) as site:
        for card in (ANNA, BORIS, ANNA):
            site.tap(card)
    return terminal


def asked(terminal: TerminalProcess, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    status = main([*words, "--config", str(terminal.config)])
    out, err = capsys.readouterr()
    return status, out, err


def test_status_tells_a_person_how_everything_is(running: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = asked(running, capsys, "status")
    assert (status, err) == (0, "")
    told = {line[:12].strip(): line[12:].strip() for line in out.splitlines() if line[:12].strip()}
    assert told["terminal"] == f"gate-1 (grindvakt {version('grindvakt')})"
    assert told["project"] == "Kvarnen, North gate (open)"
    assert told["link"] == "offline to 127.0.0.1:1"
    assert told["tables"] == "binding 1, roster 1; still to come: blocklist, presence"
    assert re.fullmatch(r"\d+ entries, the oldest of 20.*", told["unsent"])
    assert told["reader both"] == "there"
    assert told["door gate"] in {"unlocked", "locked"}
    assert "showing" in told["lights"]
    assert re.fullmatch(r"\d+ entries, 0 of them receipted", told["ledger"])


def test_status_tells_a_program_the_same(running: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = asked(running, capsys, "status", "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["terminal"], answer["binding"]["place"], answer["link"]["online"]) == ("gate-1", "North gate", False)
    assert answer["readers"] == {
        "both": {"there": True, "kind": "simulated", "why": None, "lost_at": None, "tampered": False}
    }
    assert set(answer["lights"]) == {"shown", "red", "green", "buzzer"}
    assert answer["ledger"]["last_seq"] == answer["queue"]["depth"] >= 4
    assert answer["clock"]["quality"] in {"synchronised", "held", "untrusted"}


def test_a_tap_is_answered_in_json_too(running: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = asked(running, capsys, "tap", "uid:04010203", "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["outcome"], answer["direction"], answer["reason"]) == ("granted", "in", None)
    assert answer["shown"] == "recorded_without_person_offline"


def test_a_card_that_is_none_is_refused_with_an_example(
    running: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = asked(running, capsys, "tap", "uid:0401")
    assert (status, out) == (1, "")
    assert "uid with 2 bytes, expected 4 or 7 or 10" in err
    assert "for example uid:04A1B2C3D4E5F6" in err


def test_the_ledger_is_read_while_the_daemon_writes_it(
    running: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = asked(running, capsys, "ledger", "verify")
    assert status == 0
    assert re.search(r"all \d+ entries are as written", out)


def test_tail_shows_taps_doors_and_facts(stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = asked(stopped, capsys, "ledger", "tail")
    assert status == 0
    header, *rows = out.splitlines()
    assert header.split() == ["seq", "when", "what", "where", "answer", "why"]
    assert "ledger.opened" in rows[0]
    assert re.search(r"3 +2026-06-10 .* uid:04A1B2C3D4E5F6 +both +denied +unbound", rows[2])


def test_tail_shows_as_many_as_asked_for_and_to_a_program_every_field(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = asked(stopped, capsys, "ledger", "tail", "-n", "2", "--json")
    entries = json.loads(out)
    assert status == 0
    assert [(entry["seq"], entry["kind"], entry["card"]) for entry in entries] == [
        (4, "tap", str(BORIS)),
        (5, "tap", str(ANNA)),
    ]
    assert len(bytes.fromhex(entries[0]["salt"])) == 16


def test_verify_says_that_a_ledger_is_whole(stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = asked(stopped, capsys, "ledger", "verify")
    assert status == 0
    assert "of terminal gate-1: all 5 entries are as written" in out
    status, out, _ = asked(stopped, capsys, "ledger", "verify", "--json")
    assert (status, json.loads(out)["verified"], json.loads(out)["entries"]) == (0, True, 5)


def tampered(terminal: TerminalProcess) -> TerminalProcess:
    """With a payload exchanged, as somebody with the disk in his hands can."""
    with closing(sqlite3.connect(terminal.state / "ledger.db", isolation_level=None)) as other:
        for (trigger,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {trigger}")
        other.execute("UPDATE payload SET bytes = (SELECT bytes FROM payload WHERE seq = 5) WHERE seq = 3")
    return terminal


@pytest.mark.feature("F17")
def test_verify_names_the_first_entry_that_was_changed(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = asked(tampered(stopped), capsys, "ledger", "verify")
    assert (status, out) == (1, "")
    assert "the chain breaks at entry 3: its payload is not the one that was recorded" in err
    status, out, _ = asked(stopped, capsys, "ledger", "verify", "--json")
    assert (status, json.loads(out)) == (
        1,
        {"verified": False, "entry": 3, "reason": "its payload is not the one that was recorded"},
    )


def test_without_a_daemon_the_command_says_how_to_start_it(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["status"], ["tap", str(ANNA)]):
        status, out, err = asked(stopped, capsys, *words)
        assert (status, out) == (69, "")
        assert "start it with `systemctl start grindvakt`" in err


def test_a_failure_is_json_too_where_json_was_asked_for(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = asked(stopped, capsys, "status", "--json")
    assert (status, err) == (69, "")
    assert json.loads(out)["error"] == "DaemonUnreachable"


def test_a_ledger_that_is_not_there_is_named(stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(stopped.state)
    status, _, err = asked(stopped, capsys, "ledger", "tail")
    assert status == 1
    assert "ledger.db cannot be used" in err


def test_check_config_says_what_is_right_and_what_is_not_there_yet(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = asked(stopped, capsys, "check-config")
    assert status == 0
    assert "terminal.toml is right: terminal gate-1, readers: 1, doors: 1" in out
    assert "ca.pem is not there yet: no link until it is" in out
    assert "door gate: GPIO 5 is pulled up until the daemon runs, which energises it: use one of 9 to 27" in out
    status, out, _ = asked(stopped, capsys, "check-config", "--json")
    assert (status, json.loads(out)["problems"], len(json.loads(out)["warnings"])) == (0, [], 4)


@pytest.mark.parametrize("words", [["check-config"], ["run"], ["status"], ["ledger", "verify"]])
def test_wrong_settings_end_every_command_with_78_and_all_mistakes(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    stopped.config.write_text(SETTINGS.replace("pin = 5", "pin = 99").replace('kind = "gpio"', ""), encoding="utf-8")
    status, out, err = asked(stopped, capsys, *words)
    assert (status, out) == (78, "")
    assert "signals.kind is missing" in err
    assert "door 1.pin = 99 does not fit" in err
    assert "terminal.toml" in err
    assert asked(stopped, capsys, *words, "--json")[0] == 78


def test_check_config_gives_a_program_each_mistake(
    stopped: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped.config.write_text(SETTINGS.replace("pin = 5", "pin = 99"), encoding="utf-8")
    status, out, _ = asked(stopped, capsys, "check-config", "--json")
    assert status == 78
    assert json.loads(out)["problems"] == ["door 1.pin = 99 does not fit: expected a whole number from 0 to 27"]


def test_help_tells_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert EPILOG in out
    assert set(re.findall(r"^  (\d+) ", EPILOG, re.MULTILINE)) == {"0", "1", "2", "69", "70", "75", "78", "130"}


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"grindvakt {version('grindvakt')}\n"


@pytest.mark.parametrize("words", [[], ["open"], ["ledger"], ["tap"], ["ledger", "tail", "-n", "0"]])
def test_a_wrong_command_line_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: grindvakt" in capsys.readouterr().err


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).with_name("grindvakt")
    said = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"grindvakt {version('grindvakt')}\n"
