"""What a terminal declared lost is passed over, in any order; what turns up after all is taken in."""

from collections.abc import Iterator
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from cloud.attendance.models import Entry, LedgerGap, LedgerHead, Refused
from cloud.database import Database
from cloud.sync.batches import Batch
from cloud.sync.gaps import LARGEST, MOST_RANGES, Declared, Range
from cloud.sync.ingest import Answer, Ingest, Outcome
from protocol.entries import encode_payload, follow
from protocol.errors import TerminalId
from protocol.messages import Entries, pack_up
from tests.cloud.chains import Chain, add_terminal
from tests.protocol.examples import FACT
from tests.support.moved_clock import MovedClock

TERMINAL = TerminalId("kvarnen-1")
STRANGER = TerminalId("kvarnen-2")
Span = tuple[int, int]


@pytest.fixture
def ingest(database: Database, clock: MovedClock) -> Ingest:
    """Ingest into a database that knows two terminals."""
    add_terminal(database, clock.now(), TERMINAL)
    add_terminal(database, clock.now(), STRANGER)
    return Ingest(database, clock)


def lost(ledger: bytes, numbers: str) -> bytes:
    """The fact that declares them lost."""
    return encode_payload(replace(FACT, subject="ledger.lost", details={"ledger": ledger.hex(), "numbers": numbers}))


def take(ingest: Ingest, chain: Chain, *spans: Span) -> list[Answer]:
    """Take these parts of a chain in, in one transaction."""
    return ingest.take([Batch.open(chain.terminal, chain.packed(*span)) for span in spans])


def declare(ingest: Ingest, ledger: bytes, numbers: str, terminal: TerminalId = TERMINAL) -> None:
    """The terminal's new ledger says what the old one lost."""
    chain = Chain(terminal).add(lost(ledger, numbers))
    (answer,) = take(ingest, chain, (1, 1))
    assert answer.outcome is Outcome.TAKEN


def said(answers: list[Answer]) -> list[tuple[Outcome, int | None]]:
    return [(answer.outcome, answer.receipt.upto if answer.receipt else None) for answer in answers]


def held(database: Database, ledger: bytes) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Entry.seq).where(Entry.ledger == ledger).order_by(Entry.seq)))


def kept_aside(database: Database) -> list[tuple[int, str]]:
    with database.reading() as session:
        return [(seq, reason) for seq, reason in session.execute(select(Refused.seq, Refused.reason))]


def test_a_batch_beyond_declared_numbers_is_taken_and_receipted_by_its_own_hash(
    ingest: Ingest, database: Database
) -> None:
    chain = Chain(TERMINAL).tap(40)
    take(ingest, chain, (1, 10))
    declare(ingest, chain.ledger, "11-20 31")
    first, second = [*take(ingest, chain, (21, 30)), *take(ingest, chain, (32, 40))]
    assert said([first, second]) == [(Outcome.TAKEN, 30), (Outcome.TAKEN, 40)]
    assert second.receipt is not None
    assert second.receipt.hash == chain.hash_at(40)
    assert held(database, chain.ledger) == [*range(1, 11), *range(21, 31), *range(32, 41)]
    assert said(take(ingest, chain, (32, 40), (21, 30), (1, 10))) == [(Outcome.DUPLICATE, 40)] * 3


def test_a_head_that_ends_at_a_gap_is_receipted_for_what_is_held(ingest: Ingest) -> None:
    """Nobody knows the hash at the end of a gap: the receipt stays at the entry before it."""
    chain = Chain(TERMINAL).tap(20)
    take(ingest, chain, (1, 10))
    declare(ingest, chain.ledger, "11-20")
    receipt = ingest.held(TERMINAL, chain.ledger)
    assert (receipt.upto, receipt.hash) == (10, chain.hash_at(10))
    assert said(take(ingest, chain, (5, 10))) == [(Outcome.DUPLICATE, 10)]


def test_a_ledger_whose_first_entries_are_lost_begins_at_the_first_that_is_left(ingest: Ingest) -> None:
    chain = Chain(TERMINAL).tap(9)
    declare(ingest, chain.ledger, "1-4")
    assert said(take(ingest, chain, (5, 9))) == [(Outcome.TAKEN, 9)]


