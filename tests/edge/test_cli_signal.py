"""`grindvakt signal` draws every pattern, and shows any of them on the lights of a daemon that runs."""

import json
from collections.abc import Iterator

import pytest

from edge.cli.__main__ import main
from edge.cli.signal import COLUMN, DRAWN, timeline
from edge.signals.patterns import PATTERNS, Pattern
from tests.support.gate import ANNA
from tests.support.terminal_process import TerminalProcess
from tests.support.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TerminalProcess]:
    """A daemon that runs."""
    with TerminalProcess(tmp_path_factory.mktemp("signals")) as terminal:
        terminal.bind({ANNA: "anna"})
        terminal.start()
        yield terminal


def shown(terminal: TerminalProcess) -> str:
    """The pattern that its lights show."""
    return str(terminal.status()["lights"]["shown"])


@pytest.mark.feature("F11")
def test_a_pattern_is_shown_until_its_time_is_over(running: TerminalProcess) -> None:
    before = shown(running)
    asked = running.command("signal", "show", "blocked", "--seconds", "1.5")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "the card is blocked" in asked.stdout
    assert shown(running) == "blocked"
    until(lambda: shown(running) == before, 5, "it rests again")


def test_a_tap_is_answered_over_what_is_shown_and_ends_it(running: TerminalProcess) -> None:
    assert running.command("signal", "show", "blocked", "--seconds", "60").returncode == 0
    assert running.tap(ANNA)["outcome"] == "granted"
    assert shown(running).startswith("recorded_in")
    until(lambda: shown(running) not in {"blocked", "recorded_in_offline"}, 5, "it rests, and shows nothing else")


def test_identify_is_heard_and_seen_and_stands_in_the_status(running: TerminalProcess) -> None:
    assert json.loads(running.command("signal", "show", "identify", "--seconds", "4", "--json").stdout) == {
        "pattern": "identify",
        "says": PATTERNS[Pattern.IDENTIFY].says,
        "seconds": 4.0,
    }
    until(lambda: running.levels["buzzer"] == 1, 5, "it beeps")
    assert "somebody asked where this terminal is" in running.command("status").stdout
    until(lambda: shown(running) != "identify", 10, "it is over")


def test_an_unknown_pattern_is_refused_with_the_nearest(
    running: TerminalProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signal", "show", "bloked", "--config", str(running.config)]) == 1
    told = capsys.readouterr().err
    assert "no pattern is called 'bloked'; did you mean blocked?" in told
    assert "grindvakt signal list" in told


@pytest.mark.parametrize("seconds", ["0", "-1", "601", "nan", "long"])
def test_a_time_that_is_too_short_or_too_long_is_refused(
    running: TerminalProcess, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["signal", "show", "blocked", f"--seconds={seconds}", "--config", str(running.config)])
    assert refused.value.code == 2
    assert "--seconds" in capsys.readouterr().err


def test_the_list_draws_every_pattern_without_a_daemon_or_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", "list"]) == 0
    told = capsys.readouterr().out
    for pattern in Pattern:
        assert f"{pattern}  {PATTERNS[pattern].says}" in told
        assert f"  {PATTERNS[pattern].words}" in told
    assert "  RR··RRRRRRRRRR··\n  ♪♪  ♪♪♪♪♪♪♪♪♪♪\n" in told


def test_the_list_is_whole_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", "list", "--json"]) == 0
    told = {each["pattern"]: each for each in json.loads(capsys.readouterr().out)}
    assert list(told) == list(Pattern)
    assert [step["ms"] for step in told["unread"]["steps"]] == [120] * 4
    assert (told["identify"]["at_rest"], told["blocked"]["at_rest"]) == (True, False)


@pytest.mark.parametrize("pattern", Pattern)
def test_a_drawn_line_is_as_long_as_the_pattern_and_says_its_colours_in_letters(pattern: Pattern) -> None:
    sequence = PATTERNS[pattern]
    lights, *_ = timeline(sequence, is_rest=False)
    assert len(lights) == pytest.approx((sequence.ms * sequence.times or DRAWN) / COLUMN, abs=1)
    assert ("G" in lights.plain) == any(step.green for step in sequence.steps)
    assert ("R" in lights.plain) == any(step.red for step in sequence.steps)
