"""`grindvakt reader` shows an installer every reader, what else is plugged in, and each card with its bytes."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from edge.cli.__main__ import main
from edge.local import AskSightings, ask
from edge.readers.pcsc.pcscd import Pcscd
from edge.readers.serial.profiles import Profile
from edge.readers.simulated import SerialSimulator
from edge.settings import ReaderSettings
from tests.support.gate import ANNA
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

TAG: Final = bytes.fromhex("0102B0A5FD")


class Site:
    """A terminal with three serial readers at ptys: `in` is right, `out` turned round, `shed` of another profile."""

    def __init__(self, folder: Path) -> None:
        self.lines = {
            "in": SerialSimulator(folder / "port-in"),
            "out": SerialSimulator(folder / "port-out", is_reversed=True),
            "shed": SerialSimulator(folder / "port-shed", Profile.RDM6300),
        }
        sections = "".join(
            f'\n[[reader]]\nname = "{name}"\nkind = "serial"\ndevice = "port-{name}"\n' for name in self.lines
        )
        self.terminal = TerminalProcess(folder, SETTINGS + sections)
        self.terminal.bind({ANNA: "anna"})

    @property
    def config(self) -> str:
        """The settings' file."""
        return str(self.terminal.config)

    @property
    def readers(self) -> dict[str, Any]:
        """How the readers are, as the daemon says."""
        answer: dict[str, Any] = self.terminal.status()["readers"]
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The daemon does not run."""
    site = Site(tmp_path_factory.mktemp("site"))
    with ExitStack() as stack:
        for line in site.lines.values():
            line.start()
            stack.callback(line.stop)
        yield site


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The daemon runs and reads all three."""
    site = Site(tmp_path_factory.mktemp("running"))
    with ExitStack() as stack:
        for line in site.lines.values():
            line.start()
            stack.callback(line.stop)
        stack.enter_context(site.terminal)
        site.terminal.start()
        until(lambda: all(state["there"] for state in site.readers.values()))
        yield site


class Watching:
    """`grindvakt reader watch` as a process of its own, and the lines that it has printed."""

    def __init__(self, site: Site, *options: str) -> None:
        words = [sys.executable, "-m", "edge.cli", "reader", "watch", "--config", site.config, *options]
        environment = {**os.environ, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "LANGUAGE": "en"}
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._listener = threading.Thread(target=self._listen, name="lines of a watch", daemon=True)
        self._listener.start()

    def until(self, wanted: str, act: Callable[[], object] = lambda: None) -> str:
        """The first line with this in it; `act` is done again and again until it is there."""

        def found() -> str:
            act()
            return next((line for line in list(self.lines) if wanted in line), "")

        return until(found, 20, f"{wanted} in {self.lines}")

    def ended(self, how: signal.Signals = signal.SIGINT) -> int:
        """Press Ctrl-C; the exit status."""
        self._process.send_signal(how)
        status = self._process.wait(20)
        self._listener.join()
        return status

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))


def now_and_then(line: SerialSimulator, tag: bytes) -> Callable[[], None]:
    """Holds this tag and another against the reader by turns: nobody may listen yet."""
    tags, calls = itertools.cycle([bytes.fromhex("04FFEEDD00"), tag]), itertools.count()

    def tap() -> None:
        if next(calls) % 20 == 0:
            line.tap(next(tags), 0)

    return tap


@pytest.fixture
def watching() -> Iterator[Callable[..., Watching]]:
    with ExitStack() as stack:

        def begun(site: Site, *options: str) -> Watching:
            watch = Watching(site, *options)
            stack.callback(watch.ended, signal.SIGKILL)
            return watch

        yield begun


