"""Every change of a door is an entry, also what a ledger could not be told when it happened."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.doors.door import DoorState
from edge.doors.door_log import RECENT, DoorLog
from edge.doors.simulated_door import Act
from edge.errors import LedgerFault
from edge.ledger.ledger import Ledger
from protocol.entries import DoorChange
from tests.support.doorway import RELAY, Doorway, doorway
from tests.support.gate import TERMINAL, HandClock


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.db", TERMINAL, HandClock())) as opened:
        yield opened


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Doorway]:
    with doorway(tmp_path, RELAY) as made:
        yield made


def entries(ledger: Ledger) -> list[tuple[str, str, str]]:
    changes = [payload for _, payload in ledger.tail(1000) if isinstance(payload, DoorChange)]
    return [(change.door, change.state, change.cause) for change in changes]


def test_a_change_is_an_entry_and_wakes_the_link(ledger: Ledger) -> None:
    woken: list[None] = []
    log = DoorLog(HandClock(), ledger, lambda: woken.append(None))
    log.note("gate", DoorState.UNLOCKED, "tap 7")
    assert (entries(ledger), len(woken)) == ([("gate", "unlocked", "tap 7")], 1)


@pytest.mark.parametrize("left", [DoorState.UNLOCKED, DoorState.JAMMED, DoorState.FORCED])
def test_a_door_that_was_left_otherwise_is_written_down_as_it_is_found(
    ledger: Ledger, way: Doorway, left: DoorState
) -> None:
    DoorLog(HandClock(), ledger).note("gate", left, "before")
    DoorLog(HandClock()).begin(ledger, lambda: None, {"gate": way.door})
    assert entries(ledger)[1:] == [("gate", "locked", "started")]


def test_nothing_is_written_where_nothing_changed(ledger: Ledger, way: Doorway) -> None:
    DoorLog(HandClock()).begin(ledger, lambda: None, {"gate": way.door})
    DoorLog(HandClock(), ledger).note("gate", DoorState.LOCKED, "closed")
    DoorLog(HandClock()).begin(ledger, lambda: None, {"gate": way.door})
    assert entries(ledger) == [("gate", "locked", "closed")]


def test_what_happened_before_there_was_a_ledger_is_written_down_as_it_then_is(ledger: Ledger, way: Doorway) -> None:
    log = DoorLog(HandClock())
    log.note("gate", DoorState.FORCED, "forced")
    way.act(Act.FORCE)
    log.begin(ledger, lambda: None, {"gate": way.door})
    log.note("gate", DoorState.LOCKED, "closed")
    assert entries(ledger) == [("gate", "forced", "started"), ("gate", "locked", "closed")]


def test_the_look_back_is_bounded(ledger: Ledger, way: Doorway) -> None:
    log = DoorLog(HandClock(), ledger)
    log.note("gate", DoorState.UNLOCKED, "tap 7")
    for _ in range(RECENT):
        log.note("other", DoorState.LOCKED, "closed")
    DoorLog(HandClock()).begin(ledger, lambda: None, {"gate": way.door})
    assert ("gate", "locked", "started") not in entries(ledger)


def test_a_ledger_that_fails_takes_nothing_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> int:
        raise LedgerFault("full")

    monkeypatch.setattr(ledger, "append", full)
    woken: list[None] = []
    DoorLog(HandClock(), ledger, lambda: woken.append(None)).note("gate", DoorState.UNLOCKED, "tap 7")
    assert woken == []
