"""The serial reader over a pty: whatever the line does, cards are named once, and a lost port comes back."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost
from edge.readers.serial import SerialReader
from edge.readers.simulated import SerialSimulator, SimulatedReader
from protocol.cards import CardId
from tests.support.sightings import Sightings

TAG = bytes.fromhex("0102030405")
SEEN = CardSeen(CardId.parse("em:0102030405"), "gate")
OTHER = CardSeen(CardId.parse("uid:04A1B2C3"), "gate")


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "reader"


@pytest.fixture
def line(link: Path) -> Iterator[SerialSimulator]:
    simulator = SerialSimulator(link)
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


@pytest.fixture
def reader(link: Path, line: SerialSimulator, seen: Sightings) -> Iterator[SerialReader]:
    """Started, and listening: what came before it opened the port would be thrown away."""
    line.unplug()
    watched = SerialReader("gate", str(link))
    watched.start(seen.take)
    assert isinstance(seen.next(), ReaderLost)
    line.plug()
    assert seen.next() == ReaderBack("gate")
    yield watched
    watched.stop()


def test_a_tag_that_stays_is_one_sighting(reader: SerialReader, line: SerialSimulator, seen: Sightings) -> None:
    line.tap(TAG, stay=1.0)
    line.tap(bytes.fromhex("04A1B2C3"), stay=0.1)
    assert [seen.next(), seen.next()] == [SEEN, OTHER]
    assert reader.is_there


def test_a_frame_that_comes_byte_by_byte_is_read(reader: SerialReader, line: SerialSimulator, seen: Sightings) -> None:
    for byte in b"0102030405\r\n":
        line.send(bytes([byte]))
    assert seen.next() == SEEN


def test_frames_joined_with_noise_between_are_all_read(
    reader: SerialReader, line: SerialSimulator, seen: Sightings
) -> None:
    line.send(b"\xff\x00junk\r\n0102030405\r\n04A1B2C3\r\n")
    assert seen.next() == CardUnread("gate", "not only hexadecimal digits")
    assert [seen.next(), seen.next()] == [SEEN, OTHER]


def test_a_flood_without_an_end_is_told_once_and_a_card_after_it_is_read(
    reader: SerialReader, line: SerialSimulator, seen: Sightings
) -> None:
    noise = random.Random(29)
    for _ in range(20):
        line.send(bytes(noise.choices(b"0123456789ABCDEF", k=200)))
    line.send(b"\n0102030405\n")
    told = seen.until(lambda sighting: sighting == SEEN)
    assert told in (
        [CardUnread("gate", "the line is too long"), SEEN],
        [CardUnread("gate", "the line broke off"), SEEN],
    )


def test_a_frame_broken_off_by_silence_is_told_and_does_not_spoil_the_next(
    reader: SerialReader, line: SerialSimulator, seen: Sightings
) -> None:
    line.send(b"0102")
    assert seen.next() == CardUnread("gate", "the line broke off")
    line.send(b"04A1B2C3\n")
    assert seen.next() == OTHER


def test_a_reader_unplugged_in_the_middle_of_a_frame_is_lost_and_comes_back_under_the_same_path(
    reader: SerialReader, line: SerialSimulator, seen: Sightings
) -> None:
    line.send(b"010203")
    line.unplug()
    lost = seen.until(lambda sighting: isinstance(sighting, ReaderLost))[-1]
    assert isinstance(lost, ReaderLost)
    assert lost.why
    assert not reader.is_there
    line.plug()
    assert seen.next() == ReaderBack("gate")
    line.send(b"0102030405\n")
    assert seen.next() == SEEN
    assert reader.is_there


def test_a_port_that_is_missing_is_told_in_words(link: Path, seen: Sightings) -> None:
    reader = SerialReader("gate", str(link))
    reader.start(seen.take)
    lost = seen.next()
    reader.stop()
    assert isinstance(lost, ReaderLost)
    assert "No such file or directory" in lost.why


def test_a_port_that_another_program_reads_is_not_shared(
    reader: SerialReader, link: Path, line: SerialSimulator, seen: Sightings
) -> None:
    """Otherwise each would get half of the frames."""
    others = Sightings()
    second = SerialReader("second", str(link))
    second.start(others.take)
    lost = others.next()
    second.stop()
    assert isinstance(lost, ReaderLost)
    line.send(b"0102030405\n")
    assert seen.next() == SEEN


def test_what_was_sent_before_anybody_listened_is_no_tap(link: Path, line: SerialSimulator, seen: Sightings) -> None:
    line.send(b"0102030405\n")
    reader = SerialReader("gate", str(link))
    reader.start(seen.take)
    while seen.is_empty:
        line.send(b"04A1B2C3\n")
    assert seen.next() == OTHER
    reader.stop()


def test_twenty_reconnections_leave_no_file_open(
    reader: SerialReader, line: SerialSimulator, seen: Sightings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.readers.watching.RETRY", 0.01)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        line.unplug()
        seen.until(lambda sighting: isinstance(sighting, ReaderLost))
        line.plug()
        seen.until(lambda sighting: isinstance(sighting, ReaderBack))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_simulator_runs_as_a_program_of_its_own(link: Path, seen: Sightings) -> None:
    command = [sys.executable, "-m", "edge.readers.simulated", "--link", str(link)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        reader = SerialReader("gate", str(link))
        reader.start(seen.take)
        while seen.is_empty:
            program.stdin.write("tap 0102030405 0.2\n")
            program.stdin.flush()
        assert seen.next() == SEEN
        program.terminate()
        assert isinstance(seen.next(), ReaderLost)
        reader.stop()


def test_a_simulated_reader_reports_what_is_tapped_between_start_and_stop(seen: Sightings) -> None:
    reader = SimulatedReader("gate")
    there = [reader.is_there]
    reader.tap(SEEN.card)
    reader.start(seen.take)
    there.append(reader.is_there)
    reader.tap(SEEN.card)
    reader.stop()
    there.append(reader.is_there)
    reader.tap(SEEN.card)
    assert there == [False, True, False]
    assert seen.next() == SEEN
    assert seen.is_empty
