"""The terminal whose power is cut: the real daemon under the shim, at a broker of its own, tapped from here."""

import base64
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.errors import DaemonUnreachable
from edge.local import FILE_NAME, Answer, AskStatus, AskTap, ask
from edge.tables.tables import Tables
from protocol.cards import CardId
from protocol.messages import VERSION, Entries, Receipt, unpack_up
from protocol.topics import Up, parse_up
from tests.powercut.disk import read_folder
from tests.powercut.journal import note
from tests.powercut.shim import KILL, Fault, Shim
from tests.support.certificates import Issued
from tests.support.cloud_end import CloudEnd
from tests.support.gate import TERMINAL, Cloud
from tests.support.waiting import until

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 30.0
LEDGER: Final = "ledger.db"
WAL: Final = "ledger.db-wal"
PINS: Final = "pins.log"
BLOCKED: Final = [CardId.parse(f"uid:04D0{number:010X}") for number in range(20)]
"""Cards that are never granted, tapped between the others so that each green has a beginning of its own."""

_SETTINGS: Final = """
[terminal]
id = "{terminal}"
state_dir = "{folder}/state"
runtime_dir = "{folder}/run"
battery_clock = true
repeat_seconds = 0

[link]
host = "127.0.0.1"
port = {port}
ca = "{issued.ca}"
certificate = "{issued.certificate}"
key = "{issued.key}"
signing_keys = ["{signing_key}"]
retry_max_seconds = 1

[signals]
kind = "simulated"

[[reader]]
name = "gate"
kind = "simulated"

[[door]]
name = "gate"
pin = 5
access_seconds = 1
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """How a terminal reaches its cloud: the port of the broker, its own certificate, the cloud's end of the wire."""

    port: int
    issued: Issued
    cloud: CloudEnd


def bound_image(folder: Path) -> dict[str, bytes]:
    """The state folder of a terminal that was bound and has no ledger yet; the folder is made."""
    folder.mkdir()
    with closing(Tables.open(folder / "tables.db")) as tables:
        cloud = Cloud(tables)
        cloud.bind()
        for card in BLOCKED:
            cloud.block(card)
    return read_folder(folder)


class Ended(Exception):
    """The daemon ended by itself, or does not begin to answer."""


@dataclass(slots=True)
class CutTerminal:
    """A daemon in `folder`, its state in `folder/state`; `plant` is a bug of `tests.support.planted`."""

    folder: Path
    shim: Shim
    reached: Reached
    numbers: Iterator[int]
    plant: str = ""
    taps: int = 0
    _blocked: Iterator[CardId] = field(default_factory=lambda: itertools.cycle(BLOCKED))
    _heard: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._heard = len(self.reached.cloud.heard)
        key = base64.b64encode(self.reached.cloud.pinned).decode()
        reached = self.reached
        self._settings.write_text(
            _SETTINGS.format(
                terminal=TERMINAL, folder=self.folder, port=reached.port, issued=reached.issued, signing_key=key
            )
        )

    @property
    def state(self) -> Path:
        """What the shim watches."""
        return self.folder / "state"

    @property
    def log(self) -> str:
        """Everything that its lives wrote."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def begin(self) -> None:
        """Start the daemon and do not wait."""
        assert self._process is None, "it runs already"
        program = ["tests.support.planted", self.plant] if self.plant else ["edge.cli"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *program, "run", "--simulate", "--config", str(self._settings)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._inherited(), **self.shim.environment},
            )

    def start(self) -> None:
        """Start the daemon and wait until it answers. Raises Ended."""
        self.begin()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when it answers. Raises Ended."""
        try:
            until(self._answers, PATIENCE, "the daemon answers")
        except TimeoutError as late:
            raise Ended(f"{late}: {self.log[-2000:]}") from late

    def status(self) -> Answer:
        """How it says it is. Raises DaemonUnreachable."""
        return ask(self._socket, AskStatus())

    def tap(self) -> Answer:
        """A blocked card, then one that nobody knows and that is granted: what that one was answered. Raises Ended."""
        try:
            ask(self._socket, AskTap(str(next(self._blocked))))
            card = f"uid:04C0{next(self.numbers):010X}"
            note(self.shim.journal, f"tap {card}")
            self.taps += 1
            return ask(self._socket, AskTap(card))
        except DaemonUnreachable as away:
            raise Ended(f"{away}: {self.log[-2000:]}") from away

    def give_receipts(self) -> None:
        """Let the cloud say that it has what it heard; the daemon makes that durable when nothing is left to send."""
        heard, self._heard = self.reached.cloud.heard[self._heard :], len(self.reached.cloud.heard)
        batches = [unpack_up(Entries, each.payload) for each in heard if parse_up(each.topic).what is Up.ENTRIES]
        if batches:
            newest = batches[-1]
            receipt = Receipt(VERSION, newest.ledger, newest.last, newest.last_hash)
            note(self.shim.journal, f"cloud {newest.ledger.hex()} {newest.last} {newest.last_hash.hex()}")
            self.reached.cloud.tell(TERMINAL, receipt)

    def stop(self) -> None:
        """Let it end in its own way."""
        assert self._process is not None
        self._process.terminate()
        assert self._ended() == 0, self.log[-2000:]

    def kill_at(self, call: str, suffix: str, skip: int, *errors: Fault) -> None:
        """Tap until it dies (SIGKILL) at such a call, after 40 taps at any light; meanwhile its disk has `errors`."""
        self.shim.fail(Fault(call, suffix, KILL, skip), *errors)
        with suppress(Ended):
            for _ in range(40):
                self.tap()
            self.shim.fail(Fault("write", PINS, KILL))
            self.tap()
        assert self._ended() == -signal.SIGKILL, self.log[-2000:]
        self.shim.fail()

    def begin_and_kill_at(self, call: str, suffix: str, skip: int) -> None:
        """Start it so that it dies at such a call while it starts, or soon after."""
        self.shim.fail(Fault(call, suffix, KILL, skip))
        self.begin()
        try:
            self.wait_until_ready()
        except Ended:
            assert self._ended() == -signal.SIGKILL, self.log[-2000:]
            self.shim.fail()
        else:
            self.kill_at(call, suffix, skip)

    def end(self) -> None:
        """See to it that nothing runs any more, however this came to an end."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    # --- how it is reached ------------------------------------------------------------------------------------------

    @property
    def _settings(self) -> Path:
        return self.folder / "terminal.toml"

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / FILE_NAME

    def _inherited(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait(PATIENCE)
        self._process = None
        return status

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise Ended(f"status {self._process.returncode}: {self.log[-2000:]}")
        try:
            return bool(self.status())
        except DaemonUnreachable:
            return False
