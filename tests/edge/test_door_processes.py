"""Killed at whatever moment, a terminal leaves no lock open: what systemd runs then locks, and needs nothing else."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from edge.doors.simulated_door import Act
from edge.ledger.inspection import LedgerInspection
from edge.local import Answer, AskDoor, AskOpen, ask
from protocol.entries import DoorChange
from tests.support.gate import ANNA
from tests.support.other_time import OtherTime
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

ROOT: Final = Path(__file__).parents[2]
DOORS: Final = """
[[door]]
name = "gate"
kind = "motor"
pin = 23
pin_lock = 24
bolt_pin = 5
withdrawn_pin = 6
contact_pin = 12
exit_pin = 13
motor_seconds = 2
access_seconds = 10
held_open_seconds = 2

[[door]]
name = "side"
pin = 25
contact_pin = 16
active_high = false
"""
UNLOCKED_SIDE: Final = 0
"""The relay of the side door is active-low."""


def with_doors(doors: str = DOORS) -> str:
    """Settings of a terminal with these doors, whose lines are simulated whatever runs."""
    return SETTINGS.partition("[[door]]")[0].replace('kind = "gpio"', 'kind = "simulated"') + doors


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path, with_doors()) as process:
        yield process


def act(terminal: TerminalProcess, act: Act, door: str = "gate") -> Answer:
    """Do something to a door."""
    return ask(terminal.socket, AskDoor(door, act))


def becomes(terminal: TerminalProcess, state: str, door: str = "gate") -> None:
    """Wait until the door is so."""
    until(lambda: ask(terminal.socket, AskDoor(door))["state"] == state, 15, f"{door} to be {state}")


def opened(terminal: TerminalProcess) -> None:
    """Open both doors, as a tap does."""
    terminal.tap(ANNA)
    ask(terminal.socket, AskOpen("side"))
    ask(terminal.socket, AskOpen("gate"))


def unlocking(terminal: TerminalProcess) -> None:
    opened(terminal)
    becomes(terminal, "unlocking")


def unlocked(terminal: TerminalProcess) -> None:
    opened(terminal)
    becomes(terminal, "unlocked")


def open_and_shut(terminal: TerminalProcess) -> None:
    """Open, and closed by hand after the kill: a bolt is never thrown beside its hole."""
    unlocked(terminal)
    act(terminal, Act.PUSH)
    becomes(terminal, "open")


def held_open(terminal: TerminalProcess) -> None:
    open_and_shut(terminal)
    becomes(terminal, "held_open")


def locking(terminal: TerminalProcess) -> None:
    open_and_shut(terminal)
    act(terminal, Act.CLOSE)
    ask(terminal.socket, AskOpen("side"))
    becomes(terminal, "locking")


def jammed(terminal: TerminalProcess) -> None:
    """With the drive on again, at the second try."""
    act(terminal, Act.JAM)
    opened(terminal)
    becomes(terminal, "jammed")
    until(lambda: terminal.levels["lock-gate"], what="the drive to try again")


STATES: Final = {
    "unlocking": unlocking,
    "unlocked": unlocked,
    "open": open_and_shut,
    "held_open": held_open,
    "locking": locking,
    "jammed": jammed,
}


def after_stop(terminal: TerminalProcess) -> subprocess.CompletedProcess[str]:
    """What systemd runs after the service has ended: the very line of the unit, with this machine's paths."""
    unit = (ROOT / "systemd/grindvakt.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStopPost=(.*)$", unit, re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert program == "/opt/grindvakt/bin/grindvakt"
    given = [str(terminal.config) if each == "/etc/grindvakt/terminal.toml" else each for each in arguments]
    command = [sys.executable, "-m", "edge.cli", *given]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def close_by_hand(terminal: TerminalProcess) -> None:
    """Somebody closes the doors while nothing runs: the simulated contacts and leaves say so in the history."""
    with (terminal.state / "pins.log").open("a", encoding="ascii") as log:
        for name, level in (("leaf-gate", 0), ("contact-gate", 0), ("leaf-side", 0), ("contact-side", 0)):
            log.write(f"{time.monotonic_ns()} {name} {level}\n")


def is_locked(levels: dict[str, int]) -> bool:
    """Both drives and the relay off, and the bolt's switch (low when thrown) says that it is home."""
    return (levels["lock-gate"], levels["throw-gate"], levels["lock-side"], levels["bolt-gate"]) == (0, 0, 1, 0)


@pytest.mark.feature("F12", "F13", "F22")
@pytest.mark.parametrize("state", STATES)
def test_killed_at_each_state_the_unit_s_own_command_leaves_every_lock_locked(
    terminal: TerminalProcess, state: str
) -> None:
    """Nothing but the pins and the configuration is left: no daemon, and not even a ledger."""
    terminal.bind()
    terminal.start("--simulate")
    STATES[state](terminal)
    terminal.kill()
    assert terminal.levels["lock-side"] == UNLOCKED_SIDE, "a killed process closes nothing by itself"
    for file in terminal.state.glob("*.db*"):
        file.unlink()
    close_by_hand(terminal)
    if state == "jammed":
        with (terminal.state / "pins.log").open("a", encoding="ascii") as log:
            log.write(f"{time.monotonic_ns()} stuck-gate 0\n")
    told = after_stop(terminal)
    assert (told.returncode, told.stdout) == (0, "gate: locked\nside: locked\n"), told.stderr
    assert is_locked(terminal.levels)


@pytest.mark.feature("F13")
def test_a_jam_that_stays_is_told_and_no_drive_is_left_on(terminal: TerminalProcess) -> None:
    terminal.bind()
    terminal.start("--simulate")
    unlocked(terminal)
    act(terminal, Act.JAM)
    terminal.kill()
    told = after_stop(terminal)
    assert told.returncode == 1
    assert "gate: not locked: its bolt did not arrive" in told.stdout
    assert "side: locked" in told.stdout
    levels = terminal.levels
    assert (levels["lock-gate"], levels["throw-gate"], levels["lock-side"]) == (0, 0, 1)


def test_a_bolt_is_not_thrown_beside_its_hole_and_the_command_says_what_to_do(terminal: TerminalProcess) -> None:
    terminal.bind()
    terminal.start("--simulate")
    open_and_shut(terminal)
    terminal.kill()
    told = after_stop(terminal)
    assert told.returncode == 1
    assert "gate: it stands open, so its bolt was not thrown: close it and lock again" in told.stdout
    levels = terminal.levels
    assert (levels["lock-gate"], levels["throw-gate"], levels["bolt-gate"]) == (0, 0, 1)


@pytest.mark.feature("F12")
def test_a_clean_stop_drives_every_bolt_home_before_the_daemon_ends(terminal: TerminalProcess) -> None:
    terminal.bind()
    terminal.start("--simulate")
    unlocked(terminal)
    assert terminal.stop() == 0
    assert is_locked(terminal.levels)
    assert terminal.errors == ""
    with LedgerInspection(terminal.state / "ledger.db") as ledger:
        entries = [payload for _, payload in ledger.tail(20) if isinstance(payload, DoorChange)]
    ends = {entry.door: (entry.state, entry.cause) for entry in entries}
    assert ends == {"gate": ("locked", "bolt"), "side": ("locked", "stopped")}


def test_after_a_kill_the_next_start_locks_and_writes_down_that_it_did(terminal: TerminalProcess) -> None:
    terminal.bind()
    terminal.start("--simulate")
    unlocked(terminal)
    terminal.kill()
    terminal.start("--simulate")
    becomes(terminal, "locked")
    terminal.stop()
    with LedgerInspection(terminal.state / "ledger.db") as ledger:
        entries = [payload for _, payload in ledger.tail(20) if isinstance(payload, DoorChange)]
    told = [(entry.door, entry.state, entry.cause) for entry in entries][-3:]
    assert told == [("gate", "locking", "started"), ("side", "locked", "started"), ("gate", "locked", "bolt")]


def test_doors_are_locked_and_served_before_and_without_a_ledger(terminal: TerminalProcess) -> None:
    left_unlocked(terminal)
    (terminal.state / "ledger.db").mkdir()
    terminal.begin("--simulate")
    until(lambda: is_locked(terminal.levels), what="the doors to be locked")
    assert not terminal.socket.exists()
    assert terminal.stop() == 0


@pytest.mark.feature("F21")
def test_a_stopped_process_guards_nothing_and_what_the_watchdog_does_then_locks(terminal: TerminalProcess) -> None:
    """SIGSTOP stops the guard's thread too. systemd misses the heart, kills (even a stopped process), and locks."""
    unit = (ROOT / "systemd/grindvakt.service").read_text(encoding="utf-8")
    assert "WatchdogSignal=SIGKILL" in unit.splitlines()
    short = DOORS.replace("pin = 25\n", "pin = 25\naccess_seconds = 0.5\n")
    terminal.config.write_text(with_doors(short), encoding="utf-8")
    terminal.start("--simulate")
    ask(terminal.socket, AskOpen("side"))
    stopped_at = time.monotonic()
    os.kill(terminal.pid, signal.SIGSTOP)
    until(lambda: time.monotonic() > stopped_at + 2.5, what="the time of guard and margin to be over")
    assert terminal.levels["lock-side"] == UNLOCKED_SIDE, "nobody in that process could have locked"
    terminal.kill()
    assert after_stop(terminal).returncode == 0
    assert is_locked(terminal.levels)


@pytest.mark.parametrize("step", [-86_400.0, 2_000_000_000.0])
def test_a_wall_clock_that_is_set_moves_no_time_of_a_door(
    terminal: TerminalProcess, tmp_path: Path, step: float
) -> None:
    short = DOORS.replace("access_seconds = 10", "access_seconds = 1.5")
    terminal.config.write_text(with_doors(short), encoding="utf-8")
    clock = OtherTime(tmp_path / "clock", datetime.now(UTC))
    terminal.start("--simulate", environment=clock.environment)
    ask(terminal.socket, AskOpen("gate"))
    becomes(terminal, "unlocked")
    clock.step(step)
    becomes(terminal, "locked")
    terminal.stop()
    with LedgerInspection(terminal.state / "ledger.db") as ledger:
        entries = [payload for _, payload in ledger.tail(20) if isinstance(payload, DoorChange)]
    times = {(entry.state, entry.cause): entry.monotonic / 1e9 for entry in entries if entry.door == "gate"}
    assert 1.5 <= times["locking", "access_time"] - times["unlocked", "bolt"] < 2.5


BROKEN: Final[dict[str, Callable[[str], str]]] = {
    "other sections are wrong": lambda text: text.replace("[link]", "[lnik]").replace('id = "gate-1"', "id = 7"),
    "another section is no TOML": lambda text: text.replace("port = 1", "port = = 1"),
    "the line of a reader is cut off": lambda text: text.replace('name = "both"', 'name = "bo'),
    "times of the doors are wrong": lambda text: text.replace("access_seconds = 10", 'access_seconds = "long"'),
    "the longest time of a motor is wrong": lambda text: text.replace("motor_seconds = 2", "motor_seconds = 9000"),
    "a door has a name that cannot be": lambda text: text.replace('name = "side"', 'name = "Side door"'),
}


def left_unlocked(terminal: TerminalProcess) -> None:
    """The lines as a daemon leaves them that was killed while both doors were unlocked."""
    terminal.state.mkdir()
    left = {"lock-gate": 0, "throw-gate": 0, "lock-side": UNLOCKED_SIDE, "bolt-gate": 1, "withdrawn-gate": 0}
    lines = [f"{time.monotonic_ns()} {name} {level}\n" for name, level in left.items()]
    (terminal.state / "pins.log").write_text("".join(lines), encoding="ascii")


@pytest.mark.parametrize("how", BROKEN)
def test_a_configuration_that_was_broken_meanwhile_locks_all_the_same(terminal: TerminalProcess, how: str) -> None:
    left_unlocked(terminal)
    terminal.config.write_text(BROKEN[how](with_doors()), encoding="utf-8")
    told = after_stop(terminal)
    levels = terminal.levels
    side = levels.get("lock-door-2", levels["lock-side"])
    locked = (levels["lock-gate"], levels["throw-gate"], levels["bolt-gate"], side)
    assert locked == (0, 0, 0, 1), told.stdout + told.stderr


def test_a_door_whose_own_section_is_wrong_is_named_and_the_others_are_locked(terminal: TerminalProcess) -> None:
    left_unlocked(terminal)
    terminal.config.write_text(with_doors().replace("active_high = false", 'active_high = "no"'), encoding="utf-8")
    told = after_stop(terminal)
    assert told.returncode == 78
    assert "gate: locked" in told.stdout
    assert "not locked: door 2.active_high = 'no' does not fit" in told.stdout
    assert terminal.levels["bolt-gate"] == 0


def test_doors_that_share_a_line_by_mistake_are_locked_one_after_the_other(terminal: TerminalProcess) -> None:
    left_unlocked(terminal)
    terminal.config.write_text(with_doors().replace("pin = 25", "pin = 24"), encoding="utf-8")
    told = after_stop(terminal)
    assert (told.returncode, told.stdout) == (0, "gate: locked\nside: locked\n"), told.stderr
    assert is_locked(terminal.levels)


def test_locking_that_is_ended_half_way_leaves_no_drive_on(terminal: TerminalProcess) -> None:
    left_unlocked(terminal)
    with (terminal.state / "pins.log").open("a", encoding="ascii") as log:
        log.write(f"{time.monotonic_ns()} stuck-gate 1\n")
    command = [sys.executable, "-m", "edge.cli", "door", "lock", "--config", str(terminal.config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as locking_up:
        until(lambda: terminal.levels["throw-gate"], what="the drive to run")
        locking_up.terminate()
        assert locking_up.wait(10) == 130
    assert (terminal.levels["throw-gate"], terminal.levels["lock-gate"]) == (0, 0)


def test_the_doors_of_a_daemon_that_runs_are_its_own(terminal: TerminalProcess) -> None:
    terminal.start("--simulate")
    refused = terminal.command("door", "lock")
    assert refused.returncode == 75
    assert "another daemon already runs" in refused.stderr


def test_a_fail_safe_door_is_free_after_every_end(terminal: TerminalProcess) -> None:
    """Nobody serves its exit button then, so people must be able to leave."""
    magnet = '\n[[door]]\nname = "gate"\npin = 23\nfail = "safe"\n'
    terminal.config.write_text(with_doors(magnet), encoding="utf-8")
    terminal.start("--simulate")
    until(lambda: terminal.levels["lock-gate"] == 1, what="the magnet to hold")
    terminal.kill()
    told = after_stop(terminal)
    assert told.returncode == 0
    assert told.stdout.startswith("gate: released: it is fail-safe")
    assert terminal.levels["lock-gate"] == 0


# --- the commands -----------------------------------------------------------------------------------------------------


def test_a_door_is_opened_by_command_and_the_ledger_says_so(terminal: TerminalProcess) -> None:
    terminal.start("--simulate")
    said = terminal.command("door", "open", "side")
    assert (said.returncode, said.stdout) == (0, "side: unlocked\n")
    assert terminal.levels["lock-side"] == UNLOCKED_SIDE
    terminal.stop()
    tail = terminal.command("ledger", "tail").stdout
    assert re.search(r"door +side +unlocked +command", tail)


def test_a_door_that_is_not_there_is_refused_with_those_that_are(terminal: TerminalProcess) -> None:
    terminal.start("--simulate")
    for words in (("open", "nroth"), ("test", "nroth"), ("act", "nroth", "push")):
        refused = terminal.command("door", *words)
        assert refused.returncode == 1
        assert "no door is called 'nroth'; there are gate, side" in refused.stderr
    assert "there are push, close, force" in terminal.command("door", "act", "gate", "kick").stderr


def test_doors_are_acted_on_only_under_simulate(terminal: TerminalProcess) -> None:
    terminal.begin()
    until(terminal.socket.exists, what="the socket")
    refused = terminal.command("door", "act", "gate", "push")
    assert refused.returncode == 1
    assert "only under `grindvakt run --simulate`" in refused.stderr


class Installer:
    """Runs `grindvakt door test`, and does what it says."""

    def __init__(self, terminal: TerminalProcess, *options: str) -> None:
        command = [sys.executable, "-m", "edge.cli", "door", "test", "gate", "--config", str(terminal.config), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def reads(self) -> Iterator[str]:
        assert self.process.stdout is not None
        with closing(self.process.stdout) as lines:
            yield from (line.rstrip("\n") for line in lines)


def test_an_installer_is_told_what_to_do_and_what_each_switch_said(terminal: TerminalProcess) -> None:
    terminal.start("--simulate")
    does = {"Open the door.": Act.PUSH, "Close the door.": Act.CLOSE, "Press the exit button.": Act.EXIT}
    installer = Installer(terminal)
    read = []
    for line in installer.reads():
        read.append(re.sub(r"[0-9.]+ s$", "… s", line))
        if line in does:
            act(terminal, does[line])
    assert installer.process.wait(10) == 0
    assert read == [
        "Close the door and leave it alone.",
        "  locked: seen after … s",
        "The lock is opened now: listen for it.",
        "  unlocked: seen after … s",
        "Open the door.",
        "  opened: seen after … s",
        "Close the door.",
        "  closed: seen after … s",
        "Leave it alone: it locks by itself.",
        "  relocked: seen after … s",
        "Press the exit button.",
        "  exit button: seen after … s",
    ]


def test_what_an_installer_does_not_do_is_told_as_not_seen_with_advice(terminal: TerminalProcess) -> None:
    terminal.start("--simulate")
    act(terminal, Act.JAM)
    said = terminal.command("door", "test", "gate", "--seconds", "1")
    assert said.returncode == 1
    assert "  locked: seen after 0 s" in said.stdout
    assert "  unlocked: NOT seen: is the motor powered, and are pin and pin_lock the right way round?" in said.stdout
    assert "  opened: NOT seen: the contact did not tell" in said.stdout
