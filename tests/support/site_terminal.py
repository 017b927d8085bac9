"""One terminal of a site: the daemon as its own process, what is held against its reader, and what it left on disk."""

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cloud.demo.programs import Program
from edge.errors import DaemonUnreachable
from edge.local import FILE_NAME, AskStatus, AskTap, Request, ask
from edge.readers.pcsc.virtual_card import Held, VirtualCard
from edge.readers.pcsc.virtual_reader import reader_name
from edge.readers.simulated import SerialSimulator
from protocol.cards import CardId
from protocol.decision import ReaderDirection
from protocol.tables import Table
from tests.support.audit import Copy, Green, green_lights, green_moments, ledger_copy
from tests.support.certificates import Issued
from tests.support.waiting import until

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 20.0
SEEN_EMPTY: Final = 0.9
"""Seconds after which pcscd has seen that the field is empty: it looks every 400 ms, and tells its clients only."""

_SETTINGS: Final = """
[terminal]
id = "{plan.id}"
state_dir = "{state}"
runtime_dir = "{runtime}"
battery_clock = true

[link]
host = "127.0.0.1"
port = {broker}
ca = "{issued.ca}"
certificate = "{issued.certificate}"
key = "{issued.key}"
signing_keys = ["{signing_key}"]
retry_max_seconds = 1

[signals]
kind = "simulated"

[[reader]]
name = "gate"
kind = "{plan.feed}"
direction = "{plan.direction}"
{source}

{plan.more}
[[door]]
name = "gate"
kind = "relay"
pin = 23
access_seconds = 0.5
"""


class Feed(StrEnum):
    """What holds cards against a terminal's reader."""

    SIMULATED = "simulated"
    SERIAL = "serial"
    PCSC = "pcsc"


@dataclass(frozen=True, slots=True)
class Plan:
    """A terminal as a site is asked for it.

    `fault` names a planted bug of `tests.support.planted`; `more` are further sections of its settings.
    """

    id: str
    feed: Feed = Feed.SIMULATED
    bound: bool = True
    direction: ReaderDirection = ReaderDirection.IN
    fault: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """How a terminal reaches its cloud and its card: the broker's port, its own certificate, the key it believes.

    `card_port` is the virtual reader's, and `environment` says where its pcscd is.
    """

    broker: int
    issued: Issued
    signing_key: str
    card_port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


