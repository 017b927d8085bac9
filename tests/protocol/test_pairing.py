"""Passes are made of movements alike on both sides: an IN and the next OUT of the same, and nothing is guessed."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import MICROSECONDS, ClockQuality
from protocol.passes import LONGEST_PASS, Direction, Movement, Pairing, Pass, Step
from tests.protocol.examples import SEVEN

HOUR = 3600 * MICROSECONDS
IN, OUT = Direction.IN, Direction.OUT
UNTRUSTED = ClockQuality.UNTRUSTED
ZONE = "Europe/Stockholm"

Pair = tuple[int | None, int | None]


def steps(*moves: tuple[str, Direction, int]) -> list[Step[int]]:
    """Movements of somebody, so many microseconds after seven o'clock; each stands for its number."""
    return [Step(who, Movement(way, SEVEN + at), number) for number, (who, way, at) in enumerate(moves)]


def paired(taken: Iterable[Step[int]]) -> list[Pair]:
    """The numbers of the movements of each pass."""
    return [(entry_of(found.began), entry_of(found.ended)) for found in made(taken)]


def entry_of(step: Step[int] | None) -> int | None:
    return None if step is None else step.entry


def made(taken: Iterable[Step[int]]) -> Iterator[Pass[int]]:
    pairing: Pairing[int] = Pairing()
    for step in taken:
        yield from pairing.take(step)
    yield from pairing.rest()


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([("anna", IN, 0), ("anna", OUT, 8 * HOUR)], [(0, 1)]),
        ([("anna", IN, 0), ("anna", OUT, LONGEST_PASS)], [(0, 1)]),
        ([("anna", IN, 0), ("anna", OUT, LONGEST_PASS + 1)], [(0, None), (None, 1)]),
        ([("anna", IN, 0), ("anna", OUT, HOUR), ("anna", IN, 2 * HOUR), ("anna", OUT, 3 * HOUR)], [(0, 1), (2, 3)]),
        ([("anna", IN, 0), ("anna", IN, HOUR), ("anna", OUT, 2 * HOUR)], [(0, None), (1, 2)]),
        ([("anna", OUT, 0)], [(None, 0)]),
        ([("anna", IN, 0), ("anna", OUT, HOUR), ("anna", OUT, 2 * HOUR)], [(0, 1), (None, 2)]),
        ([("anna", IN, 0)], [(0, None)]),
        # one person with the cards of two companies works for both
        ([("anna for one", IN, 0), ("anna for two", IN, 1), ("anna for one", OUT, 2)], [(0, 2), (1, None)]),
        # whoever came first stands first, though somebody else went before
        ([("anna", IN, 0), ("boris", IN, 1), ("boris", OUT, 2), ("anna", OUT, 3)], [(0, 3), (1, 2)]),
    ],
)
def test_an_out_ends_the_newest_in_and_nothing_is_guessed(
    moves: Sequence[tuple[str, Direction, int]], expected: list[Pair]
) -> None:
    assert paired(steps(*moves)) == expected


def test_within_a_boot_the_time_since_it_began_says_how_long_a_pass_was() -> None:
    boot = b"b" * 16
    came = Movement(IN, 90 * MICROSECONDS, boot, 0, UNTRUSTED)  # in 1970, before the clock was set
    left = Movement(OUT, SEVEN, boot, 8 * HOUR * 1000)
    late = Movement(OUT, SEVEN, boot, 14 * HOUR * 1000)
    assert paired([Step("anna", came, 0), Step("anna", left, 1)]) == [(0, 1)]
    assert paired([Step("anna", came, 0), Step("anna", late, 1)]) == [(0, None), (None, 1)]


def test_where_no_clock_can_tell_the_next_out_ends_the_in() -> None:
    came = Movement(IN, 90 * MICROSECONDS, b"a" * 16, 0, UNTRUSTED)
    left = Movement(OUT, SEVEN, b"b" * 16, HOUR * 1000)
    long_after = Movement(OUT, SEVEN, b"b" * 16, 14 * HOUR * 1000)  # the boot alone is older than a pass
    assert paired([Step("anna", came, 0), Step("anna", left, 1)]) == [(0, 1)]
    assert paired([Step("anna", came, 0), Step("anna", long_after, 1)]) == [(0, None), (None, 1)]


