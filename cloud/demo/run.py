"""Runs the demonstration: builds a site, lets people tap, and lets the visitor stop and start the cloud."""

import logging
import queue
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import structlog
from rich.console import Console
from rich.panel import Panel

from cloud.demo.cabinet import fresh
from cloud.demo.programs import free_port
from cloud.demo.seed import Login
from cloud.demo.site import Ports, Site
from cloud.demo.terminals import TERMINALS
from cloud.demo.visitors import Visit, Visitors
from cloud.errors import CloudError

SEED: Final = 6
PAUSE: Final = (1.5, 4.0)  # seconds between two taps
INTERRUPTED: Final = 130  # what a shell reports for Ctrl-C
STEPS: Final = 7


class Demo:
    """The demonstration as the visitor meets it: what is printed, and what s, r and Ctrl-C do."""

    def __init__(self, site: Site, console: Console) -> None:
        self._site = site
        self._console = console
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._chance = Random(SEED)
        self._step = 0

    def run(self) -> None:
        """Until Ctrl-C (KeyboardInterrupt). Raises ProgramFailed when a part of it cannot run."""
        with self._site:
            login = self._site.build(datetime.now(UTC), self._tell)
            self._site.start(self._tell)
            self._welcome(login)
            threading.Thread(target=self._listen, name="keys", daemon=True).start()
            visitors = Visitors(SEED)
            for visit in visitors.first():
                self._tap(visit)
            while True:
                self._tap(visitors.next())

    def _tap(self, visit: Visit) -> None:
        self._wait(self._chance.uniform(*PAUSE))
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self._console.print(f"[dim]{now}[/]  {visit.terminal.name:<14} ◂ {visit.who}", highlight=False)
        self._site.visit(visit, self._wait)

    def _wait(self, seconds: float) -> None:
        """Wait, and do meanwhile what the visitor asks."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._obey(self._asked.get(timeout=left))
            except queue.Empty:
                return

    def _obey(self, asked: str) -> None:
        match asked:
            case "s" if self._site.cloud.is_running:
                self._site.cloud.stop()
                self._console.print(
                    "Cloud and broker are stopped, taps go on. [b]r[/] starts them again.", style="yellow"
                )
            case "r" if not self._site.cloud.is_running:
                self._console.print("Starting cloud and broker …", style="yellow")
                self._site.start_cloud()
                self._console.print("They are back; what was recorded meanwhile arrives now.", style="green")
            case _:
                self._console.print("[b]s[/] stops cloud and broker, [b]r[/] starts them again, Ctrl-C ends it all.")

    def _listen(self) -> None:
        for line in sys.stdin:
            self._asked.put(line.strip().lower())

    def _tell(self, what: str) -> None:
        self._step += 1
        self._console.print(f"[dim]\\[{self._step}/{STEPS}][/] {what} …", highlight=False)

    def _welcome(self, login: Login) -> None:
        panels = "\n".join(f"{name:<14} [b]{address}[/]" for name, address in self._site.panels)
        self._console.print(
            Panel.fit(
                f"Portal    [b]{self._site.address}[/]\n"
                f"Login     [b]{login.name}[/]\n"
                f"Password  [b]{login.password}[/]\n\n"
                f"Terminals, as a worker sees them, with cards to tap:\n{panels}\n\n"
                "[b]s[/] + Enter stops the cloud and the broker: taps go on turning green and being recorded.\n"
                "[b]r[/] + Enter starts them again: everything arrives once, and the page catches up.\n"
                f"Logs and ledgers are in {self._site.folder}; Ctrl-C ends the demonstration.",
                title="Grindvakt: a building site on this machine",
                border_style="green",
                padding=(1, 2),
            ),
            highlight=False,
        )


def demo(folder: Path, port: int | None, node_modules: Path) -> int:
    """Run it in a folder, the portal on this port or a free one; the exit code. Raises CloudError."""
    console = Console()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # the programs have logs
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    panels = {terminal.id: free_port() for terminal in TERMINALS}
    ports = Ports(portal=port or free_port(), broker=free_port(), card=free_port(), panels=panels)
    site = Site(fresh(folder), ports, node_modules.resolve())
    try:
        Demo(site, console).run()
    except KeyboardInterrupt:
        console.print(f"\nStopped. What was recorded stays in {site.folder} until the next demonstration.", style="dim")
    except CloudError as fault:
        console.print(f"\n[red]The demonstration cannot go on:[/] {fault}", highlight=False)
        return 1
    return INTERRUPTED
