"""Runs an OSDP bus: one serial port, one control panel in one thread, and every reader on it."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

import structlog

from edge.errors import ReaderKeysUnusable
from edge.events import Event
from edge.readers import Sighting
from edge.readers.osdp.keys import ReaderKeys
from edge.readers.osdp.library import Done, Panel
from edge.readers.osdp.line import OsdpLine, told
from edge.readers.osdp.provisioning import Provisioning
from edge.readers.osdp.requests import Outcome
from edge.readers.osdp.seat import Seat
from edge.signals.reader_lights import Light

RETRY: Final = 1.0
"""Seconds between two looks for a port that is gone."""

TICK: Final = 0.02
"""Seconds after which libosdp is given its turn at the latest, while a reader does not answer."""

POLLED: Final = 0.0515
"""Seconds after its last word in which libosdp asks a reader again, and a little: it counts whole milliseconds."""

SOONEST: Final = 0.001

LOOK: Final = 0.05
"""Seconds between two looks at how the readers are."""

WEDGED: Final = 10.0
"""Seconds in which no reader of the bus says anything, after which the port is opened anew."""

STALLED: Final = 5.0
"""Seconds without a turn after which a thread that still runs serves nobody."""

GATHERED: Final = 80
"""Bits that are let come before an answer that has begun is looked at: eight bytes."""

MOST_TURNS: Final = 8
"""Exchanges that are taken further before the rest of the work is done."""

_log = structlog.get_logger()


class OsdpBus:
    """The readers of one port; each is an OsdpReader, and the thread lives from the first start to the last stop."""

    def __init__(self, device: str, baud: int, keys: ReaderKeys) -> None:
        self._device = device
        self._line = OsdpLine(device, baud)
        self._gather = GATHERED / baud
        self._keys = keys
        self._seats: list[Seat] = []
        self._panel: Panel | None = None
        self._provisioning: Provisioning | None = None
        self._asked_for: list[tuple[Seat, Future[Outcome]]] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._turned = 0.0
        self._wake_read, self._wake_write = -1, -1

    def seat(self, name: str, address: int, *, reversed_bytes: bool = False) -> "OsdpReader":
        """A reader of this bus, before anything has started."""
        seat = Seat(name, address, self._keys, reversed_bytes)
        self._seats.append(seat)
        return OsdpReader(seat, self)

    @property
    def is_running(self) -> bool:
        """Says whether the thread takes its turns."""
        thread = self._thread
        return thread is not None and thread.is_alive() and time.monotonic() - self._turned < STALLED

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, for whoever measures it."""
        return self._thread

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._thread is None:
            self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name=f"osdp {self._device}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, if nobody is served any more; a port that hangs is left behind."""
        thread = self._thread
        if thread is None or any(seat.tell is not None for seat in self._seats):
            return
        self._stopping.set()
        self.wake()
        thread.join(STALLED)
        self._thread = None
        ends, self._wake_write = (self._wake_read, self._wake_write), -1  # the number may be another file's at once
        if not thread.is_alive():
            for end in ends:
                os.close(end)

    def wake(self) -> None:
        """Have the thread look now; called from the thread that starts and stops it."""
        with contextlib.suppress(BlockingIOError, OSError):  # it is about to look, or has ended
            os.write(self._wake_write, b"!")

    def provision(self, seat: Seat) -> "Future[Outcome]":
        """Give this reader a new key; the outcome, or ReaderKeysUnusable."""
        outcome: Future[Outcome] = Future()
        self._asked_for.append((seat, outcome))
        self.wake()
        return outcome

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        for seat in self._seats:
            seat.start(time.monotonic())
        while not self._stopping.is_set():
            self._turned = time.monotonic()
            try:
                self._line.open()
            except OSError as exc:
                self._lose_all(told(exc))
                self._pause(RETRY)
                continue
            self._make_panel()
            self._serve()
            self._line.close()
            if self._line.fault is not None and not self._stopping.is_set():
                self._lose_all(told(self._line.fault))
                self._pause(RETRY)
        if self._panel is not None:
            self._panel.close()
            self._panel = None

    def _pause(self, seconds: float) -> None:
        """While there is no port, nobody can be provisioned either."""
        self._begin_provisioning()
        if self._provisioning is not None:
            self._provisioning.give_up()
            self._follow_provisioning_end()
        self._stopping.wait(seconds)

    def _make_panel(self) -> None:
        """Meet every reader from the beginning, each under the key it is to be met with."""
        if self._panel is not None:
            self._panel.close()
        self._panel = Panel([seat.peer() for seat in self._seats], self._line)
        now = time.monotonic()
        for seat in self._seats:
            seat.begin(now)

    def _serve(self) -> None:
        """Until the port is gone or wedged, or the end."""
        began, looked = time.monotonic(), 0.0
        while not self._stopping.is_set() and self._line.fault is None:
            self._line.wait(self._wake_read, self._pause_until_due(time.monotonic()))
            if self._line.has_come:
                time.sleep(self._gather)
            self._turn()
            now = self._turned = time.monotonic()
            if now - looked >= LOOK:
                looked = now
                self._look(now)
                if now - max([began, *self._line.heard.values()]) > WEDGED:
                    return
            for seat in self._seats:
                seat.shine(self._there(), now)

    def _pause_until_due(self, now: float) -> float:
        """Seconds until libosdp has something to do by itself; an answer comes before that."""
        asked, heard = self._line.asked, self._line.heard
        due = [max(asked.get(seat.address, 0.0), heard.get(seat.address, 0.0)) + POLLED for seat in self._seats]
        if not all(seat.is_up for seat in self._seats):
            due.append(now + TICK)
        return max(min((each for each in due if each > now), default=now + TICK) - now, SOONEST)

    def _turn(self) -> None:
        """Take the exchange on the bus as far as it goes: to wait for the next answer costs nothing."""
        panel = self._there()
        for _ in range(MOST_TURNS):
            self._line.moved = False
            panel.refresh()  # an exchange begins with one call and is sent with the next
            panel.refresh()
            for done in panel.done():
                self._finish(done.address, done)
            for seat in self._seats:
                for found in panel.found(seat.address):
                    seat.take(found, seat.address in panel.secure(), self._line.began)
            if not self._line.moved:
                return

    def _look(self, now: float) -> None:
        """How is each reader, and the one that is being given a key?"""
        panel = self._there()
        secure, asked, heard = panel.secure(), self._line.asked, self._line.heard
        anew = False
        for seat in self._seats:
            anew |= seat.looked_at(panel, secure, asked.get(seat.address, 0.0), heard.get(seat.address, 0.0))
            seat.believe(now)
        self._begin_provisioning()
        if self._provisioning is not None:
            address = self._provisioning.seat.address
            anew |= self._provisioning.step(panel, secure, heard.get(address, 0.0), now)
            self._follow_provisioning_end()
        if anew:
            self._make_panel()

    def _finish(self, address: int, done: Done) -> None:
        line, provisioning = self._line, self._provisioning
        seat = next(each for each in self._seats if each.address == address)
        seat.finish(done, line.asked.get(address, 0.0), line.heard.get(address, 0.0))
        if provisioning is not None and provisioning.seat is seat:
            provisioning.finish(done)

    def _begin_provisioning(self) -> None:
        """One at a time; who asks meanwhile is next."""
        while self._provisioning is None and self._asked_for:
            seat, outcome = self._asked_for.pop(0)
            try:
                self._provisioning = Provisioning(seat, outcome, time.monotonic())
            except ReaderKeysUnusable as fault:
                outcome.set_exception(fault)

    def _follow_provisioning_end(self) -> None:
        provisioning = self._provisioning
        if provisioning is not None and provisioning.outcome.done():
            self._provisioning = None
            outcome, name = provisioning.outcome.result(), provisioning.seat.name
            _log.info(Event.READER_PROVISIONED, reader=name, outcome=str(outcome))

    def _lose_all(self, why: str) -> None:
        for seat in self._seats:
            seat.lose(why.format(device=self._device))

    def _there(self) -> Panel:
        assert self._panel is not None, "the thread serves a panel that it has made"  # noqa: S101
        return self._panel


class OsdpReader:
    """A reader on an OSDP bus, with lights of its own."""

    def __init__(self, seat: Seat, bus: OsdpBus) -> None:
        self._seat = seat
        self._bus = bus

    @property
    def name(self) -> str:
        """What the settings call it."""
        return self._seat.name

    @property
    def is_there(self) -> bool:
        """Says whether it answers in a Secure Channel under its own key."""
        return self._seat.tell is not None and self._seat.is_there and self._bus.is_running

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Look for it from now on, and report what is held against it."""
        self._seat.tell = seen
        self._bus.start()

    def stop(self) -> None:
        """Report nothing more; the bus ends with its last reader."""
        self._seat.tell = None
        self._bus.stop()

    def light(self, shown: Light) -> None:
        """Show this as soon as the bus gets to it."""
        if self._seat.wanted != shown:
            self._seat.wanted = shown
            self._bus.wake()

    def provision(self) -> "Future[Outcome]":
        """Give it a new key, also while it is in install mode; the outcome, or ReaderKeysUnusable."""
        return self._bus.provision(self._seat)
