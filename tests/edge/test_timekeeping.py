"""What is known of the right time outlives a start, and when time arrives a fact says so, once."""

import asyncio
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec
import pytest
from structlog.testing import capture_logs

from edge.clock.clock import SystemClock, boot_id
from edge.clock.timekeeping import Timekeeping, newest_trusted, remembered
from edge.clock.trust import FIRST_POSSIBLE, Trust
from edge.errors import LedgerUnusable
from edge.events import Event
from edge.ledger.ledger import Ledger
from edge.signals.patterns import Pattern
from protocol.clock import ClockQuality
from protocol.entries import Fact, Payload
from protocol.errors import TerminalId
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock
from tests.support.waiting import until_async

TERMINAL: Final = TerminalId("gate-1")
SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
UNTRUSTED: Final = ClockQuality.UNTRUSTED


def at_boot(now: int, *, quality: ClockQuality = ClockQuality.SYNCHRONISED, boot: bytes | None = None) -> Payload:
    """A tap one second after the boot that goes on, or another one."""
    return msgspec.structs.replace(tap(1, at=now, quality=quality), boot_id=boot or boot_id())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def recorded(path: Path, *payloads: Payload) -> None:
    """A ledger that was begun by an untrusted clock and got these."""
    clock = HandClock(0)
    clock.quality = UNTRUSTED
    with closing(Ledger.open(path, TERMINAL, clock)) as ledger:
        for payload in payloads:
            ledger.append(payload)


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_nothing_is_known_before_the_first_start(path: Path) -> None:
    assert remembered(path, boot_id(), battery=True, certified=None) == Trust(True, FIRST_POSSIBLE, None)
    assert not path.exists(), "looking makes no file"


def test_looking_makes_no_write_ahead_log_where_one_is_lost(path: Path) -> None:
    """Else the start, which looks for it next, would take an empty one for the lost one."""
    recorded(path, tap(1, at=NOON))
    assert remembered(path, boot_id(), battery=False, certified=None).floor == NOON
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_looking_keeps_the_log_of_an_empty_file(path: Path) -> None:
    """SQLite throws it away at the first look, also where it only reads; the start salvages what it has."""
    path.touch()
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"entries")
    assert newest_trusted(path) is None
    assert log.read_bytes() == b"entries"


@pytest.mark.feature("F16")
def test_the_floor_is_the_newest_trusted_entry_however_many_untrusted_ones_follow(path: Path) -> None:
    later = [tap(number, at=4 * HOUR, quality=UNTRUSTED) for number in range(300)]
    recorded(path, tap(1, at=NOON + HOUR), tap(2, at=NOON), *later)
    assert remembered(path, boot_id(), battery=False, certified=None) == Trust(False, NOON, None)


@pytest.mark.parametrize(("certified", "floor"), [(NOON - HOUR, NOON), (NOON + HOUR, NOON + HOUR)])
def test_the_terminals_own_certificate_raises_the_floor(path: Path, certified: int, floor: int) -> None:
    recorded(path, tap(1, at=NOON))
    assert remembered(path, boot_id(), battery=False, certified=certified).floor == floor


@pytest.mark.feature("F16")
def test_that_the_clock_was_right_in_this_boot_outlives_the_daemon(path: Path) -> None:
    recorded(path, at_boot(NOON))
    assert remembered(path, boot_id(), battery=False, certified=None) == Trust(False, NOON, NOON - SECOND)


def test_that_it_was_right_in_another_boot_says_nothing_of_this_one(path: Path) -> None:
    recorded(path, at_boot(NOON, boot=b"other boot" + bytes(6)))
    assert remembered(path, boot_id(), battery=False, certified=None).began_at is None


def test_a_restarted_daemon_goes_on_trusting_the_machines_clock(path: Path) -> None:
    """With the real clock: once right, it is held over a restart without any battery."""
    with closing(Ledger.open(path, TERMINAL, SystemClock(Trust(battery=True)))):
        pass
    clock = SystemClock(remembered(path, boot_id(), battery=False, certified=None))
    assert clock.read().quality is not UNTRUSTED
    assert SystemClock(Trust()).read().quality in {UNTRUSTED, ClockQuality.SYNCHRONISED}


@pytest.mark.parametrize("damaged", [b"", b"SQLite format 3\0", b"no ledger at all" * 500])
def test_a_damaged_file_is_left_to_whoever_opens_it_for_good(path: Path, damaged: bytes) -> None:
    path.write_bytes(damaged)
    assert newest_trusted(path) is None
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("ended", ["in order", "killed", "killed, and its log lost"])
def test_looking_changes_no_file(path: Path, tmp_path: Path, ended: str) -> None:
    """Whether a log is there tells the start in what state the ledger was left."""
    left, clock = tmp_path / "left", HandClock()
    left.mkdir()
    with closing(Ledger.open(path, TERMINAL, clock)) as ledger:
        ledger.append(tap(1, at=NOON + HOUR))
        if ended != "in order":
            copy_files(path, left)
    if ended == "in order":
        copy_files(path, left)
    if ended.endswith("lost"):
        (left / "ledger.db-wal").unlink()
    before = contents(left)
    newest = newest_trusted(left / "ledger.db")
    assert contents(left) == before
    if not ended.endswith("lost"):
        assert newest is not None
        assert newest.registered_at == NOON + HOUR


