"""`grindvakt doctor` beside real daemons: what it says, its exit status, and that it changes nothing (F20)."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from edge.cli.doctor import summary, word
from edge.doctor import Finding, Verdict, bad, doubtful, good, unknown
from edge.readers.osdp.keys import Keys, ReaderKeys
from edge.readers.osdp.simulator import OsdpSimulator, SimulatedOsdpReader
from tests.support.certificates import CertificateAuthority
from tests.support.gate import ANNA
from tests.support.mosquitto import Mosquitto
from tests.support.osdp_gate import BAUD, IN, KEYS
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path) as process:
        process.bind()
        yield process


def found(terminal: TerminalProcess, status: int) -> dict[str, dict[str, Any]]:
    """The worst finding of each part, as a program reads them."""
    answer = terminal.command("doctor", "--json")
    assert answer.returncode == status, answer.stdout + answer.stderr
    assert answer.stderr == ""
    told = json.loads(answer.stdout)
    assert told["verdict"] == ("bad" if status else told["verdict"])
    worst: dict[str, dict[str, Any]] = {}
    for each in told["findings"]:
        assert each["advice"] or each["verdict"] in {"good", "unknown"}, each
        worst[each["part"]] = max(
            worst.get(each["part"], each), each, key=lambda one: list(Verdict).index(Verdict(one["verdict"]))
        )
    return worst


def test_a_terminal_without_papers_says_what_to_do_and_ends_with_1(terminal: TerminalProcess) -> None:
    terminal.start()
    terminal.tap(ANNA)
    parts = found(terminal, 1)
    assert parts["daemon"]["verdict"] == "good"
    assert f"process {terminal.pid}" in parts["daemon"]["found"]
    assert parts["certificate"]["verdict"] == "bad"
    assert "not there: " in parts["certificate"]["found"]
    assert parts["cloud"]["verdict"] == "bad"
    assert parts["binding"] == {
        "part": "binding",
        "verdict": "good",
        "found": "Kvarnen, North gate (open)",
        "advice": "",
    }
    assert parts["door gate"]["verdict"] == "good"
    assert parts["reader both"]["found"].startswith("simulated")
    assert parts["ledger"]["verdict"] == "good"
    assert parts["tables"]["verdict"] == "bad"


def test_a_terminal_that_is_connected_says_so(tmp_path: Path) -> None:
    with ExitStack() as stack:
        authority = CertificateAuthority(tmp_path / "authority")
        own = authority.issue("gate-1", days=(-1, 300))
        broker = stack.enter_context(Mosquitto(tmp_path / "broker", authority))
        settings = SETTINGS.replace("port = 1\n", f"port = {broker.port}\n").replace("ca.pem", str(own.ca))
        settings = settings.replace("terminal.pem", str(own.certificate)).replace("terminal.key", str(own.key))
        terminal = stack.enter_context(TerminalProcess(tmp_path, settings))
        terminal.bind()
        terminal.start()
        until(lambda: terminal.status()["link"]["online"], 20, "the link")
        parts = found(terminal, 1)
        assert [parts[part]["verdict"] for part in ("certificate", "broker", "cloud")] == ["good", "good", "doubtful"]
        assert "nothing was heard that the cloud has signed" in parts["cloud"]["found"]
        assert terminal.status()["link"]["online"], "the doctor's own knock has not taken its place"
        lost = [line for line in terminal.log if line["event"] == "link.lost"]
        assert lost == []


def test_without_a_daemon_everything_that_lies_on_disk_is_looked_at_and_left_as_it_is(
    terminal: TerminalProcess,
) -> None:
    terminal.start()
    terminal.tap(ANNA)
    terminal.stop()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in terminal.state.iterdir()}
    parts = found(terminal, 1)
    assert (parts["daemon"]["verdict"], parts["daemon"]["found"]) == ("bad", "does not run")
    assert parts["ledger"]["verdict"] == "good"
    assert parts["binding"]["verdict"] == "good"
    assert parts["cloud"]["verdict"] == "unknown"
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in terminal.state.iterdir()} == before


def test_a_daemon_that_hangs_is_told_from_one_that_does_not_run(terminal: TerminalProcess) -> None:
    terminal.start()
    os.kill(terminal.pid, signal.SIGSTOP)
    try:
        answer = terminal.command("doctor", "--json")
    finally:
        os.kill(terminal.pid, signal.SIGCONT)
    told = {each["part"]: each for each in json.loads(answer.stdout)["findings"]}
    assert told["daemon"]["verdict"] == "bad"
    assert f"runs as process {terminal.pid} and does not answer" in told["daemon"]["found"]


def test_settings_that_are_wrong_are_all_named_and_the_board_is_looked_at_all_the_same(
    terminal: TerminalProcess,
) -> None:
    terminal.config.write_text(SETTINGS.replace("pin = 5", "pin = 99").replace('kind = "gpio"', ""), encoding="utf-8")
    parts = found(terminal, 1)
    assert "- signals.kind is missing" in parts["configuration"]["found"]
    assert "- door 1.pin = 99 does not fit" in parts["configuration"]["found"]
    assert {"configuration", "disk", "power", "temperature"} == parts.keys()


def test_a_door_whose_box_is_opened_and_then_forced_is_told(tmp_path: Path) -> None:
    settings = SETTINGS.replace("pin = 5", "pin = 23\ncontact_pin = 24\ntamper_pin = 16")
    with TerminalProcess(tmp_path, settings) as terminal:
        terminal.bind()
        terminal.start()
        door = found(terminal, 1)["door gate"]
        assert (door["verdict"], door["found"]) == ("good", "locked")
        assert terminal.command("door", "act", "gate", "tamper").returncode == 0
        door = found(terminal, 1)["door gate"]
        assert (door["verdict"], door["found"]) == ("bad", "its tamper switch says that the box is open")
        assert terminal.command("door", "act", "gate", "force").returncode == 0
        until(lambda: terminal.status()["doors"]["gate"] == "forced", what="the door is forced")
        assert found(terminal, 1)["door gate"]["found"] == "opened while it was locked"


def test_osdp_readers_with_a_key_without_one_and_without_power_are_told_apart(tmp_path: Path) -> None:
    bus = tmp_path / "bus"
    readers = "".join(
        f'[[reader]]\nname = "{name}"\nkind = "osdp"\ndevice = "{bus}"\nbaud = {BAUD}\naddress = {address}\n'
        for name, address in (("in", 0), ("out", 5), ("dark", 9))
    )
    simulator = OsdpSimulator(bus, [SimulatedOsdpReader(0, KEYS[IN]), SimulatedOsdpReader(5)])
    with TerminalProcess(tmp_path, SETTINGS + readers) as terminal:
        terminal.bind()
        ReaderKeys(terminal.state, {}).put("in", Keys(KEYS[IN]))
        simulator.start()
        try:
            terminal.start()
            until(lambda: terminal.status()["readers"]["in"]["there"], 30, "the reader with a key")
            until(lambda: "key" in (terminal.status()["readers"]["out"]["why"] or ""), 30, "the reader without one")
            parts = found(terminal, 1)
        finally:
            simulator.stop()
    assert parts["reader in"]["found"] == f"there, by {bus}, over Secure Channel"
    assert parts["reader out"]["found"] == "lost: it answers and has no key of ours yet"
    assert parts["reader out"]["advice"] == "run `grindvakt reader provision out`"
    assert parts["reader dark"]["verdict"] == "bad"


AS_NOBODY: Final = """
import os, sys
from edge.cli.__main__ import main

