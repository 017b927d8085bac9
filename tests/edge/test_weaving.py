"""Rows of a damaged ledger are believed as far as the chain proves them, and never further."""

from collections.abc import Iterable, Sequence
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ledger.weaving import MOST_PENDING, Found, Woven, weave
from protocol.entries import digest, follow, genesis
from protocol.errors import TerminalId

BEGINS: Final = genesis(TerminalId("gate-1"), b"l" * 16)
LENGTH: Final = 30


def chain(length: int = LENGTH) -> list[Woven]:
    """What was recorded."""
    payloads = [b"payload %d" % number for number in range(1, length + 1)]
    rows = zip(payloads, follow(BEGINS, 1, payloads), strict=True)
    return [Woven(seq, each, hashed, payload, True) for seq, (payload, (each, hashed)) in enumerate(rows, 1)]


def found(row: Woven, what: str) -> Found | None:
    """What is found of a row that this happened to."""
    assert row.payload is not None
    entry, payload = (row.digest, row.hash), row.payload
    match what:
        case "whole":
            return Found(row.seq, (entry,), (payload,))
        case "gone":
            return None
        case "entry gone":
            return Found(row.seq, (), (payload,))
        case "payload gone":
            return Found(row.seq, (entry,), ())
        case "digest changed":
            return Found(row.seq, ((b"d" * 32, row.hash),), (payload,))
        case "hash changed":
            return Found(row.seq, ((row.digest, b"h" * 32),), (payload,))
        case "payload changed":
            return Found(row.seq, (entry,), (payload + b"!",))
        case "rival entry":
            return Found(row.seq, ((b"d" * 32, b"h" * 32), entry), (payload,))
        case _:
            return Found(row.seq, (entry,), (payload + b"!", payload))


HAPPENINGS = (
    "whole",
    "gone",
    "entry gone",
    "payload gone",
    "digest changed",
    "hash changed",
    "payload changed",
    "rival entry",
    "rival payload",
)
HAPPENED = st.lists(
    st.one_of(st.just("whole"), st.sampled_from(HAPPENINGS)),
    min_size=LENGTH,
    max_size=LENGTH,
)


def woven(happened: Sequence[str], *, named: bool = True) -> dict[int, Woven | None]:
    """What is believed of each number; None: nothing. Each number comes once and in order."""
    rows = [each for row, what in zip(chain(), happened, strict=True) if (each := found(row, what)) is not None]
    results = list(weave(rows, BEGINS if named else None))
    numbers = [row if isinstance(row, int) else row.seq for row in results]
    assert numbers == [row.seq for row in rows]
    return {number: None if isinstance(row, int) else row for number, row in zip(numbers, results, strict=True)}


@settings(max_examples=300)
@given(happened=HAPPENED, named=st.booleans())
def test_nothing_is_believed_that_was_not_recorded_and_nothing_whole_is_lost(happened: list[str], named: bool) -> None:
    results = woven(happened, named=named)
    for row, what in zip(chain(), happened, strict=True):
        result = results.get(row.seq)
        if result is not None:
            assert result.payload in {row.payload, None}
            if result.follows:
                assert (result.digest, result.hash) == (row.digest, row.hash)
        if what in {"whole", "rival payload", "rival entry"}:
            assert result is not None
            assert result.payload == row.payload


@settings(max_examples=150)
@given(happened=HAPPENED)
def test_what_follows_has_the_hash_before_it(happened: list[str]) -> None:
    """So that it can be sent: a batch begins with the hash of the entry before its first."""
    results = woven(happened)
    for seq, result in results.items():
        if result is not None and result.follows and seq > 1:
            before = results.get(seq - 1)
            assert before is not None
            assert before.hash == chain()[seq - 2].hash


def test_a_whole_chain_is_believed_whole() -> None:
    assert list(weave([found_whole(row) for row in chain()], BEGINS)) == chain()


def found_whole(row: Woven) -> Found:
    """Nothing happened to it."""
    assert row.payload is not None
    return Found(row.seq, ((row.digest, row.hash),), (row.payload,))


def test_entries_whose_hashes_are_gone_are_proven_by_the_next_one_that_is_there() -> None:
    happened = ["whole"] * 10 + ["entry gone"] * 10 + ["whole"] * 10
    assert list(woven(happened).values()) == chain()


def test_entries_whose_hashes_are_gone_at_the_end_are_not_believed() -> None:
    results = woven(["whole"] * 20 + ["entry gone"] * 10)
    assert [seq for seq, row in results.items() if row is None] == list(range(21, 31))


def test_after_a_gap_the_chain_begins_again_with_the_second() -> None:
    """The first after it has nothing before it to be chained to; that it was recorded, its digest says."""
    results = woven(["whole"] * 10 + ["gone"] + ["whole"] * 19)
    assert [seq for seq, row in results.items() if row is not None and not row.follows] == [12]
    assert results[12] is not None
    assert results[12].payload == chain()[11].payload


def test_a_payload_that_was_purged_leaves_the_chain_whole() -> None:
    results = woven(["payload gone"] * 15 + ["whole"] * 15)
    assert all(row is not None and row.follows for row in results.values())
    assert [row.payload is None for row in results.values() if row is not None] == [True] * 15 + [False] * 15


def test_of_two_branches_the_one_that_goes_on_counts() -> None:
    """A commit that failed may have left its row in the log; the one that was answered green is continued."""
    rows = chain()
    other_digest = digest(b"failed")
    ((_, other_hash),) = follow(rows[9].hash, 11, [b"failed"])
    eleventh = Found(
        11, ((other_digest, other_hash), (rows[10].digest, rows[10].hash)), (b"failed", rows[10].payload or b"")
    )
    given_rows = [found_whole(row) for row in rows]
    given_rows[10] = eleventh
    assert list(weave(given_rows, BEGINS)) == rows


def test_what_waits_for_proof_is_bounded() -> None:
    """A chain whose hashes are all gone does not gather in memory."""

    def endless(length: int) -> Iterable[Found]:
        for number in range(1, length + 1):
            yield Found(number, (), (b"payload %d" % number,))

    weaving = weave(endless(MOST_PENDING + 10), BEGINS)
    assert next(weaving) == 1