def contents(folder: Path) -> dict[str, bytes]:
    """The files there, but for the memory that connections share, which each opening makes anew."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def copy_files(path: Path, folder: Path) -> None:
    """The ledger and its log as they are at this moment; what SQLite keeps in memory is gone with the power."""
    for name in (path.name, f"{path.name}-wal"):
        if (path.parent / name).exists():
            (folder / name).write_bytes((path.parent / name).read_bytes())


def test_entries_of_a_later_version_are_passed_over(path: Path) -> None:
    recorded(path, tap(1, at=NOON), msgspec.structs.replace(tap(2, at=NOON + HOUR), version=2))
    assert remembered(path, boot_id(), battery=False, certified=None).floor == NOON


# --- when time arrives ------------------------------------------------------------------------------------------------


class Kept:
    """A watch over a clock moved by hand, and what it said, wrote and lit."""

    def __init__(self) -> None:
        self.clock = HandClock(30 * SECOND)
        self.clock.quality = UNTRUSTED
        self.written: list[Fact] = []
        self.held: list[tuple[Pattern, bool]] = []
        self.woken = 0
        self.disk_is_full = False
        self.timekeeping = Timekeeping(self.clock, self, lambda *held: self.held.append(held), self.wake)

    def append(self, payload: Payload) -> int:
        """Record it, where there is room."""
        if self.disk_is_full:
            raise LedgerUnusable(Path("ledger.db"), "disk full")
        assert isinstance(payload, Fact)
        self.written.append(payload)
        return len(self.written)

    def wake(self) -> None:
        """Something waits to be sent."""
        self.woken += 1

    def look(self, quality: ClockQuality, step: int = 0) -> list[str]:
        """Let a second pass and the clock be set by `step` microseconds; what is logged."""
        self.clock.pass_by(1)
        self.clock.utc += step
        self.clock.quality = quality
        with capture_logs() as lines:
            self.timekeeping.look()
        return [line["event"] for line in lines]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.mark.feature("F16")
def test_the_first_synchronised_look_of_a_boot_writes_when_it_began(kept: Kept) -> None:
    assert kept.look(UNTRUSTED) == [Event.CLOCK_DOUBTED]
    assert kept.look(ClockQuality.SYNCHRONISED, NOON) == [Event.CLOCK_TRUSTED, Event.CLOCK_SET]
    (fact,) = kept.written
    assert (fact.subject, fact.clock_quality, fact.occurred_at) == ("clock.set", "synchronised", kept.clock.utc)
    began_at = kept.clock.utc - kept.clock.monotonic // 1000
    assert fact.details == {"boot": (b"b" * 16).hex(), "began_at": str(began_at), "quality": "synchronised"}
    assert kept.woken == 1
    assert all(kept.look(ClockQuality.SYNCHRONISED) == [] for _ in range(100)), "once is enough"
    assert len(kept.written) == 1


@pytest.mark.feature("F16")
@pytest.mark.parametrize(("step", "facts"), [(SECOND, 1), (-SECOND, 1), (SECOND + 1, 2), (-SECOND - 1, 2), (HOUR, 2)])
def test_a_step_of_more_than_a_second_is_written_down(kept: Kept, step: int, facts: int) -> None:
    kept.look(ClockQuality.SYNCHRONISED, NOON)
    kept.look(ClockQuality.SYNCHRONISED, step)
    kept.look(ClockQuality.SYNCHRONISED)
    assert len(kept.written) == facts
    began = [int(fact.details["began_at"]) for fact in kept.written]
    assert began[-1] - began[0] == (step if facts == 2 else 0)


def test_small_steps_that_add_up_are_written_down_too(kept: Kept) -> None:
    kept.look(ClockQuality.SYNCHRONISED, NOON)
    for _ in range(3):
        kept.look(ClockQuality.SYNCHRONISED, SECOND * 6 // 10)
    assert len(kept.written) == 2


def test_a_clock_that_is_only_held_vouches_for_no_repair(kept: Kept) -> None:
    assert kept.look(ClockQuality.HELD, NOON) == [Event.CLOCK_TRUSTED]
    assert kept.written == []


def test_the_light_is_held_while_the_clock_is_untrusted_and_only_then(kept: Kept) -> None:
    for quality in (UNTRUSTED, UNTRUSTED, ClockQuality.HELD, ClockQuality.SYNCHRONISED, UNTRUSTED):
        kept.look(quality)
    assert kept.held == [
        (Pattern.CLOCK_UNTRUSTED, True),
        (Pattern.CLOCK_UNTRUSTED, False),
        (Pattern.CLOCK_UNTRUSTED, True),
    ]


def test_a_fact_that_cannot_be_recorded_is_tried_again(kept: Kept) -> None:
    kept.disk_is_full = True
    assert kept.look(ClockQuality.SYNCHRONISED, NOON) == [Event.CLOCK_TRUSTED, Event.LEDGER_FAILED]
    assert kept.look(ClockQuality.SYNCHRONISED) == [Event.LEDGER_FAILED]
    kept.disk_is_full = False
    assert kept.look(ClockQuality.SYNCHRONISED) == [Event.CLOCK_SET]
    assert (len(kept.written), kept.woken) == (1, 1)


def test_it_goes_on_looking(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.clock.timekeeping.LOOK_EVERY", 0.01)

    async def tell() -> None:
        task = asyncio.create_task(kept.timekeeping.run())
        await until_async(lambda: kept.held, what="the first look")
        kept.clock.quality = ClockQuality.SYNCHRONISED
        kept.clock.utc = NOON
        await until_async(lambda: kept.written, what="a later look")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(tell())
