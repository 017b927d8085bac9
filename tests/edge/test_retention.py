"""What the cloud has may go when its time is over and room is wanted; nothing else ever goes, whatever a clock says."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ledger.ledger import Ledger
from edge.ledger.retention import BATCH, DAY, Retention, room
from protocol.clock import ClockQuality, ClockReading
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import NOON, TERMINAL, HandClock

SYNCHRONISED = ClockQuality.SYNCHRONISED


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    clock = HandClock(NOON)
    with closing(Ledger.open(tmp_path / "ledger.db", TERMINAL, clock)) as found:
        yield found


def now(days: float, quality: ClockQuality = SYNCHRONISED) -> ClockReading:
    """The clock so many days after noon."""
    return ClockReading(NOON + int(days * DAY), quality, b"b" * 16, 0)


def receipted(ledger: Ledger, upto: int) -> None:
    """The cloud has it, and that is saved."""
    assert ledger.note_receipt(Receipt(VERSION, ledger.id, upto, ledger.hash_at(upto)))
    ledger.save_receipt()


def kept(ledger: Ledger) -> list[int]:
    """The numbers whose payload is there."""
    return [seq for (seq,) in ledger._execute("SELECT seq FROM payload ORDER BY seq")]


def fill(ledger: Ledger, count: int, day: float = 0, quality: ClockQuality = SYNCHRONISED) -> None:
    """So many taps on a day."""
    for number in range(count):
        ledger.append(tap(number, at=NOON + int(day * DAY), quality=quality))


def demanding(ledger: Ledger, capacity: int = 0) -> Retention:
    """One that has room for so many, and keeps for 90 days."""
    return Retention(ledger.path, 90, capacity, 0)


def test_what_the_cloud_has_goes_after_its_time_and_the_chain_still_holds(ledger: Ledger) -> None:
    fill(ledger, 300)
    receipted(ledger, 250)
    retention = demanding(ledger)
    assert retention.purge_some(now(91)) == BATCH
    assert retention.purge_some(now(91)) == 250 - BATCH
    assert retention.purge_some(now(91)) == 0
    assert kept(ledger) == list(range(251, 303))
    verified = ledger.verify(lambda _done, _every: None)
    assert (verified.entries, verified.purged, verified.last_hash) == (302, 250, ledger.last_hash)


def test_nothing_goes_while_there_is_room(ledger: Ledger) -> None:
    fill(ledger, 100)
    receipted(ledger, 102)
    assert demanding(ledger, capacity=102).purge_some(now(900)) == 0
    assert demanding(ledger, capacity=92).purge_some(now(900)) == 10
    assert kept(ledger)[0] == 11


def test_a_nearly_full_disk_demands_it_too(ledger: Ledger) -> None:
    fill(ledger, 100)
    receipted(ledger, 102)
    assert Retention(ledger.path, 90, 5_000_000, 1 << 60).purge_some(now(91)) == 102


def test_without_a_receipt_nothing_goes_however_old(ledger: Ledger) -> None:
    """Pitfall 6: not even where everything is full."""
    fill(ledger, 50)
    assert Retention(ledger.path, 1, 0, 1 << 60).purge_some(now(9000)) == 0
    assert len(kept(ledger)) == 52


@pytest.mark.parametrize("days", [89.9, 0.0, -4000.0])
def test_what_is_young_stays(ledger: Ledger, days: float) -> None:
    fill(ledger, 50)
    receipted(ledger, 52)
    assert demanding(ledger).purge_some(now(days)) == 0


def test_an_untrusted_clock_judges_nothing(ledger: Ledger) -> None:
    """Pitfall 6: a terminal that boots in 2099 keeps everything."""
    fill(ledger, 50)
    receipted(ledger, 52)
    assert demanding(ledger).purge_some(now(27_000, ClockQuality.UNTRUSTED)) == 0
    assert demanding(ledger).purge_some(now(91, ClockQuality.HELD)) == 52


def test_an_entry_of_an_untrusted_clock_is_as_old_as_what_followed_it(ledger: Ledger) -> None:
    """It says 1970, and was recorded between the trusted ones before and after it."""
    fill(ledger, 10, day=0)
    fill(ledger, 10, day=-20_000, quality=ClockQuality.UNTRUSTED)
    fill(ledger, 10, day=60)
    receipted(ledger, ledger.last_seq)
    assert demanding(ledger).purge_some(now(91)) == 12, "those before the untrusted, and not more"
    assert demanding(ledger).purge_some(now(151)) == 20


@settings(max_examples=30, deadline=None)
@given(
    days=st.lists(st.tuples(st.integers(0, 200), st.sampled_from(list(ClockQuality))), max_size=40),
    upto=st.integers(0, 42),
    today=st.integers(0, 400),
    capacity=st.integers(0, 60),
)
def test_what_goes_always_had_a_receipt_and_its_time(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[tuple[int, ClockQuality]],
    upto: int,
    today: int,
    capacity: int,
) -> None:
    folder = tmp_path_factory.mktemp("retention")
    with closing(Ledger.open(folder / "ledger.db", TERMINAL, HandClock(NOON))) as ledger:
        for number, (day, quality) in enumerate(sorted(days, key=lambda each: each[0])):
            ledger.append(tap(number, at=NOON + day * DAY, quality=quality))
        receipted(ledger, min(upto, ledger.last_seq))
        registered = dict.fromkeys((1, 2), 0) | {
            seq: day for seq, (day, _) in enumerate(sorted(days, key=lambda each: each[0]), 3)
        }
        while demanding(ledger, capacity).purge_some(now(today)):
            pass
        gone = registered.keys() - set(kept(ledger))
        assert all(seq <= ledger.receipted for seq in gone)
        assert all(registered[seq] + 90 <= today for seq in gone)
        assert len(registered) - len(gone) >= min(capacity, len(registered))
        assert ledger.verify(lambda _done, _every: None).entries == ledger.last_seq


def test_a_file_that_is_emptied_as_it_fills_stays_as_large_as_it_is(ledger: Ledger) -> None:
    """Pitfall 5: freed pages are used again. Only the chain grows, by the bytes of a digest and a hash."""
    retention = demanding(ledger, capacity=500)
    sizes = []
    for turn in range(12):
        fill(ledger, 500, day=turn)
        receipted(ledger, ledger.last_seq)
        while retention.purge_some(now(turn + 100)):
            pass
        ledger._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes.append(ledger.path.stat().st_size)
    a_turn_of_links = 500 * 90
    assert sizes[-1] - sizes[3] < 8 * a_turn_of_links * 1.3
    assert len(kept(ledger)) <= 500 + BATCH


def test_a_purge_costs_no_tap(ledger: Ledger) -> None:
    """Pitfall 8: both write to one file, and nobody is told that it is locked."""
    fill(ledger, 3000)
    receipted(ledger, ledger.last_seq)
    done = threading.Event()

    def purge() -> None:
        while demanding(ledger).purge_some(now(91)):
            pass
        done.set()

    thread = threading.Thread(target=purge)
    thread.start()
    taps = 0
    while not done.is_set() or not taps:
        ledger.append(tap(taps))
        taps += 1
    thread.join()
    assert ledger.failures == 0
    assert kept(ledger)[-1] == ledger.last_seq


def test_the_room_in_use_is_told(ledger: Ledger) -> None:
    fill(ledger, 98)
    receipted(ledger, 50)
    assert room(ledger.path, capacity=1000).percent == 10.0
    while demanding(ledger).purge_some(now(91)):
        pass
    used = room(ledger.path, capacity=40)
    assert (used.entries, used.percent, used.is_short) == (50, 125.0, True)
    assert used.free > 0


def test_purging_reads_a_ledger_that_others_read(ledger: Ledger) -> None:
    fill(ledger, 300)
    receipted(ledger, 300)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        (before,) = reader.execute("SELECT count(*) FROM payload").fetchone()
        assert demanding(ledger).purge_some(now(91)) == BATCH
        assert reader.execute("SELECT count(*) FROM payload").fetchone() == (before,)
