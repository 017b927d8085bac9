"""Entries come in once, in order, without gaps, whatever arrives how often; what cannot be taken is kept aside."""

import secrets
import zlib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import func, select

from cloud.attendance.models import Entry, LedgerHead, Refused
from cloud.clock import microseconds
from cloud.database import Database
from cloud.sync.batches import Batch
from cloud.sync.ingest import Answer, Ingest, Outcome
from cloud.sync.rows import COLUMNS
from protocol.entries import Fact, check_link, encode_payload, genesis
from protocol.errors import ChainBroken, MessageFromFuture, MessageMalformed, MessageTooLarge, TerminalId
from protocol.messages import LARGEST_UNPACKED, LARGEST_UP, ZLIB, Receipt, pack_up
from tests.cloud.chains import Chain, add_terminal, tap
from tests.protocol.examples import DENIED_TAP, DOOR, FACT
from tests.support.moved_clock import MovedClock

TERMINAL = TerminalId("kvarnen-1")


@pytest.fixture
def ingest(database: Database, clock: MovedClock) -> Ingest:
    """Ingest into a database that knows one terminal."""
    add_terminal(database, clock.now(), TERMINAL)
    return Ingest(database, clock)


def take(ingest: Ingest, chain: Chain, *ranges: tuple[int, int]) -> list[Answer]:
    """Take these parts of a chain in, in one transaction."""
    return ingest.take([Batch.open(chain.terminal, chain.packed(first, last)) for first, last in ranges])


def rows(database: Database, ledger: bytes) -> list[Entry]:
    with database.reading() as session:
        return list(session.scalars(select(Entry).where(Entry.ledger == ledger).order_by(Entry.seq)))


def kept_aside(database: Database) -> list[tuple[int, str, bytes]]:
    with database.reading() as session:
        return [(row.seq, row.reason, row.payload) for row in session.scalars(select(Refused).order_by(Refused.id))]


def upto(answer: Answer) -> int | None:
    return answer.receipt.upto if answer.receipt else None


def test_a_tap_becomes_a_row_with_all_that_was_recorded(ingest: Ingest, database: Database, clock: MovedClock) -> None:
    chain = Chain(TERMINAL).add(encode_payload(DENIED_TAP)).tap()
    (answer,) = take(ingest, chain, (1, 2))
    assert answer.outcome is Outcome.TAKEN
    assert answer.receipt is not None
    assert (answer.receipt.ledger, answer.receipt.upto, answer.receipt.hash) == (chain.ledger, 2, chain.hash_at(2))
    denied, granted = rows(database, chain.ledger)
    assert (denied.kind, denied.card, denied.person, denied.direction) == ("tap", DENIED_TAP.card, None, None)
    assert (denied.outcome, denied.reason, denied.clock_quality) == ("denied", "unbound", "untrusted")
    assert (granted.reader, granted.direction, granted.outcome, granted.reason) == ("grind", "in", "granted", None)
    assert (granted.person, granted.company, granted.project) == (tap().person, tap().company, tap().project)
    assert granted.payload == chain.payloads[1]
    assert (granted.terminal, granted.seq, granted.hash) == (TERMINAL, 2, chain.hash_at(2))
    assert granted.received_at == microseconds(clock.now())


def test_every_column_of_an_entry_is_written() -> None:
    assert COLUMNS.keys() == {column.name for column in Entry.__table__.columns} - {"id"}


def test_doors_and_facts_are_entries_too(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).add(encode_payload(FACT), encode_payload(DOOR))
    take(ingest, chain, (1, 2))
    assert [(row.kind, row.card, row.occurred_at) for row in rows(database, chain.ledger)] == [
        ("fact", None, FACT.occurred_at),
        ("door", None, DOOR.occurred_at),
    ]


def test_a_repeated_batch_is_receipted_again_and_changes_nothing(ingest: Ingest, database: Database) -> None:
    """Pitfall 11: duplicates after reconnect."""
    chain = Chain(TERMINAL).tap(5)
    answers = [*take(ingest, chain, (1, 5)), *take(ingest, chain, (1, 5), (2, 3)), *take(ingest, chain, (4, 5))]
    assert [answer.outcome for answer in answers] == [Outcome.TAKEN] + [Outcome.DUPLICATE] * 3
    assert [upto(answer) for answer in answers] == [5, 5, 5, 5]
    assert len(rows(database, chain.ledger)) == 5


