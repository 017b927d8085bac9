"""A pcscd that is frozen, goes on, or is killed while frozen: the reader is told as lost and comes back by itself."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.readers import CardSeen, ReaderBack, ReaderLost
from edge.readers.pcsc.pcsc import PcscReader
from edge.readers.pcsc.virtual_card import VirtualCard
from edge.readers.pcsc.virtual_reader import VirtualReader, reader_name
from protocol.cards import CardId, CardKind
from tests.support.pcscd import free_port_pairs, running_pcscd
from tests.support.sightings import Sightings
from tests.support.waiting import until

PORT = free_port_pairs(1)[0]


@pytest.fixture(scope="module")
def pcscd() -> Iterator[VirtualReader]:
    with running_pcscd([PORT]) as running:
        yield running


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


@pytest.fixture
def reader(pcscd: VirtualReader, seen: Sightings, monkeypatch: pytest.MonkeyPatch) -> Iterator[PcscReader]:
    monkeypatch.setattr("edge.readers.watching.STALLED", 2.0)  # twice what it waits for pcscd at a time
    watched = PcscReader("gate", reader_name(PORT))
    watched.start(seen.take)
    until(lambda: watched.is_there)
    yield watched
    watched.stop()


@contextmanager
def frozen(pcscd: VirtualReader) -> Iterator[None]:
    """Stop it where it stands; at the end it goes on, unless it was killed meanwhile."""
    (process,) = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if is_ours(path, pcscd)]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def is_ours(cmdline: Path, pcscd: VirtualReader) -> bool:
    try:
        words = cmdline.read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False
    folder = Path(pcscd.environment["PCSCLITE_CSOCK_NAME"]).parents[1]
    return words[0].endswith(b"pcscd") and str(folder / "readers").encode() in words


def read_again(seen: Sightings, number: int) -> None:
    """It comes back within five seconds, and the next card is read."""
    assert seen.next(5) == ReaderBack("gate")
    serial, card = bytes([0x04, number, 0xB2, 0xC3]), VirtualCard(PORT)
    card.insert(serial)
    assert seen.next() == CardSeen(CardId.from_bytes(CardKind.UID, serial), "gate")
    card.remove()


def lost(seen: Sightings) -> ReaderLost:
    """What is told of the reader, after whatever was seen before."""
    told = seen.until(lambda sighting: isinstance(sighting, ReaderLost), 10)[-1]
    assert isinstance(told, ReaderLost)
    return told


@pytest.mark.feature("F09")
def test_a_pcscd_that_freezes_is_told_and_goes_on_with_it(
    pcscd: VirtualReader, reader: PcscReader, seen: Sightings
) -> None:
    before = threading.active_count()
    for number in range(3):
        with frozen(pcscd):
            assert lost(seen).why == "it has given no sign of life for 2 seconds"
            assert not reader.is_there
        read_again(seen, number)
    until(lambda: threading.active_count() <= before)


@pytest.mark.feature("F09")
def test_a_frozen_pcscd_that_is_killed_and_started_anew_is_found_again(
    pcscd: VirtualReader, reader: PcscReader, seen: Sightings
) -> None:
    before = threading.active_count()
    with frozen(pcscd):
        lost(seen)
        pcscd.kill()
    pcscd.start()
    read_again(seen, 9)
    until(lambda: threading.active_count() <= before)


def test_a_reader_is_stopped_while_pcscd_is_frozen(pcscd: VirtualReader, reader: PcscReader) -> None:
    """The daemon ends when it is told to, whatever hangs: systemd must not have to kill it."""
    with frozen(pcscd):
        ended = threading.Thread(target=reader.stop)
        ended.start()
        ended.join(10)
        assert not ended.is_alive()
