"""A reader that hangs in its device is told as lost, another session takes over, and nothing piles up."""

import itertools
import os
import threading
import tty
from collections.abc import Iterator

import pytest

from edge.errors import ReaderGone
from edge.readers import CardSeen, ReaderBack, ReaderLost
from edge.readers.watching import MOST_LEFT, Turn, Watch
from tests.support.gate import ANNA
from tests.support.sightings import Sightings
from tests.support.waiting import until

LOST = ReaderLost("gate", "it has given no sign of life for 0.5 seconds")


class Port:
    """A real serial line; the first `hanging` sessions read it without a time-out, as a wedged driver does."""

    def __init__(self, hanging: int) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self._hanging = hanging
        self._count = itertools.count()
        self._never = threading.Event()
        self.begun = 0
        self.hung: list[threading.Thread] = []

    def session(self, turn: Turn) -> None:
        self.begun += 1
        if next(self._count) < self._hanging:
            self.hung.append(threading.current_thread())
            turn.alive()
            os.read(self.slave, 1)
            turn.report(CardSeen(ANNA, "gate"))
            return
        while not turn.stopping:
            turn.alive()
            self._never.wait(0.02)

    def let_go(self) -> None:
        """Give every session that hangs what it waits for."""
        os.write(self.master, b"\n" * len(self.hung))
        for thread in self.hung:
            thread.join(5)

    def close(self) -> None:
        self.let_go()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("RETRY", 0.02), ("STALLED", 0.5), ("LOOK", 0.02), ("LAST_WORDS", 0.1)):
        monkeypatch.setattr(f"edge.readers.watching.{name}", seconds)


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


@pytest.fixture
def ports() -> Iterator[list[Port]]:
    made: list[Port] = []
    yield made
    for port in made:
        port.close()


def watched(ports: list[Port], seen: Sightings, hanging: int) -> tuple[Port, Watch]:
    """A port of which so many sessions hang, and the watch over it, begun."""
    port = Port(hanging)
    ports.append(port)
    watch = Watch("gate", port.session)
    watch.start(seen.take)
    return port, watch


@pytest.mark.feature("F09")
def test_a_session_that_hangs_is_told_as_lost_and_a_fresh_one_takes_over(ports: list[Port], seen: Sightings) -> None:
    port, watch = watched(ports, seen, hanging=1)
    assert [seen.next(), seen.next()] == [LOST, ReaderBack("gate")]
    assert watch.is_there
    watch.stop()
    assert port.begun == 2


def test_what_an_abandoned_session_says_at_last_is_not_heard(ports: list[Port], seen: Sightings) -> None:
    port, watch = watched(ports, seen, hanging=1)
    seen.until(lambda sighting: sighting == ReaderBack("gate"))
    port.let_go()
    assert watch.is_there
    watch.stop()
    assert seen.is_empty


def test_sessions_that_all_hang_do_not_pile_up_and_the_last_wakes_with_the_device(
    ports: list[Port], seen: Sightings
) -> None:
    """As with a pcscd that is frozen: whoever asks it waits too, until it goes on."""
    port, watch = watched(ports, seen, hanging=MOST_LEFT + 1)
    assert seen.next() == LOST
    until(lambda: port.begun == MOST_LEFT + 1)
    assert not threading.Event().wait(1.5)  # three times as long as each of them was waited for
    assert port.begun == MOST_LEFT + 1
    assert not watch.is_there
    port.let_go()
    told = seen.until(lambda sighting: sighting == ReaderBack("gate"))
    assert LOST not in told
    watch.stop()


def test_a_stop_does_not_wait_for_a_session_that_hangs_and_it_is_not_heard_afterwards(
    ports: list[Port], seen: Sightings
) -> None:
    port, watch = watched(ports, seen, hanging=1)
    until(lambda: port.hung)
    watch.stop()
    assert not watch.is_there
    told = [] if seen.is_empty else [seen.next()]
    port.let_go()
    assert told in ([], [LOST])
    assert seen.is_empty


def test_an_interrupt_that_hangs_itself_does_not_hold_up_the_stop(ports: list[Port], seen: Sightings) -> None:
    port, watch = watched(ports, seen, hanging=0)
    until(lambda: watch.is_there)
    held = threading.Event()
    watch.stop(lambda: assert_set(held))
    held.set()
    assert port.begun == 1


def assert_set(event: threading.Event) -> None:
    assert event.wait(10)


def test_a_device_that_goes_and_comes_all_day_leaves_no_thread(seen: Sightings) -> None:
    rounds = itertools.count()

    def session(turn: Turn) -> None:
        if next(rounds) < 100:
            raise ReaderGone("gate", "it was unplugged")
        turn.alive()
        while not turn.stopping:
            threading.Event().wait(0.01)

    before = threading.active_count()
    watch = Watch("gate", session)
    watch.start(seen.take)
    assert [seen.next(), seen.next(20)] == [ReaderLost("gate", "it was unplugged"), ReaderBack("gate")]
    assert threading.active_count() <= before + 2
    watch.stop()
    assert threading.active_count() <= before


def test_a_reader_started_again_after_a_stop_is_watched_again(ports: list[Port], seen: Sightings) -> None:
    port, watch = watched(ports, seen, hanging=0)
    until(lambda: watch.is_there)
    watch.stop()
    watch.start(seen.take)
    until(lambda: watch.is_there)
    watch.stop()
    assert port.begun == 2
    assert seen.is_empty
