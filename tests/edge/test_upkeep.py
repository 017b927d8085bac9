"""Beside the taps a damaged ledger is read, the one in use is checked, and the lights say what is so."""

import asyncio
import resource
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.errors import LedgerDamaged, LedgerFault
from edge.events import Event
from edge.ledger.aside import asides, condemn, is_condemned
from edge.ledger.check import LedgerCheck
from edge.ledger.ledger import Ledger
from edge.ledger.salvage import TOLD, stage_of
from edge.ledger.start import close_ledger, open_ledger
from edge.ledger.upkeep import Upkeep
from edge.link.outbox import Outbox
from edge.signals.patterns import Pattern
from edge.state import BETWEEN_ENDS, end_on_damage
from protocol.entries import Fact
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.waiting import until_async
from tests.support.wreck import LEAF, TERMINAL, Wreck, killed_ledger, overwrite


@dataclass
class Terminal:
    """What upkeep works on, and what it says."""

    folder: Path
    ledger: Ledger = field(init=False)
    outbox: Outbox = field(init=False)
    held: set[Pattern] = field(default_factory=set)
    woken: int = 0

    def __post_init__(self) -> None:
        self.ledger = open_ledger(self.folder, TERMINAL, HandClock())
        self.outbox = Outbox(self.ledger)

    def upkeep(self) -> Upkeep:
        """The task."""
        return Upkeep(self.ledger, self.outbox, HandClock(), self.hold, self.wake, 90)

    def hold(self, pattern: Pattern, on: bool) -> None:
        """The lights."""
        (self.held.add if on else self.held.discard)(pattern)

    def wake(self) -> None:
        """The link."""
        self.woken += 1

    @property
    def facts(self) -> list[Fact]:
        """What the ledger says beside taps."""
        return [payload for _, payload in self.ledger.tail(100) if isinstance(payload, Fact)]

    def close(self) -> None:
        """As the daemon does."""
        self.outbox.close()
        with suppress(LedgerFault):
            close_ledger(self.ledger)


@pytest.fixture
def wreck(tmp_path: Path) -> Wreck:
    found = killed_ledger(tmp_path / "state", 300, checkpointed=299, receipted=250)
    payload = found.rows[280][2]
    assert payload is not None
    overwrite(found.file, found.file.read_bytes().index(payload) + 60, b"XX")
    return found


@pytest.fixture
def terminal(wreck: Wreck) -> Iterator[Terminal]:
    """A terminal that found its ledger damaged and began a new one."""
    condemn(wreck.file, "for the test")
    with closing(Terminal(wreck.folder)) as found:
        yield found


