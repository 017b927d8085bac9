"""A terminal with a million blocked cards and 50,000 people decides as one with none does."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from random import Random
from typing import Final

import pytest

from edge.tables.tables import Tables
from protocol.cards import CardId, CardKind
from protocol.decision import BlockReason
from protocol.tables import Table, block_key
from tests.bench.gate import cards, furnish

BLOCKED: Final = 1_000_000
ENROLLED: Final = 50_000
KNOWN_TO_BOTH: Final = 10


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
        furnish(tables, cards(KNOWN_TO_BOTH))
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
def test_a_million_blocked_cards_make_a_decision_no_longer(full: Tables, empty: Tables) -> None:
    """Counted in steps of SQLite's machine, which no busy machine changes; `make bench` measures the whole tap."""
    known, strangers = cards(KNOWN_TO_BOTH), [CardId.from_bytes(CardKind.UID, secrets.token_bytes(10)) for _ in BARRED]
    assert 0 < steps(full, known) == steps(empty, known)
    assert 0 < steps(full, strangers) == steps(empty, strangers)


def steps(tables: Tables, asked: Sequence[CardId]) -> int:
    """How many steps it takes to look up what a tap asks of the tables, for each of these cards."""
    counted = count()

    def one_more() -> int:
        next(counted)
        return 0

    reader = tables._file._reader
    reader.set_progress_handler(one_more, 1)
    for card in asked:
        tables.enrolment(card)
        tables.blocked(card)
    reader.set_progress_handler(None, 1)
    return next(counted)
