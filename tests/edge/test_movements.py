"""The newest movement decides which way a toggle reader's next tap goes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge.ledger import Ledger
from edge.movements import MOST_KEPT, Movements
from protocol.cards import CardId
from protocol.decision import Direction, Enrolment, Movement
from protocol.entries import Outcome, Tap
from protocol.errors import TerminalId
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock

HOUR = 3_600_000_000
CARD, OTHER = CardId.parse("uid:00000001"), CardId.parse("uid:00000002")
PROJECT = "00000000000000a1"
ANNA = Enrolment("00000000000000b1", "00000000000000c1")


def went(direction: Direction, at: int = NOON, **changed: object) -> Tap:
    """A granted tap of Anna with card 1."""
    return msgspec.structs.replace(tap(1, at=at), direction=direction, **changed)


def test_nobody_has_moved_at_first() -> None:
    assert Movements().of(CARD, ANNA, PROJECT) is None


def test_the_newest_counts_in_the_order_of_the_ledger() -> None:
    """Not in that of the clock, which may have been set back meanwhile."""
    movements = Movements([went(Direction.IN), went(Direction.OUT, NOON - HOUR)])
    assert movements.of(CARD, ANNA, PROJECT) == Movement(Direction.OUT, NOON - HOUR)


def test_a_person_is_known_by_any_of_their_cards() -> None:
    movements = Movements([went(Direction.IN)])
    assert movements.of(OTHER, ANNA, PROJECT) == Movement(Direction.IN, NOON)


@pytest.mark.parametrize(
    ("card", "enrolment", "project"),
    [
        (CARD, Enrolment("00000000000000b1", "another company"), PROJECT),
        (CARD, Enrolment("another person", "00000000000000c1"), PROJECT),
        (CARD, ANNA, "another project"),
        (CARD, None, PROJECT),
    ],
)
def test_another_person_company_or_project_is_another_movement(
    card: CardId, enrolment: Enrolment | None, project: str
) -> None:
    assert Movements([went(Direction.IN)]).of(card, enrolment, project) is None


def test_an_unknown_person_is_known_by_the_card() -> None:
    movements = Movements([went(Direction.IN, person=None, company=None)])
    assert movements.of(CARD, None, PROJECT) == Movement(Direction.IN, NOON)
    assert movements.of(OTHER, None, PROJECT) is None


@pytest.mark.parametrize("changed", [{"outcome": Outcome.DENIED}, {"direction": None}, {"project": None}])
def test_a_tap_that_moved_nobody_changes_nothing(changed: dict[str, object]) -> None:
    movements = Movements([went(Direction.IN), msgspec.structs.replace(went(Direction.OUT, NOON + HOUR), **changed)])
    assert movements.of(CARD, ANNA, PROJECT) == Movement(Direction.IN, NOON)


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
    for enrolment in (ANNA, None):
        assert after.of(CARD, enrolment, PROJECT) == before.of(CARD, enrolment, PROJECT)


def test_what_is_kept_is_bounded_and_the_longest_unmoved_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_KEPT >= 50_000, "F02: as many people as a project may have"
    monkeypatch.setattr("edge.movements.MOST_KEPT", 2)
    movements = Movements(went(Direction.IN, person=person) for person in ("a", "b", "a", "c"))
    known = [movements.of(CARD, Enrolment(person, "00000000000000c1"), PROJECT) for person in "abc"]
    assert [found is not None for found in known] == [True, False, True]