def test_the_batch_before_its_declaration_asks_for_what_is_missing_and_is_taken_when_it_comes_again(
    ingest: Ingest,
) -> None:
    chain = Chain(TERMINAL).tap(9)
    take(ingest, chain, (1, 2))
    assert said(take(ingest, chain, (6, 9))) == [(Outcome.GAP, 2)]
    declare(ingest, chain.ledger, "3-4")
    assert said(take(ingest, chain, (6, 9))) == [(Outcome.GAP, 2)]
    declare(ingest, chain.ledger, "4-5")
    assert said(take(ingest, chain, (6, 9))) == [(Outcome.TAKEN, 9)]


def test_a_declaration_counts_within_its_own_transaction(ingest: Ingest) -> None:
    chain = Chain(TERMINAL).tap(9)
    new = Chain(TERMINAL).tap().add(lost(chain.ledger, "1 2 3-4"))
    batches = [Batch.open(TERMINAL, new.packed(1, 2)), Batch.open(TERMINAL, chain.packed(5, 9))]
    assert said(ingest.take(batches)) == [(Outcome.TAKEN, 2), (Outcome.TAKEN, 9)]


def test_a_chain_goes_on_after_a_gap_from_what_its_batch_names(ingest: Ingest, database: Database) -> None:
    """Where the entries before are lost, the terminal may not know their hash: it begins the chain anew."""
    chain = Chain(TERMINAL).tap(9)
    take(ingest, chain, (1, 2))
    declare(ingest, chain.ledger, "3-4")
    anew = follow(bytes(32), 5, chain.payloads[4:])
    entries = Entries(1, chain.ledger, 5, bytes(32), tuple(chain.payloads[4:]), anew[-1][1])
    (answer,) = ingest.take([Batch.open(TERMINAL, pack_up(entries))])
    assert answer.outcome is Outcome.TAKEN
    assert answer.receipt is not None
    assert answer.receipt.hash == anew[-1][1]
    assert said(take(ingest, chain, (1, 4))) == [(Outcome.TAKEN, 9)]
    assert held(database, chain.ledger) == list(range(1, 10))


@pytest.mark.parametrize("span", [(3, 6), (4, 5), (1, 9), (1, 6), (6, 9), (3, 3), (6, 6), (5, 5)])
def test_numbers_that_turn_up_after_all_are_taken_in(ingest: Ingest, database: Database, span: Span) -> None:
    chain = Chain(TERMINAL).tap(9)
    declare(ingest, chain.ledger, "3-6")
    take(ingest, chain, (1, 2), (7, 9))
    assert said(take(ingest, chain, span)) == [(Outcome.TAKEN, 9)]
    assert held(database, chain.ledger) == sorted({1, 2, 7, 8, 9} | set(range(span[0], span[1] + 1)))
    assert kept_aside(database) == []
    with database.reading() as session:
        head = session.get_one(LedgerHead, (TERMINAL, chain.ledger))
        assert (head.upto, head.hash) == (9, chain.hash_at(9))