main(sys.argv[1:])  # what it imports may lie where only root may read
print("---", flush=True)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
main(sys.argv[1:])
"""


def test_who_may_not_ask_is_told_who_may_and_what_he_may_see(terminal: TerminalProcess) -> None:
    terminal.start()
    terminal.state.chmod(0o700)
    for folder in (terminal.folder, *terminal.folder.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
    asked = [sys.executable, "-c", AS_NOBODY, "doctor", "--json", "--config", str(terminal.config)]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True)
    told = {each["part"]: each for each in json.loads(answer.stdout.partition("---")[2])["findings"]}
    assert (told["daemon"]["verdict"], told["ledger"]["verdict"]) == ("unknown", "unknown")
    assert "as a member of the group" in told["daemon"]["advice"]
    assert (told["binding"]["verdict"], told["binding"]["advice"]) == ("unknown", "ask as root")
    assert not any("failed itself" in each["found"] for each in told.values())


def test_on_a_screen_of_80_columns_no_line_is_longer_and_no_verdict_is_a_colour_alone(
    terminal: TerminalProcess,
) -> None:
    terminal.start()
    shown = on_screen(["doctor", "--config", str(terminal.config)], columns=80)
    lines = [line.rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "looking at " in shown, "while somebody waits, it says for what"
    for each in Verdict:
        if each is not Verdict.DOUBTFUL:
            assert any(line.startswith(f"{word(each)} ") for line in lines), f"no line says {each}: {shown}"
    assert any(" bad (" in line for line in lines[-3:]), "the end of it is the summary"


def on_screen(words: list[str], columns: int) -> str:
    """What a person sees of a command on a terminal that wide, control sequences taken out."""
    reader, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "LANGUAGE": "en", "LC_ALL": "C.UTF-8"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.cli", *words], stdin=screen, stdout=screen, stderr=screen, env=environment
    )
    os.close(screen)
    seen = b"".join(iter(_chunks(reader), b""))
    os.close(reader)
    process.wait(60)
    return _plain(seen.decode())


def _chunks(descriptor: int) -> Callable[[], bytes]:
    def chunk() -> bytes:
        try:
            return os.read(descriptor, 65536)
        except OSError:  # the last who had the screen open has gone
            return b""

    return chunk


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n").replace("\r", "\n")


def test_the_summary_has_the_worst_first_and_only_counts_the_good() -> None:
    findings: list[Finding] = [
        good("disk", ""),
        unknown("power", ""),
        bad("daemon", "", ""),
        doubtful("clock", "", ""),
        bad("broker", "", ""),
        bad("broker", "", ""),
    ]
    assert summary(findings) == "3 bad (daemon, broker), 1 doubtful (clock), 1 unknown (power), 1 good"