@pytest.mark.feature("F09")
def test_cards_are_shown_live_with_their_bytes_and_what_is_odd(
    running: Site, watching: Callable[..., Watching]
) -> None:
    watch = watching(running)
    watch.until("Ctrl-C")
    for name, tag, wanted in (
        ("in", "04A1B2C3D4E5F6", "30 34 41 31 42 32 43 33 44 34 45 35 46 36        04A1B2C3D4E5F6"),
        ("out", "04A1B2C3D4E5F6", "reversed = true"),
        ("shed", "0102B0A5FD", 'profile = "rdm6300"'),
    ):
        running.lines[name].tap(bytes.fromhex(tag), 0.1)
        watch.until(wanted)
    running.lines["in"].unplug()
    watch.until("in: lost")
    running.lines["in"].plug()
    watch.until("in: back")
    assert watch.ended() == 0
    shown = "\n".join(watch.lines)
    assert "in: uid:04A1B2C3D4E5F6\n" in shown
    assert "number of a chip, 7 bytes, on the roster, read in " in shown
    assert "out: uid:F6E5D4C3B2A104\n" in shown
    assert "shed: NOT READ: " in shown
    assert max(map(len, watch.lines)) <= 80


def test_a_program_gets_a_line_for_each_sighting(running: Site, watching: Callable[..., Watching]) -> None:
    before = ask(running.terminal.socket, AskSightings())["newest"]
    watch = watching(running, "--json")
    tap = now_and_then(running.lines["out"], bytes.fromhex("04A1B2C3D4E5F6"))
    told = json.loads(watch.until('"uid:F6E5D4C3B2A104"', tap))
    assert watch.ended() == 0
    assert told["number"] > before
    assert (told["reader"], told["what"], told["card"]) == ("out", "card", "uid:F6E5D4C3B2A104")
    assert bytes.fromhex(told["raw"]) == b"F6E5D4C3B2A104"
    (hint,) = told["hints"]
    assert (hint["oddity"], hint["setting"]) == ("turned_on_roster", "reversed = true")
    assert "the other way round" in hint["words"]


def test_no_whole_card_number_that_is_watched_reaches_the_log(running: Site) -> None:
    running.lines["in"].tap(bytes.fromhex("04FEDCBA987654"), 0.1)
    until(
        lambda: any(
            each["card"] == "uid:04FEDCBA987654" for each in ask(running.terminal.socket, AskSightings())["sightings"]
        )
    )
    until(lambda: "7654" in (running.terminal.folder / "log").read_text(encoding="utf-8"))
    assert "FEDCBA98" not in (running.terminal.folder / "log").read_text(encoding="utf-8").upper()