def test_a_copy_that_reaches_further_brings_what_was_lost_and_what_is_new(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap(12)
    declare(ingest, chain.ledger, "3-6")
    take(ingest, chain, (1, 2), (7, 9))
    assert said(take(ingest, chain, (2, 12))) == [(Outcome.TAKEN, 12)]
    assert held(database, chain.ledger) == list(range(1, 13))


@pytest.mark.parametrize("span", [(5, 7), (4, 6), (6, 6), (1, 9), (2, 12)])
def test_another_branch_does_not_fill_a_gap(ingest: Ingest, database: Database, span: Span) -> None:
    chain = Chain(TERMINAL).tap(2)
    clone = chain.branch().tap(10)
    chain.tap(7)
    declare(ingest, chain.ledger, "3-6")
    take(ingest, chain, (1, 2), (7, 9))
    assert said(take(ingest, clone, span)) == [(Outcome.FORK, span[1])]
    assert held(database, chain.ledger) == [1, 2, 7, 8, 9]
    assert kept_aside(database) == [(seq, "fork") for seq in range(max(3, span[0]), span[1] + 1)]


def test_a_terminal_declares_for_itself_only(ingest: Ingest) -> None:
    chain = Chain(TERMINAL).tap(9)
    declare(ingest, chain.ledger, "1-4", STRANGER)
    assert said(take(ingest, chain, (5, 9))) == [(Outcome.GAP, 0)]


def test_the_same_declared_again_and_overlapping_is_harmless(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap(9)
    again = Chain(TERMINAL).add(lost(chain.ledger, "1-3 2-4 2-4 1-3"), lost(chain.ledger, "1-4"))
    for _ in range(2):
        take(ingest, again, (1, 2))
    declare(ingest, chain.ledger, "1-2")
    assert said(take(ingest, chain, (5, 9))) == [(Outcome.TAKEN, 9)]
    with database.reading() as session:
        assert len(session.scalars(select(LedgerGap.first)).all()) == 4


MANY = " ".join(str(number) for number in range(1, MOST_RANGES + 1))
HEX = "00" * 16
UNREADABLE = [
    {},
    {"ledger": HEX},
    {"numbers": "1"},
    {"ledger": HEX, "numbers": ""},
    {"ledger": HEX[2:], "numbers": "1"},
    {"ledger": HEX.replace("0", "x"), "numbers": "1"},
    {"ledger": HEX, "numbers": "1-"},
    {"ledger": HEX, "numbers": "2-1"},
    {"ledger": HEX, "numbers": "0-3"},
    {"ledger": HEX, "numbers": "1,3"},
    {"ledger": HEX, "numbers": "1  3"},
    {"ledger": HEX, "numbers": "1 3 "},
    {"ledger": HEX, "numbers": "\u0661-\u0663"},
    {"ledger": HEX, "numbers": f"1-{LARGEST + 1}"},
    {"ledger": HEX, "numbers": "1-99999999999999999999999999"},
    {"ledger": HEX, "numbers": MANY + " 999"},
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is wrong shows before any database
@pytest.mark.parametrize("details", UNREADABLE, ids=str)
def test_a_declaration_that_cannot_be_read_is_kept_as_a_fact_and_declares_nothing(
    ingest: Ingest, database: Database, details: dict[str, str]
) -> None:
    chain = Chain(TERMINAL).add(encode_payload(replace(FACT, subject="ledger.lost", details=details)))
    assert said(take(ingest, chain, (1, 1))) == [(Outcome.TAKEN, 1)]
    with database.reading() as session:
        assert session.scalars(select(Entry.subject)).all() == ["ledger.lost"]
        assert session.scalars(select(LedgerGap)).all() == []


@given(numbers=st.text(), ledger=st.text())
def test_no_text_in_a_declaration_raises(numbers: str, ledger: str) -> None:
    found = Declared.parse({"ledger": ledger, "numbers": numbers})
    assert found is None or all(1 <= each.first <= each.last <= LARGEST for each in found.ranges)


def test_as_many_ranges_as_a_fact_may_have_are_read() -> None:
    found = Declared.parse({"ledger": HEX, "numbers": MANY[:-3] + f"{MOST_RANGES}-{LARGEST}"})
    assert found is not None
    assert len(found.ranges) == MOST_RANGES
    assert found.ranges[-1] == Range(MOST_RANGES, LARGEST)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrivals=st.data())
def test_any_order_and_repetition_of_batches_and_declarations_gives_the_same_rows(
    ingest: Ingest, database: Database, arrivals: st.DataObject
) -> None:
    """The old ledger's entries that are left, and the new ledger that says which are not, in whatever order."""
    length = arrivals.draw(st.integers(2, 14))
    gone = sorted(arrivals.draw(st.sets(st.integers(1, length - 1), max_size=8)))
    old = Chain(TERMINAL).tap(length)
    new = Chain(TERMINAL).tap()
    for first, last in spans_of(gone):
        new.add(lost(old.ledger, f"{first}-{last}"))
    left = [seq for seq in range(1, length + 1) if seq not in gone]
    drain = [(old, span) for span in spans_of(left)]
    declarations = [(new, (seq, seq)) for seq in range(1, len(new.payloads) + 1)]
    pool = st.sampled_from([*drain, *declarations])
    for transaction in arrivals.draw(st.lists(st.lists(pool, min_size=1, max_size=4), max_size=8)):
        ingest.take([Batch.open(TERMINAL, chain.packed(*span)) for chain, span in transaction])
    for chain, span in [*declarations, *drain]:
        take(ingest, chain, span)
    assert held(database, old.ledger) == left
    assert held(database, new.ledger) == list(range(1, len(new.payloads) + 1))
    assert ingest.held(TERMINAL, old.ledger).hash == old.hash_at(length)
    assert ingest.held(TERMINAL, old.ledger).upto == length
    assert [take(ingest, old, (1, length))[0].outcome] == [Outcome.TAKEN if gone else Outcome.DUPLICATE]
    assert held(database, old.ledger) == list(range(1, length + 1))
    assert kept_aside(database) == []


def spans_of(numbers: list[int]) -> Iterator[Span]:
    """The unbroken stretches among sorted numbers."""
    for _, stretch in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        found = [number for _, number in stretch]
        yield found[0], found[-1]
