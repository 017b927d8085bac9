"""The real daemon as a process: it starts, answers taps whatever else is missing, and survives being killed."""

import base64
import itertools
import re
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil
import pytest

from edge.errors import RequestRefused
from edge.ledger.inspection import LedgerInspection
from protocol.decision import Mode
from protocol.entries import Fact, Tap
from protocol.messages import Pull, Status
from protocol.tables import EVERYBODY, Table
from tests.support.certificates import CertificateAuthority
from tests.support.changes import binding, binding_row, block_row, change
from tests.support.cloud_end import CloudEnd
from tests.support.gate import ANNA, BORIS, TERMINAL
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path) as process:
        yield process


def lit_since(terminal: TerminalProcess, first: int) -> set[str]:
    """Which lines were energised in the changes from number `first` on."""
    return {change.pin for change in terminal.pin_changes[first:] if change.level}


def ledger(terminal: TerminalProcess) -> list[Tap | Fact]:
    """Taps and facts of the ledger, after its whole chain was checked."""
    with LedgerInspection(terminal.state / "ledger.db") as inspection:
        assert inspection.verify(lambda _done, _every: None).entries > 0
        return [payload for _, payload in inspection.tail(1000) if isinstance(payload, Tap | Fact)]


@pytest.mark.feature("F22")
def test_a_tap_by_command_turns_green_opens_the_lock_and_is_remembered_over_kill_and_restart(
    terminal: TerminalProcess,
) -> None:
    terminal.bind({ANNA: "anna"})
    terminal.start()
    before = len(terminal.pin_changes)
    said = terminal.command("tap", str(ANNA), "--reader", "both")
    assert re.fullmatch(r"granted in \(entry [34], shown as recorded_in_offline\)\n", said.stdout)
    assert lit_since(terminal, before) >= {"green", "buzzer", "lock-gate"}
    assert "red" not in lit_since(terminal, before)

    terminal.kill()
    assert terminal.levels["lock-gate"] == 1, "a killed process closes nothing by itself"
    terminal.start()
    assert terminal.levels["lock-gate"] == 0

    assert terminal.command("tap", str(ANNA)).stdout.startswith("granted out")
    terminal.stop()
    taps = [payload for payload in ledger(terminal) if isinstance(payload, Tap)]
    assert [(tap.card, tap.person, tap.direction) for tap in taps] == [
        (str(ANNA), "anna", "in"),
        (str(ANNA), "anna", "out"),
    ]
    facts = [fact.subject for fact in ledger(terminal) if isinstance(fact, Fact)]
    without_clock = [subject for subject in facts if subject != "clock.set"]  # which some machines have synchronised
    assert without_clock == ["ledger.opened", "terminal.started", "terminal.started"]


def test_without_network_and_certificates_taps_are_answered_and_the_link_says_what_it_lacks(
    terminal: TerminalProcess,
) -> None:
    terminal.bind()
    terminal.start()
    assert terminal.tap(ANNA)["outcome"] == "granted"
    status = terminal.status()
    assert status["link"] == {"online": False, "broker": "127.0.0.1:1", "silent_seconds": None}
    assert status["queue"]["depth"] == status["ledger"]["last_seq"]
    (line, *_) = [line for line in terminal.log if line["event"] == "link.delayed"]
    assert "ca.pem" in line["why"]