@pytest.mark.feature("F09")
def test_a_lost_reader_stands_in_the_status_with_reason_and_time(
    running: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    running.lines["shed"].unplug()
    until(lambda: not running.readers["shed"]["there"])
    state = running.readers["shed"]
    assert main(["status", "--config", running.config]) == 0
    shown = capsys.readouterr().out
    running.lines["shed"].plug()
    until(lambda: running.readers["shed"]["there"], 5)
    assert (state["kind"], state["tampered"]) == ("serial", False)
    assert state["lost_at"] is not None
    assert f"lost since 20{state['lost_at'][2:4]}-" in shown
    assert state["why"] in shown
    assert running.readers["shed"]["why"] is None


def test_without_a_daemon_the_readers_are_opened_here_and_nothing_is_recorded(
    site: Site, watching: Callable[..., Watching]
) -> None:
    watch = watching(site)
    watch.until("em:0102B0A5FD", now_and_then(site.lines["in"], TAG))
    assert watch.ended() == 0
    assert "The daemon does not run" in watch.lines[0]
    assert "reader both is simulated: only a daemon has it" in watch.lines
    assert not (site.terminal.state / "ledger.db").exists()


def test_a_port_that_another_program_holds_is_told(site: Site, watching: Callable[..., Watching]) -> None:
    first = watching(site)
    first.until("em:0102B0A5FD", now_and_then(site.lines["in"], TAG))
    second = watching(site)
    second.until("in: lost: another program reads")
    assert second.ended() == 0
    assert first.ended() == 0


def test_whoever_sees_nothing_is_told_how_to_hold_a_card(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.reader_watch.QUIET", 0.1)
    assert main(["reader", "watch", "--seconds", "0.5", "--config", site.config]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("Hold the card flat and still against the reader for two seconds") == 1


def test_a_daemon_that_hangs_is_not_passed_by(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the readers; to open them here would only show them as lost."""
    monkeypatch.setattr("edge.local.PATIENCE", 0.1)
    site.terminal.socket.parent.mkdir(exist_ok=True)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as deaf:
        deaf.bind(str(site.terminal.socket))
        deaf.listen()
        assert main(["reader", "watch", "--config", site.config]) == 69
        assert main(["reader", "list", "--config", site.config]) == 69
    site.terminal.socket.unlink()
    assert "does not answer" in capsys.readouterr().err


def test_list_says_how_each_reader_is(running: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reader", "list", "--config", running.config]) == 0
    shown = capsys.readouterr().out
    assert f"reader in: there\n  serial, line-hex, 9600 baud, {running.terminal.folder}/port-in\n" in shown
    assert "reader both: there\n  simulated\n" in shown


@pytest.fixture
def plugged(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lasting names: one of the reader `in`, one of a port that no settings have; and two readers at pcscd."""
    folder = tmp_path / "by-id"
    folder.mkdir()
    (folder / "usb-in").symlink_to((site.terminal.folder / "port-in").resolve())
    (folder / "usb-new").symlink_to("/dev/null")
    monkeypatch.setattr("edge.readers.plugged.LASTING", (folder, tmp_path / "by-path"))
    known = Pcscd(("ACS ACR122U PICC Interface 00 00", "Identiv uTrust 3700 F 01 00"))
    monkeypatch.setattr("edge.readers.pcsc.pcscd.ask_pcscd", lambda: known)
    return folder


def test_list_gives_the_settings_of_what_is_plugged_in_and_in_none(
    site: Site, plugged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reader", "list", "--config", site.config]) == 0
    shown = capsys.readouterr().out
    assert "The daemon does not run" in shown
    assert f'  [[reader]]\n  name = "reader-5"\n  kind = "serial"\n  device = "{plugged}/usb-new"\n' in shown
    assert '  [[reader]]\n  name = "reader-6"\n  kind = "pcsc"\n  pcsc = "ACS ACR122U PICC Interface"\n' in shown
    assert "usb-in" not in shown
    assert main(["reader", "list", "--json", "--config", site.config]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in answer["readers"]] == ["both", "in", "out", "shed"]
    assert [each["kind"] for each in answer["plugged_in"]] == ["serial", "pcsc", "pcsc"]
    assert (answer["daemon"], answer["pcscd"]) == (False, None)


def test_the_lines_that_list_gives_are_settings_as_they_stand(
    site: Site, plugged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["reader", "list", "--json", "--config", site.config])
    found = json.loads(capsys.readouterr().out)["plugged_in"]
    lines = "\n".join(line for each in found for line in each["lines"])
    more = tmp_path / "terminal.toml"
    more.write_text(f"{Path(site.config).read_text(encoding='utf-8')}\n{lines}\n", encoding="utf-8")
    assert main(["check-config", "--config", str(more)]) == 0


def test_a_pcscd_that_hangs_does_not_hold_up_the_list(
    site: Site, plugged: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, goes_on = os.pipe()

    def hang() -> Pcscd:
        os.read(frozen, 1)
        return Pcscd()

    monkeypatch.setattr("edge.readers.plugged.PATIENCE", 0.1)
    monkeypatch.setattr("edge.readers.pcsc.pcscd.ask_pcscd", hang)
    assert main(["reader", "list", "--config", site.config]) == 0
    os.write(goes_on, b"\n")
    os.close(goes_on)
    shown = " ".join(capsys.readouterr().out.split())
    assert "it has not answered for 0.1 seconds: `systemctl restart pcscd`" in shown


def test_a_port_named_by_the_order_of_plugging_in_is_worth_a_look(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "terminal.toml"
    text = Path(site.config).read_text(encoding="utf-8")
    config.write_text(
        text.replace('"port-in"', '"/dev/ttyUSB7"').replace('"port-out"', '"/dev/serial0"'), encoding="utf-8"
    )
    assert main(["check-config", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "reader in: /dev/ttyUSB7 can have another name after the next plugging in" in shown
    assert "/dev/serial0 can have" not in shown


def test_the_settings_of_a_reader_have_defaults_of_common_readers() -> None:
    settings = ReaderSettings(name="in", kind="serial")
    assert (settings.profile, settings.baud, settings.reversed) == (Profile.LINE_HEX, 9600, False)
