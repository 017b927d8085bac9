"""PC/SC readers over a real pcscd: every card is named or told as unread, and no trouble lasts."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, Sighting
from edge.readers.pcsc.pcsc import PcscReader
from edge.readers.pcsc.virtual_card import Pulled, VirtualCard
from edge.readers.pcsc.virtual_reader import VirtualReader, reader_name
from protocol.cards import CardId
from tests.support.pcscd import FieldWatcher, free_port_pairs, running_pcscd
from tests.support.sightings import Sightings

PORTS = free_port_pairs(2)
PORT = PORTS[0]
UID = bytes.fromhex("04A1B2C3D4E5F6")
CARD = CardId.parse("uid:04A1B2C3D4E5F6")


@pytest.fixture(scope="module")
def pcscd() -> Iterator[VirtualReader]:
    with running_pcscd(PORTS) as running:
        yield running


@pytest.fixture
def card(pcscd: VirtualReader) -> Iterator[VirtualCard]:
    held = VirtualCard(PORT)
    yield held
    held.remove()
    FieldWatcher(PORT).wait_until_empty()


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


@pytest.fixture
def reader(pcscd: VirtualReader, seen: Sightings) -> Iterator[PcscReader]:
    watched = PcscReader("gate", f"{reader_name(PORT)} 00 00")
    watched.start(seen.take)
    yield watched
    watched.stop()


def unread(seen: Sightings) -> str:
    """Why the card that comes next is not read."""
    sighting = seen.next()
    assert isinstance(sighting, CardUnread)
    assert sighting.reader == "gate"
    return sighting.why


@pytest.mark.feature("F06")
@pytest.mark.parametrize("serial", ["04A1B2C3", "04A1B2C3D4E5F6", "04A1B2C3D4E5F6070809"])
def test_a_card_is_named_by_its_serial_number(
    reader: PcscReader, card: VirtualCard, seen: Sightings, serial: str
) -> None:
    card.insert(bytes.fromhex(serial))
    assert seen.next() == CardSeen(CardId.parse(f"uid:{serial}"), "gate")
    assert reader.is_there


@pytest.mark.parametrize("length", [0, 3, 11])
def test_a_serial_number_no_card_has_is_told_with_its_length(
    reader: PcscReader, card: VirtualCard, seen: Sightings, length: int
) -> None:
    card.insert(bytes(range(1, length + 1)))
    assert unread(seen) == f"its serial number has {length} bytes, expected 4, 7 or 10"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("6300", "the reader could not read the card"),
        ("6A81", "the card has no serial number to read"),
        ("6D00", "the card answered 6D 00"),
    ],
)
def test_a_card_that_refuses_is_told_with_what_it_answered(
    reader: PcscReader, card: VirtualCard, seen: Sightings, status: str, why: str
) -> None:
    card.insert(b"", status=bytes.fromhex(status))
    assert unread(seen) == why


@pytest.mark.parametrize("pulled", [Pulled.AFTER_ATR, Pulled.BEFORE_ANSWER, Pulled.MID_ANSWER])
def test_a_card_pulled_while_it_is_read_is_unread_and_the_next_one_works(
    reader: PcscReader, card: VirtualCard, seen: Sightings, pulled: Pulled
) -> None:
    card.insert(UID, pulled=pulled)
    assert unread(seen) in {"the card was taken away", "the card does not answer"}
    card.remove()
    FieldWatcher(PORT).wait_until_empty()
    card.insert(UID)
    assert seen.next() == CardSeen(CARD, "gate")


def test_a_card_that_stays_is_said_once(reader: PcscReader, card: VirtualCard, seen: Sightings) -> None:
    card.insert(UID)
    assert seen.next() == CardSeen(CARD, "gate")
    card.remove()
    FieldWatcher(PORT).wait_until_empty()
    card.insert(bytes.fromhex("11223344"))
    assert seen.next() == CardSeen(CardId.parse("uid:11223344"), "gate")


@pytest.mark.feature("F09")
def test_a_reader_unplugged_is_lost_and_is_back_within_five_seconds_of_its_return(
    pcscd: VirtualReader, reader: PcscReader, card: VirtualCard, seen: Sightings
) -> None:
    card.insert(UID)
    seen.next()
    card.remove()
    pcscd.unplug(PORT)
    lost = seen.next()
    assert isinstance(lost, ReaderLost)
    assert not reader.is_there
    pcscd.plug(PORT)
    back_again(reader, card, seen)


@pytest.mark.feature("F09")
@pytest.mark.parametrize("crashes", [False, True])
def test_taps_go_on_within_five_seconds_after_pcscd_was_restarted(
    pcscd: VirtualReader, reader: PcscReader, card: VirtualCard, seen: Sightings, crashes: bool
) -> None:
    card.insert(UID)
    seen.next()
    if crashes:
        pcscd.kill()
    else:
        pcscd.stop()
    lost = seen.next()
    assert isinstance(lost, ReaderLost)
    assert not reader.is_there
    pcscd.start()
    back_again(reader, card, seen)


def test_a_card_that_lies_on_the_reader_while_pcscd_is_restarted_does_not_count_again(
    pcscd: VirtualReader, reader: PcscReader, card: VirtualCard, seen: Sightings
) -> None:
    card.insert(UID)
    assert seen.next() == CardSeen(CARD, "gate")
    pcscd.kill()
    assert isinstance(seen.next(), ReaderLost)
    pcscd.start()
    card.insert(UID)
    assert seen.next() == ReaderBack("gate")
    others = Sightings()
    other = PcscReader("other", reader_name(PORT))
    other.start(others.take)
    assert others.next() == CardSeen(CARD, "other")
    other.stop()
    reader.stop()
    assert seen.is_empty


def back_again(reader: PcscReader, card: VirtualCard, seen: Sightings) -> None:
    """The reader reports its return within five seconds, and a card is read."""
    began = time.monotonic()
    assert seen.next() == ReaderBack("gate")
    card.insert(bytes.fromhex("11223344"))
    assert seen.next() == CardSeen(CardId.parse("uid:11223344"), "gate")
    assert time.monotonic() - began < 5
    assert reader.is_there


def test_a_reader_that_is_missing_at_the_start_is_told_by_the_name_it_was_looked_for(
    pcscd: VirtualReader, seen: Sightings
) -> None:
    absent = PcscReader("gate", "No Such Reader")
    absent.start(seen.take)
    assert seen.next() == ReaderLost("gate", "pcscd knows no reader called 'No Such Reader'")
    absent.stop()
    assert seen.is_empty


def test_fifty_insertions_leave_no_thread_and_no_file_open(pcscd: VirtualReader) -> None:
    """Four readers beside each other, thirteen cards each: pcscd looks for a card only every 400 ms."""
    places = [(port, slot) for port in PORTS for slot in (0, 1)]
    before = threads_and_files()
    seen = {place: Sightings() for place in places}
    readers = [PcscReader(f"{port}.{slot}", FieldWatcher(port, slot).name) for port, slot in places]
    for reader, place in zip(readers, places, strict=True):
        reader.start(seen[place].take)
    cards = {place: VirtualCard(place[0] + place[1]) for place in places}
    held: list[tuple[int, int]] = []
    for _ in range(50 // len(places) + 1):
        for place in places:
            cards[place].insert(UID)
        for place in places:
            assert isinstance(seen[place].next(), CardSeen)
            cards[place].remove()
        for place in places:
            FieldWatcher(*place).wait_until_empty()
        held.append(threads_and_files())
    assert held[-1] == held[0]
    for reader in readers:
        reader.stop()
    assert threads_and_files() == before


def threads_and_files() -> tuple[int, int]:
    """How many of each this process has."""
    return threading.active_count(), len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


def test_nothing_is_reported_after_the_stop(pcscd: VirtualReader, card: VirtualCard, seen: Sightings) -> None:
    reported: list[Sighting] = []
    reader = PcscReader("gate", f"{reader_name(PORT)} 00 00")
    reader.start(reported.append)
    reader.stop()
    before = len(reported)
    card.insert(UID)
    other = PcscReader("other", f"{reader_name(PORT)} 00 00")
    other.start(seen.take)
    assert seen.next() == CardSeen(CARD, "other")
    other.stop()
    assert len(reported) == before
    assert not reader.is_there
