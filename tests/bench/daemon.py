"""How soon the daemon answers a tap after its start, and what it costs when nobody taps."""

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from edge.errors import DaemonUnreachable
from protocol.cards import CardId
from tests.bench.figures import Figure, Told
from tests.bench.installation import installation
from tests.support.site import Site
from tests.support.site_terminal import SiteTerminal

STARTS: Final = 5
ANSWERED_WITHIN: Final = 20.0
LOOK_AGAIN: Final = 0.005
SETTLES_IN: Final = 3.0
"""Seconds after the last message until the daemon counts as idle."""

IDLE: Final = 22.0
"""Seconds of idleness that are measured; a status goes out in them."""

TAPS_BEFORE: Final = 40
MIB: Final = 1 << 20


def start(folder: Path, told: Told) -> list[Figure]:
    """Seconds from the start of the process to the answer to its first tap, beside an interpreter that does nothing."""
    with installation(folder, ["start-1"]) as site:
        terminal = site.terminals[0]
        told("a terminal with binding, roster and some taps")
        _used(site, terminal)
        told(f"starting it {STARTS} times, and as often a bare interpreter")
        turns = [(_start(terminal, card), _bare_start()) for card in site.cards[:STARTS]]
    began, bare = ([turn[column] for turn in turns] for column in (0, 1))
    ratio = median(began) / median(bare)
    return [Figure("daemon start to first tap", "s", median(began), median(bare), ratio, samples=tuple(began))]


def idle(folder: Path, told: Told) -> list[Figure]:
    """Memory and processor of a connected daemon that nobody taps at, and for comparison of the cloud."""
    with installation(folder, ["idle-1"]) as site:
        terminal = site.terminals[0]
        _used(site, terminal)
        terminal.start()
        terminal.wait_until_sent()
        time.sleep(SETTLES_IN)
        told(f"doing nothing for {IDLE:g} s")
        daemon, cloud = psutil.Process(terminal.program.pid), psutil.Process(site.cloud.program.pid)
        before = spent(daemon), spent(cloud)
        time.sleep(IDLE)
        percent = [100 * (spent(each) - was) / IDLE for each, was in zip((daemon, cloud), before, strict=True)]
        resident = [each.memory_info().rss / MIB for each in (daemon, cloud)]
    bare = _bare_resident()
    return [
        Figure("daemon memory", "MiB", resident[0], bare, resident[0] / bare, parts={"cloud": resident[1]}),
        Figure("daemon idle", "% of a core", percent[0], parts={"cloud": percent[1]}),
    ]


def _used(site: Site, terminal: SiteTerminal) -> None:
    """Let it learn its binding and record some taps, and stop it."""
    terminal.start()
    terminal.wait_until_bound()
    for card in site.cards[:TAPS_BEFORE]:
        terminal.tap(card)
    terminal.wait_until_sent()
    terminal.stop()


def _start(terminal: SiteTerminal, card: CardId) -> float:
    begun = time.monotonic()
    terminal.start(wait=False)
    while not _tapped(terminal, card):
        if time.monotonic() - begun > ANSWERED_WITHIN:
            raise TimeoutError(f"no tap was answered within {ANSWERED_WITHIN:g} s of the start: {terminal.tail()}")
        time.sleep(LOOK_AGAIN)
    took = time.monotonic() - begun
    terminal.stop()
    return took


def _tapped(terminal: SiteTerminal, card: CardId) -> bool:
    try:
        answer = terminal.tap(card)
    except DaemonUnreachable:
        return False
    if answer["outcome"] != "granted":
        raise RuntimeError(f"the first tap was not granted: {answer}")
    return True


def _bare_start() -> float:
    begun = time.monotonic()
    _bare("pass")
    return time.monotonic() - begun


def _bare_resident() -> float:
    """Mebibytes that an interpreter has which has imported nothing of its own accord."""
    return int(_bare("print(open('/proc/self/statm').read().split()[1])")) * resource.getpagesize() / MIB


def _bare(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout


def spent(process: psutil.Process) -> float:
    """Seconds of processor that a process has used: proc(5) counts nanoseconds here, and whole ticks elsewhere."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9
