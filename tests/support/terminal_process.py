"""The real daemon as a process of its own, with simulated lights, lock and reader, and what can be seen of it."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from edge.errors import DaemonUnreachable
from edge.local import FILE_NAME, Answer, AskStatus, AskTap, ask
from edge.pins.history import PinChange, pin_levels, read_pin_history
from edge.tables.tables import Tables
from protocol.cards import CardId
from tests.support.gate import TERMINAL, Cloud
from tests.support.waiting import until

SETTINGS: Final = f"""
[terminal]
id = "{TERMINAL}"
state_dir = "state"
runtime_dir = "run"
battery_clock = true

[link]
host = "127.0.0.1"
port = 1
ca = "ca.pem"
certificate = "terminal.pem"
key = "terminal.key"
signing_keys = ["{base64.b64encode(bytes(32)).decode()}"]

[signals]
kind = "gpio"

[[reader]]
name = "both"
kind = "simulated"

[[door]]
name = "gate"
pin = 5
access_seconds = 10
"""


class TerminalProcess:
    """`grindvakt run --simulate` in a folder; leave the context and it is killed if it still runs.

    `fault` names a planted bug of `tests.support.planted`.
    """

    def __init__(self, folder: Path, settings: str = SETTINGS, fault: str = "") -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "terminal.toml"
        self.config.write_text(settings, encoding="utf-8")
        self._program = ["-m", "tests.support.planted", fault] if fault else ["-m", "edge.cli"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    def bind(self, enrolled: Mapping[CardId, str] | None = None) -> None:
        """Bind it to the project before it starts, as if the cloud had, with these people by card."""
        self.state.mkdir(exist_ok=True)
        with closing(Tables.open(self.state / "tables.db")) as tables:
            cloud = Cloud(tables)
            cloud.bind()
            for card, person in (enrolled or {}).items():
                cloud.enrol(card, person)

    def start(self, *options: str, environment: Mapping[str, str] | None = None, wrapped: Sequence[str] = ()) -> None:
        """Start it and wait until it answers."""
        self.begin(*(options or ("--simulate",)), environment=environment, wrapped=wrapped)
        until(self._answers, 20, "the daemon's socket")

    def begin(self, *options: str, environment: Mapping[str, str] | None = None, wrapped: Sequence[str] = ()) -> None:
        """Start it and do not wait; `wrapped` are options of the interpreter."""
        assert self._process is None, "it runs already"
        with (self.folder / "log").open("ab") as log, (self.folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *wrapped, *self._program, "run", "--config", str(self.config), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                env={**os.environ, **(environment or {})},
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None
        status = self._process.wait(20)
        self._process = None
        return status

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Which process it is."""
        assert self._process is not None
        return self._process.pid

    def status(self) -> Answer:
        """How it says it is."""
        return ask(self.socket, AskStatus())

    def tap(self, card: CardId) -> Answer:
        """Hold a card against its simulated reader."""
        return ask(self.socket, AskTap(str(card)))

    @property
    def socket(self) -> Path:
        """Where it is asked."""
        return self.folder / "run" / FILE_NAME

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line that it has logged."""
        return [json.loads(line) for line in (self.folder / "log").read_text(encoding="utf-8").splitlines()]

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "errors").read_text(encoding="utf-8")

    @property
    def pin_changes(self) -> list[PinChange]:
        """Everything that its lines did."""
        return read_pin_history(self.state / "pins.log")

    @property
    def levels(self) -> dict[str, int]:
        """The level of each line now."""
        return pin_levels(self.state / "pins.log")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another `grindvakt` command on the same settings."""
        arguments = [sys.executable, "-m", "edge.cli", *words, "--config", str(self.config)]
        return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the daemon ended by itself: {self.errors}")
        try:
            return bool(self.status())
        except DaemonUnreachable:  # not yet, or only the socket that a killed one left
            return False