def test_a_batch_that_overlaps_adds_only_what_is_new(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap(6)
    answers = take(ingest, chain, (1, 4), (2, 6))
    assert [(answer.outcome, upto(answer)) for answer in answers] == [(Outcome.TAKEN, 4), (Outcome.TAKEN, 6)]
    assert [row.seq for row in rows(database, chain.ledger)] == [1, 2, 3, 4, 5, 6]


def test_a_gap_is_asked_for_again_and_nothing_beyond_it_is_kept(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap(9)
    first, beyond, filled = [*take(ingest, chain, (1, 2)), *take(ingest, chain, (5, 9)), *take(ingest, chain, (3, 9))]
    assert (beyond.outcome, upto(beyond)) == (Outcome.GAP, 2)
    assert beyond.receipt == first.receipt
    assert (filled.outcome, upto(filled)) == (Outcome.TAKEN, 9)
    assert kept_aside(database) == []


def test_a_gap_at_the_beginning_is_answered_with_nothing_held(ingest: Ingest) -> None:
    chain = Chain(TERMINAL).tap(3)
    (answer,) = take(ingest, chain, (2, 3))
    assert (answer.outcome, upto(answer)) == (Outcome.GAP, 0)
    assert answer.receipt is not None
    assert answer.receipt.hash == genesis(TERMINAL, chain.ledger)


def test_the_branch_of_a_cloned_card_is_kept_aside_and_receipted_by_its_own_hash(
    ingest: Ingest, database: Database
) -> None:
    chain = Chain(TERMINAL).tap(3)
    clone = chain.branch().tap(3)
    chain.tap(2)
    take(ingest, chain, (1, 5))
    for _ in range(2):
        (answer,) = take(ingest, clone, (2, 6))
        assert answer.outcome is Outcome.FORK
        assert answer.receipt is not None
        assert (answer.receipt.upto, answer.receipt.hash) == (6, clone.hash_at(6))
    assert kept_aside(database) == [(seq, "fork", clone.payloads[seq - 1]) for seq in (4, 5, 6)]
    assert [row.payload for row in rows(database, chain.ledger)] == chain.payloads


def test_a_branch_goes_on_aside_and_the_first_goes_on_as_before(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap(2)
    clone = chain.branch().tap(6)
    chain.tap(1)
    take(ingest, chain, (1, 3))
    answers = [*take(ingest, clone, (3, 5)), *take(ingest, clone, (6, 7), (8, 8)), *take(ingest, chain.tap(), (4, 4))]
    assert [answer.outcome for answer in answers] == [Outcome.FORK] * 3 + [Outcome.TAKEN]
    assert [upto(answer) for answer in answers] == [5, 7, 8, 4]
    assert [seq for seq, _, _ in kept_aside(database)] == [3, 4, 5, 6, 7, 8]
    assert [row.payload for row in rows(database, chain.ledger)] == chain.payloads


UNREADABLE = {
    "malformed": b"\x00\x01rubbish",
    "empty": b"",
    "too_large": encode_payload(Fact(1, 1, FACT.clock_quality, b"", 1, 1, "x", {"y": "z" * 5000}, b"")),
    "from_future": msgspec.msgpack.encode(["tap", 99, "whatever it will be"]),
    "new_kind": msgspec.msgpack.encode(["hologram", 2]),
    "before_1970": encode_payload(tap(occurred_at=-1)),
    "beyond_any_calendar": encode_payload(tap(registered_at=2**63)),
    "nul_in_a_text": encode_payload(tap(card="uid:04\0")),
    "endless_text": encode_payload(tap(reader="x" * 3000)),
}
REASONS = {"empty": "malformed", "new_kind": "from_future"} | dict.fromkeys(
    ("before_1970", "beyond_any_calendar", "nul_in_a_text", "endless_text"), "out_of_range"
)


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_entry_that_cannot_be_taken_is_kept_aside_and_counts_as_received(
    ingest: Ingest, database: Database, case: str
) -> None:
    """Pitfall 12: the terminal may forget it only because we have it, with the reason."""
    chain = Chain(TERMINAL).tap().add(UNREADABLE[case]).tap()
    for _ in range(2):
        (answer,) = take(ingest, chain, (1, 3))
        assert upto(answer) == 3
    assert [row.seq for row in rows(database, chain.ledger)] == [1, 3]
    assert kept_aside(database) == [(2, REASONS.get(case, case), UNREADABLE[case])]
    (again,) = take(ingest, chain.tap(), (2, 4))
    assert (again.outcome, upto(again)) == (Outcome.TAKEN, 4)


def test_an_unreadable_entry_is_no_fork_of_itself(ingest: Ingest, database: Database) -> None:
    chain = Chain(TERMINAL).tap().add(b"rubbish")
    take(ingest, chain, (1, 2))
    (answer,) = take(ingest, chain, (2, 2))
    assert answer.outcome is Outcome.DUPLICATE
    assert len(kept_aside(database)) == 1


def test_an_unknown_terminal_gets_no_receipt_and_leaves_nothing(ingest: Ingest, database: Database) -> None:
    known, unknown = Chain(TERMINAL).tap(), Chain(TerminalId("stranger")).tap()
    batches = [Batch.open(chain.terminal, chain.packed(1, 1)) for chain in (unknown, known)]
    answers = ingest.take(batches)
    assert [(answer.outcome, upto(answer)) for answer in answers] == [
        (Outcome.UNKNOWN_TERMINAL, None),
        (Outcome.TAKEN, 1),
    ]
    with database.reading() as session:
        assert session.scalars(select(LedgerHead.terminal)).all() == [TERMINAL]


def test_a_batch_whose_chain_does_not_hold_is_refused() -> None:
    chain = Chain(TERMINAL).tap(3)
    with pytest.raises(ChainBroken, match="does not end in the hash"):
        Batch.open(TERMINAL, pack_up(replace(chain.entries(1, 2), last_hash=bytes(32))))
    with pytest.raises(ChainBroken, match="does not end in the hash"):
        Batch.open(TERMINAL, pack_up(replace(chain.entries(2, 3), previous=bytes(32))))
    with pytest.raises(ChainBroken, match="does not begin where"):
        Batch.open(TerminalId("somebody-else"), chain.packed(1, 3))


def test_a_batch_from_outside_is_bounded_and_of_a_known_version() -> None:
    chain = Chain(TERMINAL).tap(1)
    with pytest.raises(MessageTooLarge):
        Batch.open(TERMINAL, b"\0" * (LARGEST_UP + 1))
    with pytest.raises(MessageTooLarge, match="unpacked"):
        Batch.open(TERMINAL, ZLIB + zlib.compress(bytes(LARGEST_UNPACKED * 4)))
    with pytest.raises(MessageFromFuture):
        Batch.open(TERMINAL, pack_up(replace(chain.entries(1, 1), version=2)))
    for rubbish in (b"", b"\0", b"\1", b"\2", b"\0\x93\1\2\3", ZLIB + zlib.compress(b"x" * 2000)[:-9]):
        with pytest.raises(MessageMalformed):
            Batch.open(TERMINAL, rubbish)


def test_a_batch_that_the_database_itself_refuses_stops_nobody_else(ingest: Ingest, database: Database) -> None:
    """Whatever we did not think of: here, a rule that somebody gave the table."""
    other = add_terminal(database, datetime(2025, 1, 1, tzinfo=UTC), "kvarnen-2")
    good, bad = Chain(TERMINAL).tap(), Chain(other).tap()
    with database.engine.begin() as connection:
        connection.exec_driver_sql(FORBIDDEN[database.kind])
    answers = ingest.take([Batch.open(chain.terminal, chain.packed(1, 1)) for chain in (bad, good)])
    assert [(answer.outcome, upto(answer)) for answer in answers] == [(Outcome.UNSTORABLE, None), (Outcome.TAKEN, 1)]
    assert len(rows(database, good.ledger)) == 1


FORBIDDEN = {
    "sqlite": "CREATE TRIGGER forbidden BEFORE INSERT ON entry WHEN new.terminal = 'kvarnen-2' "
    "BEGIN SELECT RAISE(ABORT, 'forbidden'); END",
    "postgresql": "ALTER TABLE entry ADD CHECK (terminal <> 'kvarnen-2')",
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrivals=st.data())
def test_any_order_and_repetition_of_batches_gives_the_same_ledger(
    ingest: Ingest, database: Database, arrivals: st.DataObject
) -> None:
    """Whatever arrives, what is held is a prefix; the receipts lead the terminal to the end."""
    chain = Chain(TERMINAL).tap(arrivals.draw(st.integers(1, 12)))
    if arrivals.draw(st.booleans()):
        chain.add(b"rubbish" + secrets.token_bytes(4)).tap(2)
    length = len(chain.payloads)
    spans = st.tuples(st.integers(1, length), st.integers(1, length)).map(lambda ends: (min(ends), max(ends)))
    for transaction in arrivals.draw(st.lists(st.lists(spans, min_size=1, max_size=4), max_size=8)):
        before = held(database, chain)
        for answer, (first, last) in zip(take(ingest, chain, *transaction), transaction, strict=True):
            before = max(before, last) if first <= before + 1 else before
            assert upto(answer) == before
            assert answer.receipt is not None
            assert answer.receipt.hash == chain.hash_at(before)
    take(ingest, chain, (held(database, chain) or 1, length))
    verify(database, chain)


def held(database: Database, chain: Chain) -> int:
    with database.reading() as session:
        found = session.get(LedgerHead, (chain.terminal, chain.ledger))
        return found.upto if found else 0


def verify(database: Database, chain: Chain) -> None:
    """All of it is there once, and the chain holds."""
    with database.reading() as session:
        found = [
            (seq, chain_hash, payload)
            for t in (Entry, Refused)
            for seq, chain_hash, payload in session.execute(
                select(t.seq, t.hash, t.payload).where(t.ledger == chain.ledger)
            )
        ]
        digests = dict(session.execute(select(Entry.seq, Entry.digest).where(Entry.ledger == chain.ledger)).all())
    assert sorted(seq for seq, _, _ in found) == list(range(1, len(chain.payloads) + 1))
    previous = genesis(chain.terminal, chain.ledger)
    for seq, chain_hash, payload in sorted(found):
        if seq in digests:
            check_link(previous, seq, digests[seq], chain_hash, payload)
        previous = chain_hash
    assert previous == chain.hash_at(len(chain.payloads))


def is_of(receipt: Receipt, chain: Chain) -> bool:
    """Whether a terminal with this chain would take the receipt as its own."""
    return receipt.upto <= len(chain.payloads) and receipt.hash == chain.hash_at(receipt.upto)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrivals=st.data())
def test_two_branches_in_any_order_lose_nothing(ingest: Ingest, database: Database, arrivals: st.DataObject) -> None:
    """Of a card and its clone every entry is in the ledger or kept aside, and both are receipted to their end."""
    trunk = Chain(TERMINAL).tap(arrivals.draw(st.integers(0, 4)))
    chains = [trunk.branch().tap(arrivals.draw(st.integers(1, 6))) for _ in range(2)]
    receipted, sent = [0, 0], [0, 0]
    for turn in [*arrivals.draw(st.lists(st.integers(0, 1), max_size=20)), *[0, 1] * 12]:
        chain, end = chains[turn], len(chains[turn].payloads)
        first = (sent[turn] if sent[turn] < end else receipted[turn]) + 1  # goes on without waiting, then begins again
        last = min(first + arrivals.draw(st.integers(0, 4)), end)
        if first > end:
            continue
        sent[turn] = last
        (answer,) = take(ingest, chain, (first, last))
        if answer.receipt is not None and is_of(answer.receipt, chain):
            receipted[turn] = answer.receipt.upto
    assert receipted == [len(chain.payloads) for chain in chains]
    with database.reading() as session:
        stored = {
            (seq, payload)
            for t in (Entry, Refused)
            for seq, payload in session.execute(select(t.seq, t.payload).where(t.ledger == trunk.ledger))
        }
        doubled = session.scalar(select(func.count()).select_from(Entry).where(Entry.ledger == trunk.ledger))
    assert stored == {pair for chain in chains for pair in enumerate(chain.payloads, 1)}
    assert doubled in {len(chain.payloads) for chain in chains}
