"""Keeps the daemon's tasks alive, and tells systemd that taps are still answered."""

import asyncio
import os
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, Container, Mapping
from functools import partial
from typing import Any, Final

import structlog

from edge.errors import TerminalError
from edge.events import Event
from edge.scheduler import Scheduler, Timer

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
BESIDE_THE_TAP: Final = frozenset({"edge.link.link", "edge.local"})

_log = structlog.get_logger()


async def keep(name: str, run: Callable[[], Awaitable[None]], sleep: Callable[[float], Awaitable[None]]) -> None:
    """Run a task that taps do not depend on, again and again: what fails in it is said, and it is begun anew.

    This is the one place where a bug is caught: the link or the local socket must not take the tap with it.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            await run()
        except TerminalError as fault:
            _log.error(Event.TASK_FAILED, task=name, why=str(fault), again_in_seconds=pause)
        except Exception:  # noqa: BLE001  # the supervisor's own (P8)
            _log.exception(Event.TASK_FAILED, task=name, why="a fault of the program", again_in_seconds=pause)
        else:
            return
        await sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


class ServiceState:
    """Speaks sd_notify(3) with systemd, or with nobody where there is no NOTIFY_SOCKET."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self.watchdog_seconds = _watchdog_seconds(environment)

    def say(self, *lines: str) -> None:
        """Send e.g. `READY=1`, `STATUS=…`; a systemd that is busy or gone is no reason to stop answering taps."""
        if not self._address:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # the next beat says it again; without one systemd restarts us, as it should
            return

    def close(self) -> None:
        """Say nothing more."""
        self._socket.close()


class Heart:
    """Beats from the loop that answers taps, through the queue that taps come by: a loop that hangs goes silent.

    With each beat it says in words how the terminal is.
    """

    def __init__(self, service: ServiceState, loop: Scheduler, words: Callable[[], str]) -> None:
        self._service = service
        self._loop = loop
        self._words = words
        self._timer: Timer | None = None

    def start(self) -> None:
        """Beat now, and then at half the time that systemd allows (sd_watchdog_enabled(3))."""
        if self._service.watchdog_seconds is not None:
            self._beat(self._service.watchdog_seconds / 2)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self, every: float) -> None:
        self._service.say("WATCHDOG=1", f"STATUS={self._words()}")
        self._timer = self._loop.call_later(every, partial(self._loop.call_soon_threadsafe, partial(self._beat, every)))


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """What systemd asked of this process, if of this one."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 1_000_000


def exit_on_bugs(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Let a bug in a callback, which is where taps are answered, end the daemon: systemd starts a fresh one.

    Survived are faults of parts (a pin that cannot be set), and bugs met in what came from outside by link or socket:
    whoever finds one there must not be able to keep a gate from answering.
    """

    def said(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, TerminalError):
            _log.error(Event.TASK_FAILED, task="loop", why=str(error))
            return
        _log.critical(Event.TASK_FAILED, task="loop", why=context["message"], exc_info=error)
        if "handle" in context and not came_through(error, BESIDE_THE_TAP):
            stop()

    loop.set_exception_handler(said)


def exit_on_bugs_in_threads(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Let a bug in a thread (a reader's, the broker client's) end the daemon too: a thread that died serves nobody."""

    def said(bug: threading.ExceptHookArgs) -> None:
        name = bug.thread.name if bug.thread else "a thread"
        _log.critical(Event.TASK_FAILED, task=name, why="a fault of the program", exc_info=bug.exc_value)
        loop.call_soon_threadsafe(stop)

    threading.excepthook = said


def came_through(error: BaseException | None, modules: Container[str]) -> bool:
    """Whether one of these modules stands in the traceback."""
    frames = traceback.walk_tb(error.__traceback__ if error else None)
    return any(frame.f_globals.get("__name__", "") in modules for frame, _ in frames)