@pytest.mark.feature("F35")
def test_a_binding_and_a_block_from_the_cloud_count_within_a_second(terminal: TerminalProcess, tmp_path: Path) -> None:
    """A real broker stands between; nobody presses a button at the terminal."""
    authority = CertificateAuthority(tmp_path)
    own = authority.issue("gate-1")
    with Mosquitto(tmp_path / "broker", authority) as broker, CloudEnd(broker, authority.issue(CLOUD)) as cloud:
        settings = SETTINGS.replace("port = 1", f"port = {broker.port}").replace(
            '"terminal.pem"', f'"{own.certificate}"'
        )
        settings = settings.replace('"terminal.key"', f'"{own.key}"')
        settings = re.sub(
            r"signing_keys = .*", f'signing_keys = ["{base64.b64encode(cloud.pinned).decode()}"]', settings
        )
        terminal.config.write_text(settings, encoding="utf-8")
        terminal.start()
        until(lambda: cloud.of(Pull, TERMINAL), what="the terminal to ask for its tables")
        assert terminal.status()["lights"]["shown"] == "unbound"
        until(lambda: "unbound" in cloud.of(Status, TERMINAL)[-1].conditions, 2, "the cloud to be told")

        cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(mode=Mode.OPEN))]))
        until(lambda: terminal.status()["lights"]["shown"] == "ready", 1, "the red light to end")
        until(lambda: cloud.of(Status, TERMINAL)[-1].conditions == (), 2, "the cloud to be told that it is over")
        assert terminal.tap(BORIS)["shown"] == "admitted_without_person"

        cloud.tell(TERMINAL, change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA)]))
        until(lambda: terminal.status()["tables"].get("blocklist") == 1, 1, "the block to count")
        assert terminal.tap(ANNA)["shown"] == "blocked"
        terminal.stop()
        assert cloud.of(Status, TERMINAL)[-1].online is False


@pytest.mark.feature("A05")
def test_an_unbound_terminal_blinks_red_and_shows_nothing_else(terminal: TerminalProcess) -> None:
    terminal.start()
    until(lambda: len([change for change in terminal.pin_changes if change.pin == "red"]) >= 4, what="blinks")
    assert terminal.tap(ANNA)["reason"] == "unbound"
    assert lit_since(terminal, 0) == {"red"}
    assert terminal.status()["lights"]["shown"] == "unbound"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_turns_lights_off_and_locks_the_door(terminal: TerminalProcess, how: signal.Signals) -> None:
    terminal.bind()
    terminal.start()
    terminal.tap(ANNA)
    assert terminal.levels["lock-gate"] == 1
    assert terminal.stop(how) == 0
    assert set(terminal.levels.values()) == {0}
    assert not terminal.socket.exists()
    assert terminal.log[-1]["event"] == "terminal.stopped"
    assert terminal.errors == ""
    said = terminal.command("ledger", "tail", "-n", "1").stdout
    assert re.search(r"door +gate +locked +stopped", said)


def test_a_second_daemon_on_the_same_state_is_refused(terminal: TerminalProcess) -> None:
    terminal.start()
    other = terminal.command("run", "--simulate")
    assert other.returncode == 75
    assert "another daemon already runs on" in other.stderr
    assert "stop it first" in other.stderr
    assert terminal.tap(ANNA)["seq"], "the first one goes on"


def test_taps_are_simulated_only_under_simulate(terminal: TerminalProcess) -> None:
    terminal.config.write_text(SETTINGS.replace('kind = "gpio"', 'kind = "simulated"'), encoding="utf-8")
    terminal.begin()
    until(terminal.socket.exists, what="the socket")
    with pytest.raises(RequestRefused, match="only under `grindvakt run --simulate`"):
        terminal.tap(ANNA)
    assert terminal.command("tap", str(ANNA)).returncode == 1


def test_a_reader_that_is_not_simulated_is_not_tapped_by_command(terminal: TerminalProcess) -> None:
    terminal.start()
    refused = terminal.command("tap", str(ANNA), "--reader", "bothh")
    assert refused.returncode == 1
    assert "no simulated reader is called 'bothh'; there are both" in refused.stderr


def test_a_ledger_of_another_terminal_is_not_continued(terminal: TerminalProcess) -> None:
    terminal.start()
    terminal.stop()
    terminal.config.write_text(SETTINGS.replace("gate-1", "gate-2"), encoding="utf-8")
    terminal.begin("--simulate")
    assert terminal.ended() == 1
    assert "belongs to terminal gate-1, this one is gate-2" in terminal.errors
    assert set(terminal.levels.values()) == {0}


def test_a_state_folder_that_cannot_be_made_is_named(terminal: TerminalProcess) -> None:
    terminal.config.write_text(SETTINGS.replace('"state"', '"terminal.toml"'), encoding="utf-8")
    terminal.begin("--simulate")
    assert terminal.ended() == 1
    assert "terminal.toml cannot be used: File exists" in terminal.errors


