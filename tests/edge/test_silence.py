"""How long the cloud has been silent is known after any reboot, whatever the clock shows."""

import asyncio
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tables.silence import COUNT_EVERY, Silence, keep_count
from edge.tables.tables import Tables
from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.messages import TableChange
from protocol.tables import Table
from tests.support.changes import binding, binding_row, change
from tests.support.gate import NOON, TERMINAL, HandClock

HOUR = 3600 * MICROSECONDS
TRUSTED, UNTRUSTED = ClockQuality.SYNCHRONISED, ClockQuality.UNTRUSTED
IN_1970 = 60 * MICROSECONDS


def reading(utc: int, quality: ClockQuality, boot: int, age: int) -> ClockReading:
    """The clocks of a boot that is so many microseconds old."""
    return ClockReading(utc, quality, bytes([boot]) * 16, age * 1000)


HEARD = reading(NOON, TRUSTED, 1, 5 * HOUR)


@pytest.mark.parametrize(
    ("now", "lasts"),
    [
        (reading(NOON + 2 * HOUR, TRUSTED, 1, 7 * HOUR), 2 * HOUR),
        (reading(IN_1970, UNTRUSTED, 1, 7 * HOUR), 2 * HOUR),
        (reading(NOON + 999 * HOUR, TRUSTED, 1, 7 * HOUR), 2 * HOUR),  # a clock step within the boot moves nothing
        (reading(NOON + 72 * HOUR, TRUSTED, 2, HOUR), 72 * HOUR),
        (reading(IN_1970 + HOUR, UNTRUSTED, 2, HOUR), HOUR),  # the power was off for nobody knows how long
        (reading(NOON - 3 * HOUR, TRUSTED, 2, HOUR), HOUR),  # never less than this boot has lasted
    ],
)
def test_silence_is_measured_by_the_clock_that_can_tell(now: ClockReading, lasts: int) -> None:
    assert Silence.beginning(HEARD).lasts(now) == lasts


def test_what_was_counted_before_a_power_cut_is_not_forgotten() -> None:
    """A terminal cut off and power-cycled each day does not open its doors again."""
    silence = Silence.beginning(HEARD).until(reading(IN_1970, UNTRUSTED, 1, 25 * HOUR))
    for boot in range(2, 5):
        silence = silence.until(reading(IN_1970, UNTRUSTED, boot, 20 * HOUR))
    assert silence.lasts(reading(IN_1970, UNTRUSTED, 9, HOUR)) == (20 + 3 * 20 + 1) * HOUR
    assert silence.lasts(reading(NOON + 200 * HOUR, TRUSTED, 9, HOUR)) == 200 * HOUR


ages = st.integers(0, 10_000) | st.integers(0, 2**62)


@given(st.lists(st.tuples(st.integers(1, 3), ages, st.sampled_from(ClockQuality)), min_size=1, max_size=8), ages)
def test_counting_now_and_then_never_makes_it_shorter_within_a_boot(
    readings: list[tuple[int, int, ClockQuality]], more: int
) -> None:
    silence = Silence.beginning(HEARD)
    for boot, age, quality in readings:
        now = reading(NOON, quality, boot, age + 5 * HOUR)
        silence = silence.until(now)
        later = reading(NOON, quality, boot, age + 5 * HOUR + more)
        assert silence.lasts(later) >= silence.lasts(now)


def strict(minutes: int | None = 72 * 60) -> TableChange:
    """A binding whose doors expire."""
    row = binding_row(msgspec.structs.replace(binding(), doors_expire_after_offline=minutes))
    return change(Table.BINDING, TERMINAL, (0, 1), [row])


def test_the_tables_remember_it_over_a_reboot(tmp_path: Path) -> None:
    """Heard at noon, counted an hour later, then a reboot without a clock."""
    path, clock = tmp_path / "tables.db", HandClock()
    with closing(Tables.open(path)) as tables:
        assert tables.unheard_for(clock.read()) is None
        tables.apply(strict())
        tables.heard(clock.read())
        clock.pass_by(3600)
        tables.count_silence(clock.read())
    with closing(Tables.open(path)) as again:
        assert again.unheard_for(reading(IN_1970, UNTRUSTED, 7, HOUR)) == 2 * HOUR
        again.heard(reading(IN_1970, UNTRUSTED, 7, HOUR))
    with closing(Tables.open(path)) as heard:
        assert heard.unheard_for(reading(IN_1970, UNTRUSTED, 8, HOUR)) == HOUR


def test_a_cloud_that_is_heard_again_is_not_forgotten_by_a_power_cut_right_after(tmp_path: Path) -> None:
    """Else a long silence that is over would keep the doors shut after it."""
    path, clock = tmp_path / "tables.db", HandClock()
    with closing(Tables.open(path)) as tables:
        tables.apply(strict())
        tables.heard(clock.read())
        clock.pass_by(80 * 3600)
        tables.count_silence(clock.read())
        clock.pass_by(60)
        tables.heard(clock.read())
    with closing(Tables.open(path)) as again:
        assert again.unheard_for(reading(IN_1970, UNTRUSTED, 7, HOUR)) == HOUR


@pytest.mark.parametrize(("minutes", "most"), [(60, 7), (None, 1)])
def test_hearing_the_cloud_is_written_sparsely_and_only_where_doors_expire(
    tmp_path: Path, minutes: int | None, most: int
) -> None:
    """A card's wear counts: an hour of receipts, one each second."""
    clock = HandClock()
    with closing(Tables.open(tmp_path / "tables.db")) as tables:
        tables.apply(strict(minutes))
        before = tables._file.writer.total_changes
        for _ in range(3600):
            clock.pass_by(1)
            tables.heard(clock.read())
        assert 1 <= tables._file.writer.total_changes - before <= most


def test_it_is_counted_for_ever() -> None:
    counted: list[ClockReading] = []

    class Watched:
        def count_silence(self, now: ClockReading, /) -> None:
            counted.append(now)
            raise asyncio.CancelledError

    with suppress(asyncio.CancelledError):
        asyncio.run(keep_count(Watched(), HandClock()))
    assert [now.utc for now in counted] == [NOON]
    assert COUNT_EVERY <= 600
