"""The newest movement decides which way a toggle reader's next tap goes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge.ledger.ledger import Ledger
from edge.movements import MOST_KEPT, Movements
from protocol.clock import ClockQuality
from protocol.entries import Outcome, Tap
from protocol.errors import TerminalId
from protocol.passes import Direction, Movement
from protocol.tables import presence_key
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock

HOUR = 3_600_000_000
CARD, OTHER = "uid:00000001", "uid:00000002"
PROJECT = "00000000000000a1"
PERSON, COMPANY = "00000000000000b1", "00000000000000c1"
ANNA = presence_key(CARD, PERSON, COMPANY)
BOOT = b"b" * 16


def went(direction: Direction, at: int = NOON, **changed: object) -> Tap:
    """A granted tap of Anna with card 1."""
    return msgspec.structs.replace(tap(1, at=at), direction=direction, **changed)


def way(movements: Movements, key: bytes, project: str = PROJECT) -> tuple[Direction, int] | None:
    found = movements.of(project, key)
    return None if found is None else (found.direction, found.at)


def test_nobody_has_moved_at_first() -> None:
    assert Movements().of(PROJECT, ANNA) is None


def test_the_newest_counts_in_the_order_of_the_ledger() -> None:
    """Not in that of the clock, which may have been set back meanwhile."""
    movements = Movements([went(Direction.IN), went(Direction.OUT, NOON - HOUR)])
    assert way(movements, ANNA) == (Direction.OUT, NOON - HOUR)


def test_a_person_is_known_by_any_of_their_cards() -> None:
    movements = Movements([went(Direction.IN)])
    assert way(movements, presence_key(OTHER, PERSON, COMPANY)) == (Direction.IN, NOON)


@pytest.mark.parametrize(
    ("key", "project"),
    [
        (presence_key(CARD, PERSON, "another company"), PROJECT),
        (presence_key(CARD, "another person", COMPANY), PROJECT),
        (ANNA, "another project"),
        (presence_key(CARD, None, None), PROJECT),
    ],
)
def test_another_person_company_or_project_is_another_movement(key: bytes, project: str) -> None:
    assert Movements([went(Direction.IN)]).of(project, key) is None


def test_an_unknown_person_is_known_by_the_card() -> None:
    movements = Movements([went(Direction.IN, person=None, company=None)])
    assert way(movements, presence_key(CARD, None, None)) == (Direction.IN, NOON)
    assert way(movements, presence_key(OTHER, None, None)) is None


@pytest.mark.parametrize("changed", [{"outcome": Outcome.DENIED}, {"direction": None}, {"project": None}])
def test_a_tap_that_moved_nobody_changes_nothing(changed: dict[str, object]) -> None:
    movements = Movements([went(Direction.IN), msgspec.structs.replace(went(Direction.OUT, NOON + HOUR), **changed)])
    assert way(movements, ANNA) == (Direction.IN, NOON)


def test_a_movement_remembers_the_clocks_it_was_seen_by() -> None:
    """So that its age is told by the time since boot, whatever becomes of the wall clock."""
    seen = went(Direction.IN, boot_id=BOOT, monotonic=77, clock_quality=ClockQuality.UNTRUSTED)
    assert Movements([seen]).of(PROJECT, ANNA) == Movement(Direction.IN, NOON, BOOT, 77, ClockQuality.UNTRUSTED)


def test_who_came_in_is_told_by_project_and_who_left_is_not() -> None:
    movements = Movements(
        [
            went(Direction.IN),
            went(Direction.IN, person="b"),
            went(Direction.IN, person="c", project="another"),
            went(Direction.OUT, person="b"),
        ]
    )
    assert [key for key, _ in movements.came_in(PROJECT)] == [ANNA]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger.open(tmp_path / "ledger.db", TerminalId("gate-1"), HandClock())
    yield found
    found.close()


def test_a_restart_knows_what_was_known_before_it(ledger: Ledger) -> None:
    before = Movements()
    for each in (
        went(Direction.IN),
        went(Direction.IN, NOON + HOUR, person=None),
        went(Direction.OUT, NOON + 2 * HOUR),
    ):
        ledger.append(each)
        before.note(each)
    after = Movements(ledger.taps_since(NOON))
    for key in (ANNA, presence_key(CARD, None, None)):
        assert way(after, key) == way(before, key)


def test_what_is_kept_is_bounded_and_the_longest_unmoved_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_KEPT >= 50_000, "F02: as many people as a project may have"
    monkeypatch.setattr("edge.movements.MOST_KEPT", 2)
    movements = Movements(went(Direction.IN, person=person) for person in ("a", "b", "a", "c"))
    known = [movements.of(PROJECT, presence_key(CARD, person, COMPANY)) for person in "abc"]
    assert [found is not None for found in known] == [True, False, True]


def test_what_is_older_than_any_pass_is_forgotten() -> None:
    """A month of visitors takes no more room than their last day: told by the time since boot alone."""
    movements = Movements(went(Direction.IN, person="before", boot_id=BOOT, monotonic=day) for day in range(2))
    for hour in range(0, 24 * 30, 2):
        seen = went(Direction.IN, person=f"visitor {hour}", boot_id=b"c" * 16, monotonic=hour * HOUR * 1000)
        movements.note(seen)
    kept = [key for key, _ in movements.came_in(PROJECT)]
    assert kept == [presence_key(CARD, f"visitor {hour}", COMPANY) for hour in range(24 * 30 - 14, 24 * 30, 2)]
