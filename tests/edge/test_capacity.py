"""A terminal with a million blocked cards and 50,000 people decides as one with none does."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from random import Random
from statistics import median
from typing import Final

import pytest

from edge.tables.tables import Tables
from protocol.cards import CardId, CardKind
from protocol.decision import BlockReason
from protocol.tables import Table, block_key
from tests.bench.gate import cards, furnish

BLOCKED: Final = 1_000_000
ENROLLED: Final = 50_000
LOOKS: Final = 300
TURNS: Final = 21
MOST_MORE: Final = 0.000_05
"""Seconds of processor time that a tap's looks may cost more; a tap takes 500 us here, and far more on an SD card."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    with closing(Tables.open(tmp_path_factory.mktemp("full") / "tables.db")) as tables:
        furnish(tables, cards(ENROLLED))
        chance = Random(20)
        salt = next(held.epoch for held in tables.held() if held.name == Table.BLOCKLIST)
        others = ((chance.getrandbits(64) - (1 << 63), 0) for _ in range(BLOCKED - len(BARRED)))
        tables.load_blocks([*((block_key(salt, card), 1) for card in BARRED), *others])
        yield tables


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    with closing(Tables.open(tmp_path_factory.mktemp("empty") / "tables.db")) as tables:
        furnish(tables, cards(10))
        yield tables


BARRED: Final = [CardId.from_bytes(CardKind.UID, b"\x09" + number.to_bytes(6, "big")) for number in range(100)]


@pytest.mark.feature("F02")
def test_every_person_and_every_block_of_a_million_is_found(full: Tables) -> None:
    assert {full.blocked(card) for card in BARRED} == {BlockReason.LOST}
    enrolled = cards(ENROLLED)
    for card in (*enrolled[::997], enrolled[-1]):
        assert full.blocked(card) is None
        assert full.enrolment(card) is not None
    stranger = CardId.from_bytes(CardKind.UID, secrets.token_bytes(10))
    assert (full.blocked(stranger), full.enrolment(stranger)) == (None, None)


@pytest.mark.feature("F02")
def test_a_million_blocked_cards_do_not_make_a_decision_slower(full: Tables, empty: Tables) -> None:
    """In processor time, so that a busy machine says the same; the whole tap is measured by `make bench`."""
    shuffled = list(cards(ENROLLED))
    Random(7).shuffle(shuffled)
    rounds = [shuffled[at * LOOKS : (at + 1) * LOOKS] for at in range(TURNS)]
    more = median(spent(looks(full, asked)) - spent(looks(empty, asked)) for asked in rounds)
    assert more / LOOKS < MOST_MORE


def looks(tables: Tables, asked: Sequence[CardId]) -> Callable[[], None]:
    """What a tap asks of the tables, for each of these cards."""

    def look() -> None:
        for card in asked:
            tables.enrolment(card)
            tables.blocked(card)

    return look


def spent(act: Callable[[], None]) -> float:
    """Seconds of this thread's processor time."""
    begun = time.thread_time()
    act()
    return time.thread_time() - begun
