"""Builds the demonstration's site in its folder and runs its programs: cloud with broker, readers, three terminals."""

import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cloud.config import Settings, load
from cloud.database import Database
from cloud.demo.cards import DemoCards
from cloud.demo.programs import Program, answers
from cloud.demo.seed import Login, fill
from cloud.demo.terminals import TERMINALS, Credentials, DemoTerminal, Feed, Folders, Loopback, settings
from cloud.demo.visitors import Visit
from cloud.joining.authority import Authority, signing_key
from cloud.migrate import upgrade
from protocol.errors import TerminalId

CARD_STAYS: Final = 0.9  # pcscd looks at the virtual reader every 400 ms

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of a site: the portal's, the broker's, the virtual reader's, and each terminal's panel's."""

    portal: int
    broker: int
    card: int
    panels: Mapping[TerminalId, int]


class Site:
    """A simulated site. `build` prepares it, `start` runs it; `stop` ends all programs, last begun first."""

    def __init__(self, folder: Path, ports: Ports, node_modules: Path) -> None:
        self.folder = folder
        self.ports = ports
        self._node_modules = node_modules
        self._runtime = tempfile.TemporaryDirectory(prefix="grindvakt-")  # sockets need short paths
        self._logs = folder / "logs"
        self._cards = DemoCards(folder / "cards", self._logs)
        self._programs = {program.name: program for program in self._all_programs()}

    @property
    def cloud(self) -> Program:
        """The cloud with its broker: what a visitor may stop and start again."""
        return self._programs["cloud"]

    @property
    def address(self) -> str:
        """The portal's."""
        return f"http://127.0.0.1:{self.ports.portal}"

    @property
    def panels(self) -> Iterator[tuple[str, str]]:
        """Each terminal's name, and where its front can be seen."""
        for terminal in TERMINALS:
            yield terminal.name, f"http://127.0.0.1:{self.ports.panels[terminal.id]}/"

    def build(self, now: datetime, told: Told) -> Login:
        """Certificates, database with people and cards, and every program's settings."""
        self._logs.mkdir()
        told("keys and certificates, for the broker and each terminal")
        cloud = self._write_cloud()
        authority = Authority.open(cloud.state_dir / "authority", now)
        public = signing_key(cloud.state_dir / "signing.key").public_key().public_bytes_raw()
        told("database with a project, its people and their cards")
        database = Database(cloud.database_url)
        upgrade(database)
        with database.transaction() as session:
            login = fill(session, now)
        database.close()
        told("cards, and a copy of one")
        self._cards.make()
        told("settings of three terminals")
        for terminal in TERMINALS:
            self._write_terminal(terminal, authority, public, now)
        return login

    def start(self, told: Told) -> None:
        """Run everything. Raises ProgramFailed with the end of the log of what does not start."""
        told("cloud with portal and broker")
        self.start_cloud()
        told("readers: a serial port and pcscd with a virtual reader")
        for name, is_ready in self._readers_ready():
            self._programs[name].start()
            self._programs[name].wait_until(is_ready)
        told("three terminals")
        for terminal in TERMINALS:
            self._programs[terminal.id].start()
        for terminal in TERMINALS:
            self._programs[terminal.id].wait_until((self._runtime_of(terminal.id) / "terminal.sock").exists)

    def start_cloud(self) -> None:
        """Run the cloud, and with it the broker."""
        self.cloud.start()
        self.cloud.wait_until(lambda: answers(self.ports.portal) and answers(self.ports.broker))

    def visit(self, visit: Visit, wait: Callable[[float], None]) -> None:
        """Hold a card against a reader, as its reader would see it."""
        match visit.terminal.feed:
            case Feed.SERIAL:
                self._programs["serial-reader"].tell(f"tap {visit.uid}")
            case Feed.PCSC:
                held = visit.uid if visit.kept is None else f"piv {self._cards.folder(visit.kept)}"
                self._programs["virtual-card"].tell(f"insert {held}")
                wait(CARD_STAYS)
                self._programs["virtual-card"].tell("remove")
            case Feed.SIMULATED:
                tap: list[str | Path] = [
                    _command("grindvakt"),
                    "tap",
                    f"uid:{visit.uid}",
                    "--config",
                    self._toml_of(visit.terminal.id),
                ]
                Program("tap", tap, self._logs).run()

    def stop(self) -> None:
        """End every program in the reverse of the order they were started in."""
        with ExitStack() as stopping:
            stopping.callback(self._runtime.cleanup)
            for program in self._programs.values():
                stopping.callback(program.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _all_programs(self) -> Iterator[Program]:
        """In the order they are started."""
        python = sys.executable
        yield Program("cloud", [_command("grindvakt-cloud"), "serve", "--config", self._cloud_toml], self._logs)
        serial: list[str | Path] = [python, "-m", "edge.readers.simulated", "--link", self._serial_port]
        yield Program("serial-reader", serial, self._logs)
        reader: list[str | Path] = [
            python,
            "-m",
            "edge.readers.pcsc.virtual_reader",
            "--dir",
            self._pcscd,
            "--ports",
            str(self.ports.card),
        ]
        yield Program("virtual-reader", reader, self._logs)
        card = ["-m", "edge.readers.pcsc.virtual_card", "--port", str(self.ports.card)]
        yield Program("virtual-card", [python, *card], self._logs)
        found_by = {"PCSCLITE_CSOCK_NAME": str(self._pcscd / "run" / "pcscd.comm")}
        for terminal in TERMINALS:
            run: list[str | Path] = [_command("grindvakt"), "run", "--config", self._toml_of(terminal.id), "--simulate"]
            yield Program(terminal.id, run, self._logs, found_by if terminal.feed is Feed.PCSC else None)

    def _readers_ready(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        yield "serial-reader", self._serial_port.exists
        yield "virtual-reader", lambda: "ready" in self._programs["virtual-reader"].last_words()
        yield "virtual-card", lambda: True

    def _write_cloud(self) -> Settings:
        self._cloud_toml.write_text(
            f"""
state_dir = "{self.folder / "cloud"}"
base_url = "{self.address}"
session_minutes = 480
node_modules = "{self._node_modules}"
broker_port = {self.ports.broker}

[listen]
port = {self.ports.portal}
""",
            encoding="utf-8",
        )
        return load(self._cloud_toml)

    def _write_terminal(self, terminal: DemoTerminal, authority: Authority, signed_by: bytes, now: datetime) -> None:
        issued = authority.terminal(terminal.id, self.folder / "terminals" / terminal.id, now)
        runtime = self._runtime_of(terminal.id)
        runtime.mkdir()
        folders = Folders(self.folder / "terminals" / terminal.id / "state", runtime)
        folders.state.mkdir()
        credentials = Credentials(authority.ca, issued.certificate, issued.key, signed_by, self._cards.issuer)
        reader = str(self._serial_port) if terminal.feed is Feed.SERIAL else f"Virtual Reader {self.ports.card}"
        ports = Loopback(self.ports.broker, self.ports.panels[terminal.id])
        text = settings(terminal, folders, credentials, ports, reader)
        self._toml_of(terminal.id).write_text(text, encoding="utf-8")

    @property
    def _cloud_toml(self) -> Path:
        return self.folder / "cloud.toml"

    @property
    def _serial_port(self) -> Path:
        return Path(self._runtime.name) / "serial-port"

    @property
    def _pcscd(self) -> Path:
        return Path(self._runtime.name) / "pcscd"

    def _toml_of(self, terminal: str) -> Path:
        return self.folder / f"{terminal}.toml"

    def _runtime_of(self, terminal: str) -> Path:
        return Path(self._runtime.name) / terminal


def _command(name: str) -> Path:
    """A command of this installation, found beside the Python that runs this."""
    return Path(sysconfig.get_path("scripts")) / name