def at(text: str) -> int:
    """A moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROSECONDS


@pytest.mark.parametrize(
    ("came", "left", "day"),
    [
        ("2026-06-10T20:00:00", "2026-06-11T04:00:00", date(2026, 6, 10)),  # 22:00 to 06:00
        ("2026-06-10T22:30:00", "2026-06-11T04:00:00", date(2026, 6, 11)),  # half past midnight
        ("2026-03-28T22:30:00", "2026-03-29T09:30:00", date(2026, 3, 28)),  # 23:30 to 11:30, an hour is skipped: 11 h
        ("2026-10-24T21:30:00", "2026-10-25T10:30:00", date(2026, 10, 24)),  # 23:30 to 11:30, an hour twice: 13 h
    ],
)
def test_a_night_shift_is_one_pass_of_the_day_it_began(came: str, left: str, day: date) -> None:
    (found,) = made([Step("anna", Movement(IN, at(came)), 0), Step("anna", Movement(OUT, at(left)), 1)])
    assert found.began is not None
    assert found.ended is not None
    assert found.work_day(ZONE) == day


def test_thirteen_hours_are_counted_in_hours_where_the_clock_shows_twelve_or_fourteen() -> None:
    """The night in October has an hour more than its clocks show, the one in March an hour less."""
    october = [Movement(IN, at("2026-10-24T21:30:00")), Movement(OUT, at("2026-10-25T10:30:01"))]  # 23:30 to 11:30:01
    march = [Movement(IN, at("2026-03-28T21:00:00")), Movement(OUT, at("2026-03-29T10:00:00"))]  # 22:00 to 12:00
    assert paired([Step("anna", october[0], 0), Step("anna", october[1], 1)]) == [(0, None), (None, 1)]
    assert paired([Step("anna", march[0], 0), Step("anna", march[1], 1)]) == [(0, 1)]


def test_only_a_pass_that_nothing_ended_is_open() -> None:
    moves = [
        ("anna", IN, 0),
        ("boris", IN, 1),
        ("boris", IN, 2),
        ("carla", OUT, 3),
        ("doris", IN, 4),
        ("doris", OUT, 5),
    ]
    open_ones = [found.is_open for found in made(steps(*moves))]
    assert open_ones == [True, False, True, False, False]


def test_the_day_of_a_pass_without_its_in_is_that_of_its_out() -> None:
    (found,) = made([Step("anna", Movement(OUT, at("2026-06-10T22:30:00")), 0)])
    assert found.work_day(ZONE) == date(2026, 6, 11)


def test_one_who_stays_holds_up_only_so_many_others() -> None:
    """Memory is bounded even where no clock can tell that an IN is old."""
    moves = [("stays", IN, 0), *(("boris", (IN, OUT)[number % 2], number) for number in range(1, 40))]
    pairing: Pairing[int] = Pairing(most=5)
    given_up = [list(pairing.take(step)) for step in steps(*moves)]
    assert sum(map(len, given_up)) >= 40 // 2 - 5
    assert given_up[0] == []
    assert len(list(pairing.rest())) <= 5


movements = st.lists(
    st.tuples(st.sampled_from(["anna", "boris", "anna for two"]), st.sampled_from(Direction), st.integers(0, 9)),
    max_size=40,
)


def in_order(drawn: Iterable[tuple[str, Direction, int]]) -> list[Step[int]]:
    """Each movement some hours and a little after the one before."""
    now, moves = 0, []
    for who, way, hours in drawn:
        now += hours * HOUR + 1
        moves.append((who, way, now))
    return steps(*moves)


def by_the_simple_rule(taken: Sequence[Step[int]]) -> set[Pair]:
    """Of the movements of each by themselves: neighbours IN and OUT within 13 hours are a pass, all others alone."""
    found: set[Pair] = set()
    whose: dict[Hashable, list[Step[int]]] = {}
    for step in taken:
        whose.setdefault(step.who, []).append(step)
    for own in whose.values():
        ends = {
            second.entry: first.entry
            for first, second in pairwise(own)
            if (first.movement.direction, second.movement.direction) == (IN, OUT)
            and second.movement.at - first.movement.at <= 13 * HOUR
        }
        found |= {(first, second) for second, first in ends.items()}
        for step in own:
            if step.entry not in ends and step.entry not in ends.values():
                found.add((step.entry, None) if step.movement.direction is IN else (None, step.entry))
    return found


@given(movements)
def test_passes_are_those_of_the_simple_rule(drawn: list[tuple[str, Direction, int]]) -> None:
    taken = in_order(drawn)
    found = paired(taken)
    assert set(found) == by_the_simple_rule(taken)
    assert len(found) == len(set(found))


@given(movements)
def test_every_movement_is_in_one_pass_and_passes_come_in_the_order_they_began(
    drawn: list[tuple[str, Direction, int]],
) -> None:
    taken = in_order(drawn)
    found = paired(taken)
    assert sorted(entry for pair in found for entry in pair if entry is not None) == list(range(len(taken)))
    firsts = [next(entry for entry in pair if entry is not None) for pair in found]
    assert firsts == sorted(firsts)


@given(movements)
def test_what_others_do_changes_nobodys_passes(drawn: list[tuple[str, Direction, int]]) -> None:
    taken = in_order(drawn)
    anna = [step for step in taken if step.who == "anna"]
    alone = set(paired(anna))
    entries = {step.entry for step in anna}
    assert {pair for pair in paired(taken) if entries & set(pair)} == alone


@given(movements)
def test_nothing_is_held_that_is_older_than_a_pass_can_be(drawn: list[tuple[str, Direction, int]]) -> None:
    pairing: Pairing[int] = Pairing()
    taken = in_order(drawn)
    given_up = 0
    for step in taken:
        given_up += len(list(pairing.take(step)))
    held = list(pairing.rest())
    if taken:
        newest = taken[-1].movement.at
        first = [found.began for found in held if found.began is not None]
        assert all(newest - began.movement.at <= LONGEST_PASS for began in first[:1])
    assert given_up + len(held) == len(by_the_simple_rule(taken))
