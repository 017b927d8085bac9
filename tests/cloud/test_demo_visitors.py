"""The demonstration's visitors hold cards only against readers that can read them, and nobody taps twice in a row."""

from itertools import pairwise

from cloud.demo import cast
from cloud.demo.cards import COPY
from cloud.demo.terminals import TERMINALS, Feed
from cloud.demo.visitors import Visit, Visitors

HOLDERS = {person.guid for person in (*cast.PEOPLE, cast.COPIED_PERSON) if person.guid}


def visits() -> list[Visit]:
    visitors = Visitors(6)
    return [*visitors.first(), *(visitors.next() for _ in range(1000))]


def test_piv_cards_and_copies_come_to_the_reader_that_reads_them_and_to_no_other() -> None:
    kept = [visit for visit in visits() if visit.kept is not None]
    assert {visit.terminal.feed for visit in kept} == {Feed.PCSC}
    owners = HOLDERS - {cast.COPIED_PERSON.guid}
    assert {visit.kept for visit in kept} == {*owners, COPY}


def test_who_was_copied_does_not_come() -> None:
    """An OUT is never denied: a copy of somebody who is inside would be let out, and nobody would see a refusal."""
    assert {visit.kept for visit in visits() if visit.uid == cast.COPIED_PERSON.uid} == {COPY}


def test_nobody_taps_twice_in_a_row_at_the_same_terminal() -> None:
    for terminal in TERMINALS:
        here = [visit.uid for visit in visits() if visit.terminal is terminal]
        assert len(here) > 50
        assert all(before != after for before, after in pairwise(here))
