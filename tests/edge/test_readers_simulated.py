"""A simulated reader reports what a real one would: cards, hasty hands, and that somebody pulled its plug."""

import pytest

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, Sighting
from edge.readers.simulated import ReaderAct, SimulatedReader
from tests.support.gate import ANNA


@pytest.fixture
def seen() -> list[Sighting]:
    return []


@pytest.fixture
def reader(seen: list[Sighting]) -> SimulatedReader:
    started = SimulatedReader("both")
    started.start(seen.append)
    return started


def test_an_unplugged_reader_is_lost_sees_nothing_and_comes_back(reader: SimulatedReader, seen: list[Sighting]) -> None:
    there = []
    for act in (ReaderAct.UNPLUG, ReaderAct.UNPLUG, ReaderAct.HURRY, ReaderAct.PLUG, ReaderAct.PLUG):
        reader.act(act)
        reader.tap(ANNA)
        there.append(reader.is_there)
    assert there == [False, False, False, True, True]
    assert [type(each) for each in seen] == [ReaderLost, ReaderBack, CardSeen, CardSeen]


def test_a_card_that_is_taken_away_too_soon_is_unread(reader: SimulatedReader, seen: list[Sighting]) -> None:
    reader.act(ReaderAct.HURRY)
    assert seen == [CardUnread("both", "the card was taken away")]


def test_a_reader_that_is_stopped_reports_nothing(reader: SimulatedReader, seen: list[Sighting]) -> None:
    reader.stop()
    for act in ReaderAct:
        reader.act(act)
    reader.tap(ANNA)
    assert seen == []
    assert not reader.is_there
