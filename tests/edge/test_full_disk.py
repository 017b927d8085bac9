"""On a disk that is full or read-only a tap is green and durable, or the light says no; it passes by itself."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.errors import LedgerFault, LedgerUnusable
from edge.events import Event
from edge.ledger.aside import asides
from edge.ledger.inspection import LedgerInspection
from edge.ledger.ledger import Ledger
from edge.ledger.reserve import Reserve
from edge.ledger.start import close_ledger, open_ledger
from protocol.cards import CardId
from protocol.entries import Tap
from tests.support.entries import tap
from tests.support.gate import ANNA, TERMINAL, HandClock
from tests.support.small_disk import SmallDisk
from tests.support.terminal_process import TerminalProcess
from tests.support.waiting import until

KIB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", 8) as small:
        yield small


@pytest.fixture
def ledger(disk: SmallDisk) -> Iterator[Ledger]:
    found = open_ledger(disk.folder, TERMINAL, HandClock())
    yield found
    with suppress(LedgerFault):
        close_ledger(found)


def numbers(ledger: Ledger) -> list[int]:
    """What stands in the file, seen from outside."""
    with LedgerInspection(ledger.path) as inspection:
        assert inspection.verify(lambda _done, _every: None).entries == ledger.last_seq
        return [seq for seq, payload in inspection.tail(10_000) if isinstance(payload, Tap)]


def record_until_full(ledger: Ledger) -> list[int]:
    """Tap until an entry cannot be recorded."""
    recorded = []
    for number in range(20_000):
        try:
            recorded.append(ledger.append(tap(number)))
        except LedgerUnusable:
            return recorded
    raise AssertionError("the disk was never full")


@pytest.mark.feature("F19")
def test_every_number_given_on_a_disk_that_fills_up_is_on_it_and_it_goes_on_when_there_is_room(
    disk: SmallDisk, ledger: Ledger
) -> None:
    disk.fill(leave=64 * KIB)
    recorded = record_until_full(ledger)
    assert recorded
    for _ in range(3):
        with pytest.raises(LedgerUnusable, match="full"):
            ledger.append(tap(0))
    assert ledger.failures > 3
    assert numbers(ledger) == recorded
    disk.free()
    recorded += [ledger.append(tap(number)) for number in range(50)]
    assert ledger.failures == 0
    assert numbers(ledger) == recorded


@pytest.mark.feature("F19")
def test_the_reserve_keeps_registering_going_on_a_full_disk(disk: SmallDisk, ledger: Ledger) -> None:
    reserve = Reserve(disk.folder, 1024 * KIB)
    assert reserve.take()
    ledger.make_room = reserve.give_up
    disk.fill()
    with capture_logs() as lines:
        recorded = [ledger.append(tap(number)) for number in range(80)]
    assert ledger.is_short
    assert ledger.failures == 0
    assert not reserve.is_held
    assert [line["event"] for line in lines] == [Event.RESERVE_CHANGED]
    assert numbers(ledger) == recorded
    assert not reserve.take(), "there is no room for it yet"
    disk.free()
    assert reserve.take()


def test_a_reserve_is_not_taken_from_a_disk_that_has_little_more(disk: SmallDisk) -> None:
    assert not Reserve(disk.folder, 5 * KIB * KIB).take()
    assert list(disk.folder.glob("ledger.reserve*")) == []


def test_a_read_only_disk_is_said_and_passes(disk: SmallDisk, ledger: Ledger) -> None:
    """The daemon has its files open, so that the kernel's refusal is tried on one that opens them."""
    before = ledger.append(tap(1))
    close_ledger(ledger)
    disk.make_read_only(on=True)
    with pytest.raises(LedgerUnusable):
        open_ledger(disk.folder, TERMINAL, HandClock())
    disk.make_read_only(on=False)
    with closing(open_ledger(disk.folder, TERMINAL, HandClock())) as again:
        assert (again.id, again.last_seq) == (ledger.id, before + 1)
    assert asides(disk.folder) == []


# --- the real daemon --------------------------------------------------------------------------------------------------


def card(number: int) -> CardId:
    """One of many."""
    return CardId.parse(f"uid:04{number:012X}")


@pytest.mark.feature("F19")
def test_a_daemon_on_a_disk_that_fills_up_shows_green_or_the_fault_and_recovers_without_a_restart(
    tmp_path: Path,
) -> None:
    """Pitfall 3: nothing is dropped silently. Each tap is answered, by a number that is on disk or by the fault."""
    with SmallDisk(tmp_path / "state", 32) as disk, TerminalProcess(tmp_path) as terminal:
        terminal.bind()
        terminal.start()
        until((disk.folder / "ledger.reserve").exists, what="the reserve")
        pid = terminal.pid
        disk.fill()
        given: list[int] = []
        shown: set[str] = set()
        for number in range(12_000):
            answer = terminal.tap(card(number))
            shown.add(answer["shown"])
            if answer["seq"] is None:
                break
            given.append(answer["seq"])
            if number == 100:
                disk.fill()
        assert "ledger_fault" in shown, "the disk was never full"
        assert given
        assert len(given) > 100, "the reserve keeps it going"
        assert not (disk.folder / "ledger.reserve").exists()
        assert "ledger_fault" in [each["name"] for each in terminal.status()["conditions"]]
        disk.free()
        until(lambda: terminal.status()["lights"]["shown"] == "ready", 15, "the fault to pass by itself")
        given.append(terminal.tap(ANNA)["seq"])
        assert terminal.pid == pid
        terminal.stop()
        with LedgerInspection(disk.folder / "ledger.db") as inspection:
            inspection.verify(lambda _done, _every: None)
            stored = {seq for seq, payload in inspection.tail(50_000) if isinstance(payload, Tap)}
        assert stored >= set(given)
        assert "ledger.resumed" in [line["event"] for line in terminal.log]


@pytest.mark.feature("F19")
def test_a_daemon_that_starts_on_a_full_disk_says_so_and_begins_when_there_is_room(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "state", 2) as disk, TerminalProcess(tmp_path) as terminal:
        (disk.folder / "daemon.lock").touch()
        (disk.folder / "pins.log").touch()
        disk.fill(leave=8 * KIB)
        terminal.begin("--simulate")
        until(lambda: any(change.pin == "red" and change.level for change in terminal.pin_changes), what="red")
        assert not terminal.socket.exists()
        disk.free()
        until(terminal._answers, 20, "the daemon to begin")
        assert terminal.tap(ANNA)["seq"] is not None
        assert terminal.stop() == 0
        assert "ledger.failed" in [line["event"] for line in terminal.log]
