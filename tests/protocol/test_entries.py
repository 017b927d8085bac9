"""Entries can be read for ever, and a changed or missing one is found."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import check_link, decode_payload, digest, encode_payload, follow, genesis, link
from protocol.errors import ChainBroken, MessageFromFuture, MessageMalformed, MessageTooLarge, ProtocolError, TerminalId
from tests.protocol.examples import LEDGER, PAYLOADS, START, TAP, TERMINAL


def test_a_ledger_of_another_terminal_begins_differently() -> None:
    """Entries cannot be moved from one terminal's ledger to another's."""
    assert genesis(TERMINAL, LEDGER) != genesis(TerminalId("annan"), LEDGER)
    assert genesis(TERMINAL, LEDGER) != genesis(TERMINAL, bytes(16))


def test_a_future_entry_is_refused_by_name() -> None:
    """An old program says that it is old."""
    with pytest.raises(MessageFromFuture, match="version 2"):
        decode_payload(encode_payload(msgspec.structs.replace(TAP, version=2)))
    with pytest.raises(MessageFromFuture, match="hologram"):
        decode_payload(msgspec.msgpack.encode(["hologram", 7, "?"]))


def test_an_entry_with_more_fields_than_known_is_still_read() -> None:
    """Adding is additive: what a newer terminal adds at the end does not hide what is known."""
    longer = [*msgspec.msgpack.decode(encode_payload(TAP)), "something new"]
    assert decode_payload(msgspec.msgpack.encode(longer)) == TAP


def test_an_entry_that_is_too_large_is_refused() -> None:
    """Nothing unbounded comes in."""
    with pytest.raises(MessageTooLarge):
        decode_payload(b"\x00" * 5000)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_entry_or_a_named_error(raw: bytes) -> None:
    """Noise on disk or wire never raises anything else."""
    try:
        decode_payload(raw)
    except ProtocolError:
        return


@given(st.sampled_from(sorted(PAYLOADS)), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_never_reads_as_something_else_than_a_named_error_or_a_payload(
    name: str, position: int, difference: int
) -> None:
    """Damaged entries are values or named errors."""
    raw = bytearray(encode_payload(PAYLOADS[name]))
    raw[position % len(raw)] ^= difference
    try:
        decode_payload(bytes(raw))
    except ProtocolError:
        return


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8), st.data())
def test_any_change_to_a_chain_is_found(payloads: list[bytes], data: st.DataObject) -> None:
    """A byte changed, an entry taken away or two exchanged: the chain says where."""
    chained = follow(START, 1, payloads)
    victim = data.draw(st.integers(min_value=0, max_value=len(payloads) - 1))
    changed = list(payloads)
    changed[victim] = changed[victim] + b"!"
    with pytest.raises(ChainBroken) as caught:
        _walk(changed, chained)
    assert caught.value.seq == victim + 1
    _walk(payloads, chained)


def test_a_purged_payload_leaves_a_chain_that_still_verifies() -> None:
    """Retention may take the payload, not the proof."""
    [(payload_digest, payload_hash)] = follow(START, 1, [b"first"])
    check_link(START, 1, payload_digest, payload_hash, None)
    with pytest.raises(ChainBroken, match="does not continue"):
        check_link(START, 2, payload_digest, payload_hash, None)


def _walk(payloads: list[bytes], chained: list[tuple[bytes, bytes]]) -> None:
    previous = START
    for seq, (payload, (payload_digest, stored)) in enumerate(zip(payloads, chained, strict=True), 1):
        check_link(previous, seq, payload_digest, stored, payload)
        previous = link(previous, seq, digest(payload))


def test_malformed_is_said_in_words() -> None:
    """The reason names what does not fit."""
    with pytest.raises(MessageMalformed, match="an entry cannot be read"):
        decode_payload(b"\xc1")
