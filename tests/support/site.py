"""A whole installation on loopback: database, broker, cloud and terminals, each a process of its own to be killed."""

import base64
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from cloud.joining.authority import signing_key
from edge.readers.pcsc.virtual_reader import VirtualReader
from protocol.cards import CardId
from tests.support.audit import audit
from tests.support.certificates import CertificateAuthority
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.pcscd import free_port_pairs
from tests.support.site_cloud import Served, SiteCloud
from tests.support.site_terminal import PATIENCE, Feed, Plan, Reached, SiteTerminal

PEOPLE: Final = 40


def card(number: int) -> CardId:
    """The card of person `number`, from 1."""
    return CardId.parse(f"uid:04B0{number:010X}")


class Site:
    """Prepared when it is made, running inside `with`; `terminals` are in the order of their plans."""

    def __init__(self, folder: Path, url: str, plans: Sequence[Plan], people: int = PEOPLE) -> None:
        self.authority = CertificateAuthority(folder / "ca")
        self.broker = Mosquitto(folder / "broker", self.authority)
        self.cards = [card(number) for number in range(1, people + 1)]
        self.signing_key = folder / "signing.key"
        self.runtime = Path(tempfile.mkdtemp(prefix="gv-"))  # a socket's path must be short
        self.readers = self._virtual_reader(plans)
        self._stack = ExitStack()
        self.cloud = SiteCloud(
            folder / "cloud", Served(url, self.broker.port, self.authority.issue(CLOUD), self.signing_key)
        )
        self.terminals = [self._terminal(folder, plan) for plan in plans]

    def terminal(self, name: str) -> SiteTerminal:
        """The terminal of that id."""
        return next(terminal for terminal in self.terminals if terminal.id == name)

    def start(self) -> None:
        """Fill the database and run everything; returns when all that is bound knows it. Raises ProgramFailed."""
        self.cloud.furnish([terminal.plan for terminal in self.terminals], self.cards)
        self.broker.start()
        if self.readers is not None:
            self.readers.start()
        self.cloud.start(wait=False)
        for terminal in self.terminals:
            terminal.start(wait=False)
        self.cloud.wait_until_ready()
        for terminal in self.terminals:
            terminal.wait_until_ready()
            if terminal.plan.bound:
                terminal.wait_until_bound()

    def stop(self) -> None:
        """End everything, in the reverse order, whatever of it runs."""
        with ExitStack() as stopping:
            stopping.callback(_remove, self.runtime)
            stopping.callback(self.broker.stop)
            stopping.callback(self.cloud.close)
            if self.readers is not None:
                stopping.callback(self.readers.stop)
            for terminal in self.terminals:
                stopping.callback(terminal.stop)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_sent(self, seconds: float = PATIENCE) -> float:
        """Returns when the cloud has receipted everything at every terminal; how many seconds that took."""
        began = time.monotonic()
        for terminal in self.terminals:
            terminal.wait_until_sent(seconds)
        return time.monotonic() - began

    def faults(self, *, complete: bool = True) -> list[str]:
        """What the independent audit finds wrong; `complete`: the cloud should have everything."""
        return [fault for terminal in self.terminals for fault in self.faults_of(terminal, complete)]

    def faults_of(self, terminal: SiteTerminal, complete: bool = True) -> list[str]:
        there = self.cloud.copy(terminal.id) if complete else None
        lights = terminal.lights  # before the ledger: what is shown after this look is not asked of it
        greens = list(terminal.greens)
        return audit(terminal.copy(), there, greens, lights)

    def _terminal(self, folder: Path, plan: Plan) -> SiteTerminal:
        key = base64.b64encode(signing_key(self.signing_key).public_key().public_bytes_raw()).decode()
        reader = self.readers if plan.feed is Feed.PCSC else None
        reached = Reached(
            self.broker.port,
            self.authority.issue(plan.id),
            key,
            self._card_port if reader else 0,
            reader.environment if reader else {},
        )
        runtime = self.runtime / plan.id
        runtime.mkdir()
        return SiteTerminal(plan, folder / plan.id, runtime, reached)

    def _virtual_reader(self, plans: Sequence[Plan]) -> VirtualReader | None:
        if not any(plan.feed is Feed.PCSC for plan in plans):
            return None
        self._card_port = free_port_pairs(1)[0]
        return VirtualReader(self.runtime / "pcscd", [self._card_port])


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