class Systemd:
    """Listens as systemd does, and notes when it heard what."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(10)
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify")}

    def close(self) -> None:
        self._socket.close()

    def hear(self) -> str:
        return self._socket.recv(4096).decode()

    def longest_silence(self, seconds: float) -> float:
        """Between two beats of the heart, while listening for this long."""
        beats = [time.monotonic()]
        end = beats[0] + seconds
        while beats[-1] < end:
            if "WATCHDOG=1" in self.hear():
                beats.append(time.monotonic())
        return max(after - before for before, after in itertools.pairwise(beats))


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with closing(Systemd(tmp_path)) as listening:
        yield listening


def test_systemd_hears_ready_a_status_in_words_and_the_stop(terminal: TerminalProcess, systemd: Systemd) -> None:
    terminal.start(environment=systemd.environment)
    ready, words = systemd.hear().splitlines()
    assert ready == "READY=1"
    assert words.startswith("STATUS=not bound to a project; offline, 2 entries unsent; 1 readers")
    terminal.stop()
    assert systemd.hear() == "STOPPING=1"


@pytest.mark.feature("F21")
def test_a_loop_that_no_longer_answers_taps_goes_silent_so_that_systemd_kills_it(
    terminal: TerminalProcess, systemd: Systemd
) -> None:
    """The process is well and its other threads run; only the tap waits, here for a ledger that somebody holds."""
    unit = (ROOT / "systemd/grindvakt.service").read_text(encoding="utf-8")
    assert {"Type=notify", "Restart=always"} < set(unit.splitlines())
    assert re.search(r"^WatchdogSec=\d+$", unit, re.MULTILINE)
    terminal.bind()
    terminal.start(environment={**systemd.environment, "WATCHDOG_USEC": "800000"})
    assert systemd.longest_silence(1.5) < 0.8
    with closing(sqlite3.connect(terminal.state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        tapping = threading.Thread(target=terminal.tap, args=[ANNA])
        tapping.start()
        assert systemd.longest_silence(2) > 0.8
        tapping.join()
    assert systemd.longest_silence(1.5) < 0.8
    assert terminal.tap(BORIS)["outcome"] == "granted"


def test_the_daemon_loads_nothing_that_taps_do_not_need(terminal: TerminalProcess) -> None:
    """At its second start, that is; the first makes the files and needs sqlite-utils for it (facts.md 9, style P15)."""
    terminal.start()
    terminal.stop()
    (terminal.folder / "errors").unlink()
    terminal.start(wrapped=["-X", "importtime"])
    terminal.tap(ANNA)
    terminal.stop()
    loaded = {
        line.rpartition("|")[2].strip() for line in terminal.errors.splitlines() if line.startswith("import time")
    }
    assert {"structlog", "paho.mqtt.client", "gpiozero", "edge.terminal"} <= loaded
    unwanted = ("rich.", "sqlalchemy.", "sqlite_utils.", "cloud.", "serial.", "smartcard.")
    assert [name for name in loaded if name.startswith(unwanted)] == []


@pytest.mark.feature("F22")
def test_a_terminal_with_real_cards_has_no_panel_and_loads_none(tmp_path: Path) -> None:
    """Whoever could reach a panel could tap; so it is there under --simulate alone."""
    with TerminalProcess(tmp_path, SETTINGS.replace('kind = "gpio"', 'kind = "simulated"')) as terminal:
        terminal.start("--json", wrapped=["-X", "importtime"])
        assert terminal.status()["panel"] is None
        listening = psutil.Process(terminal.pid).net_connections("inet")
        terminal.stop()
        assert "edge.terminal" in terminal.errors
        assert "edge.panel" not in terminal.errors
        assert listening == []


def test_a_simulated_terminal_says_where_its_panel_is(terminal: TerminalProcess) -> None:
    terminal.start()
    address = terminal.status()["panel"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    assert [line["address"] for line in terminal.log if line["event"] == "panel.opened"] == [address]
    assert re.search(rf"^panel +{address} *$", terminal.command("status").stdout, re.MULTILINE)


def test_no_whole_card_number_reaches_the_log(terminal: TerminalProcess) -> None:
    terminal.bind()
    terminal.start()
    for card in (ANNA, BORIS, ANNA):
        terminal.tap(card)
    terminal.stop()
    text = (terminal.folder / "log").read_text(encoding="utf-8")
    assert "…E5F6" in text
    assert ANNA.value not in text
    assert BORIS.value not in text