def story(tell: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run what happens in a loop of its own, with an end to all patience."""
    asyncio.run(asyncio.wait_for(tell(), 60))


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel it as the daemon does, and wait."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.feature("F19")
def test_a_damaged_ledger_is_read_told_and_sent_and_the_light_holds_until_then(
    terminal: Terminal, wreck: Wreck
) -> None:
    async def tell() -> None:
        task = asyncio.create_task(terminal.upkeep().run())
        await until_async(lambda: terminal.outbox.depth_behind, 20, "the drain")
        assert terminal.held == {Pattern.LEDGER_SALVAGED}
        assert [fact.subject for fact in terminal.facts] == [
            "ledger.opened",
            "terminal.started",
            "ledger.lost",
            "ledger.salvaged",
        ]
        *_, lost, salvaged = terminal.facts
        assert lost.details == {"ledger": wreck.ledger.hex(), "numbers": "280"}
        assert salvaged.details == {"ledger": wreck.ledger.hex(), "kept": "301", "lost": "1", "last": "302"}
        assert terminal.woken
        assert terminal.outbox.depth_behind == 302 - 250 - 1
        last = wreck.rows[302][1]
        assert terminal.outbox.receipt(Receipt(VERSION, wreck.ledger, 302, last), 0.0)
        await until_async(lambda: not terminal.held, 20, "the light to end")
        await ended(task)

    story(tell)


def test_what_was_told_once_is_not_told_again(terminal: Terminal) -> None:
    async def tell(tell_to: Terminal) -> None:
        task = asyncio.create_task(tell_to.upkeep().run())
        await until_async(lambda: tell_to.outbox.depth_behind, 20, "the drain")
        await ended(task)

    story(lambda: tell(terminal))
    terminal.close()
    with closing(Terminal(terminal.folder)) as again:
        story(lambda: tell(again))
        assert [fact.subject for fact in again.facts].count("ledger.salvaged") == 1
        assert stage_of(asides(again.folder)[-1]) == TOLD


def test_the_lights_say_from_the_first_moment_that_something_was_damaged(terminal: Terminal) -> None:
    terminal.upkeep()
    assert terminal.held == {Pattern.LEDGER_SALVAGED}


def test_an_end_in_the_middle_of_reading_leaves_nothing_running(terminal: Terminal) -> None:
    async def tell() -> None:
        task = asyncio.create_task(terminal.upkeep().run())
        await asyncio.sleep(0)
        await ended(task)

    story(tell)


# --- the check --------------------------------------------------------------------------------------------------------


def never() -> bool:
    """The daemon does not end."""
    return False


@pytest.fixture
def whole(tmp_path: Path) -> Wreck:
    return killed_ledger(tmp_path / "whole", 400, checkpointed=399)


def test_a_whole_ledger_passes_while_taps_go_on(whole: Wreck) -> None:
    with closing(Terminal(whole.folder)) as terminal:

        def tap_meanwhile() -> bool:
            terminal.ledger.append(tap(1))
            return False

        check = LedgerCheck(terminal.ledger.path, TERMINAL, terminal.ledger.last_seq)
        assert check.run(tap_meanwhile) == 0
        assert terminal.ledger.failures == 0


@pytest.mark.feature("F19")
@pytest.mark.parametrize(
    "statement", ["DELETE FROM entry WHERE seq = 50", "UPDATE payload SET bytes = x'00' WHERE seq = 50"]
)
def test_what_was_changed_in_the_middle_is_found(whole: Wreck, statement: str) -> None:
    with closing(sqlite3.connect(whole.file, isolation_level=None)) as file:
        for guard in ("entry_never_goes", "payload_never_changes"):
            file.execute(f"DROP TRIGGER {guard}")
        file.execute(statement)
    with closing(Terminal(whole.folder)) as terminal, pytest.raises(LedgerDamaged, match="entry 50"):
        LedgerCheck(terminal.ledger.path, TERMINAL, terminal.ledger.last_seq).run(never)


@pytest.mark.feature("F19")
def test_a_damaged_page_in_the_middle_is_found_and_ends_in_the_salvage(whole: Wreck) -> None:
    """Pitfall 7: not only the end is looked at."""
    overwrite(whole.file, whole.pages(LEAF)[10], bytes(whole.page_size))
    with closing(Terminal(whole.folder)) as terminal:
        told: list[LedgerDamaged] = []
        terminal.ledger.on_damage = told.append

        async def tell() -> None:
            task = asyncio.create_task(terminal.upkeep().run())
            await until_async(lambda: told, 20, "the damage")
            await ended(task)

        story(tell)
        assert len(told) == 1


def test_a_check_that_is_told_to_end_ends(whole: Wreck) -> None:
    with closing(Terminal(whole.folder)) as terminal:
        assert LedgerCheck(terminal.ledger.path, TERMINAL, terminal.ledger.last_seq).run(lambda: True) is None


# --- the end ----------------------------------------------------------------------------------------------------------


class HandTimes:
    """The loop's clock and timers, as far as the end of the daemon needs them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.called: list[float] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.called.append(delay)
        callback()


def test_damage_ends_the_daemon_once_and_is_noted_for_the_next_start(whole: Wreck) -> None:
    with closing(Terminal(whole.folder)) as terminal:
        times, stops = HandTimes(), []
        end_on_damage(terminal.ledger, times, lambda: stops.append("stop"))
        for _ in range(3):
            terminal.ledger.on_damage(LedgerDamaged(terminal.ledger.path, "for the test"))
        assert (times.called, stops) == ([0.0], ["stop"])
        assert is_condemned(terminal.ledger.path)


def test_a_disk_that_damages_every_ledger_does_not_restart_the_daemon_over_and_over(terminal: Terminal) -> None:
    """A ledger that began with this very start is given a minute."""
    times, stops = HandTimes(), []
    end_on_damage(terminal.ledger, times, lambda: stops.append("stop"))
    times.now = 5.0
    terminal.ledger.on_damage(LedgerDamaged(terminal.ledger.path, "again"))
    assert times.called == [BETWEEN_ENDS - 5.0]


def test_damage_that_cannot_be_noted_ends_nothing(whole: Wreck) -> None:
    """A restart would open the same file again, and find the same."""
    with closing(Terminal(whole.folder)) as terminal:
        stops: list[str] = []
        end_on_damage(terminal.ledger, HandTimes(), lambda: stops.append("stop"))
        no_more_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, no_more_files[1]))
        try:
            with capture_logs() as lines:
                terminal.ledger.on_damage(LedgerDamaged(terminal.ledger.path, "for the test"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, no_more_files)
        assert [line["event"] for line in lines] == [Event.LEDGER_FAILED]
        assert stops == []


# --- pitfalls ---------------------------------------------------------------------------------------------------------


def test_pitfall_4_the_storage_is_the_same_over_every_connection(whole: Wreck) -> None:
    with closing(Terminal(whole.folder)) as terminal:
        inode, ledger = terminal.ledger.path.stat().st_ino, terminal.ledger.id
        for number in range(5):
            terminal.outbox.reset()
            terminal.ledger.append(tap(number))
            assert terminal.outbox.next(float(number)) is not None
        assert (terminal.ledger.path.stat().st_ino, terminal.ledger.id) == (inode, ledger)


def test_pitfall_8_whoever_reads_or_copies_the_ledger_costs_no_tap(whole: Wreck, tmp_path: Path) -> None:
    with closing(Terminal(whole.folder)) as terminal:
        with (
            closing(sqlite3.connect(terminal.ledger.path)) as reader,
            closing(sqlite3.connect(tmp_path / "copy")) as copy,
        ):
            rows = reader.execute("SELECT * FROM entry JOIN payload USING (seq)")
            rows.fetchone()

            def tap_meanwhile(_status: int, _left: int, _all: int) -> None:
                terminal.ledger.append(tap(2))

            reader.backup(copy, pages=50, progress=tap_meanwhile)
            numbers = [terminal.ledger.append(tap(number)) for number in range(100)]
            rows.fetchall()
        assert terminal.ledger.failures == 0
        assert numbers[-1] == terminal.ledger.last_seq


def test_pitfall_9_a_tap_writes_few_bytes(tmp_path: Path) -> None:
    """Counted where the program hands them to the kernel; docs/performance.md has what reaches the device."""

    def written() -> int:
        counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
        return int(counts["wchar"])

    with closing(Ledger.open(tmp_path / "ledger.db", TERMINAL, HandClock())) as ledger:
        for number in range(1000):
            ledger.append(tap(number))
        before = written()
        for number in range(1000):
            ledger.append(tap(number))
        each = (written() - before) / 1000
        ledger._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert each < 5_000
        assert ledger.path.stat().st_size / ledger.last_seq < 450
