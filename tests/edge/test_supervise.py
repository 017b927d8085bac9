"""Tasks beside the tap are begun anew, a bug in the loop of the tap ends the daemon, and systemd hears the heart."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.errors import LinkFault
from edge.supervise import Heart, ServiceState, exit_on_bugs, exit_on_bugs_in_threads, keep
from tests.support.hand_clock import HandLoop


class Failing:
    """A task that fails in the given ways and then is done."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.pauses: list[float] = []

    async def run(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_a_fault_beside_the_tap_is_said_and_the_task_begun_anew() -> None:
    task = Failing(LinkFault("no route; look at the network"))
    with capture_logs() as lines:
        asyncio.run(keep("link", task.run, task.sleep))
    assert [(line["event"], line["task"], line["why"]) for line in lines] == [
        ("task.failed", "link", "no route; look at the network")
    ]
    assert task.pauses == [1.0]


def test_a_bug_beside_the_tap_does_not_take_the_tap_with_it() -> None:
    task = Failing(KeyError("unforeseen"), ZeroDivisionError())
    with capture_logs() as lines:
        asyncio.run(keep("link", task.run, task.sleep))
    assert [line["exc_info"] for line in lines] == [True, True]


def test_pauses_grow_but_not_for_ever() -> None:
    task = Failing(*[OSError() for _ in range(9)])
    with capture_logs():
        asyncio.run(keep("link", task.run, task.sleep))
    assert task.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_cancelled_task_ends() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def cancelled() -> None:
        task = asyncio.create_task(keep("link", for_ever, asyncio.sleep))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_a_bug_where_taps_are_answered_ends_the_daemon() -> None:
    async def tap() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        exit_on_bugs(loop, stopped.set)
        loop.call_soon([].pop)
        await stopped.wait()

    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(tap(), 5))
    assert [(line["event"], line["log_level"]) for line in lines] == [("task.failed", "critical")]


def test_a_bug_in_what_the_link_received_is_survived() -> None:
    """It is met where paho's thread hands a message to the loop; here in a module that bears the link's name."""
    link: dict[str, Any] = {"__name__": "edge.link.link"}
    exec("def arrived(): raise KeyError('unforeseen')", link)  # noqa: S102

    async def receive() -> bool:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        exit_on_bugs(loop, stopped.set)
        loop.call_soon(link["arrived"])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return stopped.is_set()

    with capture_logs() as lines:
        assert not asyncio.run(receive())
    assert [(line["event"], line["log_level"]) for line in lines] == [("task.failed", "critical")]


def test_a_part_that_fails_in_the_loop_is_survived() -> None:
    def fails() -> None:
        raise LinkFault("a lamp is loose; tighten it")

    async def light() -> bool:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        exit_on_bugs(loop, stopped.set)
        loop.call_soon(fails)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return stopped.is_set()

    with capture_logs() as lines:
        assert not asyncio.run(light())
    assert [line["why"] for line in lines] == ["a lamp is loose; tighten it"]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of the notification socket that systemd holds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(listening: socket.socket) -> list[str]:
    """Everything that has been said so far."""
    said = []
    while True:
        try:
            said.append(listening.recv(4096).decode())
        except BlockingIOError:
            return said


def service(listening: socket.socket, **more: str) -> ServiceState:
    return ServiceState({"NOTIFY_SOCKET": listening.getsockname(), **more})


def test_a_bug_in_a_thread_ends_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose thread died would answer nobody for years."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    async def live() -> None:
        stopped = asyncio.Event()
        exit_on_bugs_in_threads(asyncio.get_running_loop(), stopped.set)
        threading.Thread(target=int, args=("no number",), name="reader grind").start()
        await asyncio.wait_for(stopped.wait(), 5)

    with capture_logs() as logged:
        asyncio.run(live())
    assert [line["task"] for line in logged] == ["reader grind"]


def test_systemd_hears_what_is_said(systemd: socket.socket) -> None:
    state = service(systemd)
    state.say("READY=1", "STATUS=two readers")
    state.close()
    assert heard(systemd) == ["READY=1\nSTATUS=two readers"]


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0grindvakt-test-{os.getpid()}")
        listening.setblocking(False)
        state = ServiceState({"NOTIFY_SOCKET": f"@grindvakt-test-{os.getpid()}"})
        state.say("READY=1")
        state.close()
        assert heard(listening) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_without_systemd_nothing_is_said_and_nothing_fails(address: str) -> None:
    state = ServiceState({"NOTIFY_SOCKET": address})
    state.say("READY=1")
    state.close()


def test_a_systemd_that_does_not_listen_does_not_hold_up_the_loop(systemd: socket.socket) -> None:
    """The queue of a datagram socket is full after some; a blocking send would hang here."""
    state = service(systemd)
    for _ in range(5000):
        state.say("WATCHDOG=1")
    state.close()


class BusyLoop(HandLoop):
    """A loop that does not come to what waits in its queue."""

    is_busy = True

    def run_calls(self) -> None:
        if not self.is_busy:
            super().run_calls()


def test_the_heart_beats_twice_in_the_time_that_systemd_allows(systemd: socket.socket) -> None:
    loop, state = BusyLoop(), service(systemd, WATCHDOG_USEC="20000000", WATCHDOG_PID=str(os.getpid()))
    heart = Heart(state, loop, lambda: "well")
    heart.start()
    assert heard(systemd) == ["WATCHDOG=1\nSTATUS=well"]
    loop.advance(9.9)
    assert heard(systemd) == []
    loop.advance(0.2)
    assert heard(systemd) == [], "the beat waits in the queue that taps come by"
    loop.is_busy = False
    loop.run_calls()
    assert heard(systemd) == ["WATCHDOG=1\nSTATUS=well"]
    heart.stop()
    loop.advance(60)
    assert heard(systemd) == []
    state.close()


@pytest.mark.parametrize("asked", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_PID": "1"}])
def test_without_a_watchdog_the_heart_is_silent(systemd: socket.socket, asked: dict[str, str]) -> None:
    loop, state = (
        HandLoop(),
        service(systemd, **{"WATCHDOG_USEC": "2000000", **asked} if "WATCHDOG_PID" in asked else asked),
    )
    Heart(state, loop, lambda: "well").start()
    assert heard(systemd) == []
    state.close()
