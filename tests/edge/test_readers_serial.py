"""The serial reader over a pty: whatever the line does, cards are named once, and a lost port comes back."""

import random
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost
from edge.readers.serial.profiles import Profile, frames_of, spoken
from edge.readers.serial.serial import SerialReader
from edge.readers.simulated import SerialSimulator, SimulatedReader
from protocol.cards import CardId
from tests.support.sightings import Sightings
from tests.support.waiting import until

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


@pytest.mark.feature("F07")
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("profile", list(Profile))
def test_every_profile_is_read_from_a_port_with_the_bytes_as_they_came(
    tmp_path: Path, seen: Sightings, profile: Profile, is_reversed: bool
) -> None:
    simulator = SerialSimulator(tmp_path / "port", profile, is_reversed=is_reversed)
    simulator.start()
    reader = SerialReader("gate", str(tmp_path / "port"), partial(frames_of, profile, is_reversed=is_reversed))
    reader.start(seen.take)
    until(lambda: reader.is_there)
    simulator.tap(TAG, stay=0.5)
    found = seen.next()
    reader.stop()
    simulator.stop()
    assert found == SEEN
    assert isinstance(found, CardSeen)
    assert found.raw.rstrip(b"\r\n") == spoken(profile, TAG, is_reversed=is_reversed).rstrip(b"\r\n")
    assert found.took > 0


@pytest.mark.parametrize("sent", [bytes.fromhex("0102F8E0FF80"), b"\x00\xf8\x00\xe0" * 3])
def test_a_reader_that_speaks_at_another_rate_is_unread_card_by_card(
    reader: SerialReader, line: SerialSimulator, seen: Sightings, sent: bytes
) -> None:
    """A pty takes any rate: these are bytes as a wrong one makes them."""
    line.send(sent)
    found = seen.next()
    assert found == CardUnread("gate", "the line broke off")
    assert isinstance(found, CardUnread)
    assert found.raw == sent
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
    assert lost.why == f"nothing is plugged in as {link}"


def test_a_port_that_another_program_reads_is_not_shared(
    reader: SerialReader, link: Path, line: SerialSimulator, seen: Sightings
) -> None:
    """Otherwise each would get half of the frames."""
    others = Sightings()
    second = SerialReader("second", str(link))
    second.start(others.take)
    lost = others.next()
    second.stop()
    assert lost == ReaderLost("second", f"another program reads {link}: `fuser -v {link}` names it")
    line.send(b"0102030405\n")
    assert seen.next() == SEEN


def test_a_port_that_two_processes_want_belongs_to_the_first(
    reader: SerialReader, link: Path, line: SerialSimulator, seen: Sightings
) -> None:
    """The first keeps it, whoever else asks: no frame is lost to the second."""
    script = f"import serial; serial.Serial({str(link)!r}, exclusive=True)"
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Resource temporarily unavailable" in second.stderr
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


@pytest.mark.parametrize("profile", list(Profile))
def test_the_simulator_runs_as_a_program_of_its_own(link: Path, seen: Sightings, profile: Profile) -> None:
    command = [sys.executable, "-m", "edge.readers.simulated", "--link", str(link), "--profile", profile, "--reversed"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        reader = SerialReader("gate", str(link), partial(frames_of, profile, is_reversed=True))
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