class SiteTerminal:
    """A daemon under `--simulate`; what it writes stands in `folder`, and outlives it."""

    def __init__(self, plan: Plan, folder: Path, runtime: Path, reached: Reached) -> None:
        self.plan = plan
        self.id = plan.id
        self.settings = folder / "terminal.toml"
        self.ledger_file = folder / "state" / "ledger.db"
        self.tables_file = folder / "state" / "tables.db"
        self.pins_file = folder / "state" / "pins.log"
        self.issued = reached.issued
        self.greens: list[Green] = []
        self._socket = runtime / FILE_NAME
        self._serial = SerialSimulator(runtime / "serial") if plan.feed is Feed.SERIAL else None
        self._card = VirtualCard(reached.card_port) if plan.feed is Feed.PCSC else None
        folder.mkdir(parents=True)
        self._write(folder / "state", runtime, reached)
        environment = {"PYTHONPATH": str(ROOT), **reached.environment}
        self.program = Program(plan.id, self._command(), folder, environment)

    def start(self, *, wait: bool = True) -> None:
        """Run the daemon; returns when it answers, or at once."""
        if self._serial is not None:
            self._serial.plug()
        self.program.start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when the daemon answers. Raises ProgramFailed when it does not."""
        self.program.wait_until(self.answers, PATIENCE)

    def stop(self) -> None:
        """End the daemon in order, and take its card and reader away."""
        self.program.stop()
        if self._card is not None:
            self._card.remove()
        if self._serial is not None:
            self._serial.unplug()

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self.program.kill()

    # --- asking it --------------------------------------------------------------------------------------------------

    def answers(self) -> bool:
        """Whether somebody answers on the local socket."""
        try:
            self.status()
        except DaemonUnreachable:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """What `grindvakt status` tells. Raises DaemonUnreachable."""
        return self._ask(AskStatus())

    def tap(self, card: CardId) -> dict[str, Any]:
        """Hold a card against the simulated reader; the answer. Raises DaemonUnreachable when the daemon is away."""
        answer = self._ask(AskTap(str(card)))
        if answer["outcome"] == "granted":
            self.greens.append(Green(self.id, str(card), answer["seq"]))
        return answer

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `grindvakt` with these arguments on this terminal's settings."""
        command = [script("grindvakt"), *arguments, "--config", str(self.settings)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    def wait_until_bound(self) -> None:
        """Returns when the daemon has a binding and all tables that count with it."""
        until(lambda: self.status()["tables"].keys() >= set(Table), PATIENCE, f"{self.id} is bound")

    def wait_until_sent(self, seconds: float = PATIENCE) -> None:
        """Returns when its doors are locked, so that nothing more is recorded, and the cloud has receipted it all."""
        until(self._is_settled, seconds, f"{self.id} has sent everything: {self.tail()}")

    def _is_settled(self) -> bool:
        status = self.status()
        return status["queue"]["depth"] == 0 and set(status["doors"].values()) == {"locked"}

    # --- its real reader --------------------------------------------------------------------------------------------

    def present(self, uid: bytes) -> None:
        """Hold a card against the real reader, serial or PC/SC, and take it away again."""
        if self._serial is not None:
            self._serial.send(uid.hex().upper().encode() + b"\r\n")
        if self._card is not None:
            self._card.insert(uid)

    def hold(self, held: Held) -> None:
        """Hold this against the PC/SC reader, and leave it there."""
        assert self._card is not None
        self._card.hold(held)

    def withdraw(self) -> None:
        """Take the card away that is held against the PC/SC reader; returns when pcscd must have seen it."""
        if self._card is not None:
            self._card.remove()
            time.sleep(SEEN_EMPTY)

    def plug_reader(self) -> None:
        """Make the serial port appear."""
        if self._serial is not None:
            self._serial.plug()

    # --- what it left -----------------------------------------------------------------------------------------------

    def copy(self) -> Copy:
        """Its ledger as it stands in the file."""
        return ledger_copy(self.ledger_file)

    @property
    def lights(self) -> list[int]:
        """When green came on with the buzzer, in monotonic nanoseconds."""
        return green_lights(self.pins_file)

    @property
    def greens_seen(self) -> int:
        """How many green answers there were; a serial terminal's are counted by its lights, as far back as they go."""
        return len(self.lights) if self.plan.feed is Feed.SERIAL else len(self.greens)

    @property
    def green_since(self) -> list[int]:
        """When the green light came on, the later flashes of a pattern included."""
        return green_moments(self.pins_file)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the daemon logged."""
        return logged(self.program)

    def tail(self) -> str:
        """The end of its log."""
        return self.program.last_words()

    def _ask(self, request: Request) -> dict[str, Any]:
        return ask(self._socket, request)

    def _command(self) -> Sequence[str | Path]:
        run = ["run", "--simulate", "--config", str(self.settings)]
        if self.plan.fault:
            return [sys.executable, "-m", "tests.support.planted", self.plan.fault, *run]
        return [script("grindvakt"), *run]

    def _write(self, state: Path, runtime: Path, reached: Reached) -> None:
        source = {
            Feed.SERIAL: f'device = "{runtime / "serial"}"',
            Feed.PCSC: f'pcsc = "{reader_name(reached.card_port)}"',
        }
        text = _SETTINGS.format(
            plan=self.plan,
            state=state,
            runtime=runtime,
            broker=reached.broker,
            issued=reached.issued,
            signing_key=reached.signing_key,
            source=source.get(self.plan.feed, ""),
        )
        self.settings.write_text(text, encoding="utf-8")


def script(name: str) -> str:
    """A command of this installation, found beside the Python that runs this."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def logged(program: Program) -> list[dict[str, Any]]:
    """What a program of ours logged, in order; a line that is no JSON is under `text`."""
    lines = program.log.read_text(errors="replace").splitlines() if program.log.exists() else []
    return [_parsed(line) for line in lines]


def _parsed(line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except ValueError:
        return {"text": line}
    return read if isinstance(read, dict) else {"text": line}
