"""Messages are bounded, versioned and either read or refused by name."""

import contextlib
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MessageFromFuture, MessageMalformed, MessageTooLarge, ProtocolError
from protocol.messages import (
    LARGEST_UNPACKED,
    LARGEST_UP,
    RAW,
    ZLIB,
    Entries,
    Message,
    Pull,
    Receipt,
    Status,
    TableChange,
    decode,
    encode,
    pack_up,
    unpack_up,
)
from tests.protocol.examples import LEDGER, MESSAGES, START

KINDS = (Entries, Pull, Status, Receipt, TableChange)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=50), st.integers(1, 2**62))
def test_a_batch_arrives_as_it_was_packed(payloads: list[bytes], first: int) -> None:
    """Small ones raw, large ones compressed, both the same afterwards."""
    batch = Entries(1, LEDGER, first, START, tuple(payloads), START)
    packed = pack_up(batch)
    assert unpack_up(Entries, packed) == batch
    assert batch.last == first + len(payloads) - 1


@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_any_bytes_are_a_message_or_a_named_error(raw: bytes, kind: type[Message]) -> None:
    """Noise from the broker never raises anything else."""
    for read in (decode, unpack_up):
        with contextlib.suppress(ProtocolError):
            read(kind, raw)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_a_future_version_is_refused_by_name(name: str) -> None:
    """Whatever else changed in it: the version is read first."""
    kind = type(MESSAGES[name])
    with pytest.raises(MessageFromFuture, match=f"{kind.__name__} is of version 9"):
        decode(kind, msgspec.msgpack.encode([9, {"all": "different"}]))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_cut_message_is_malformed(name: str) -> None:
    """Half a message is none."""
    raw = encode(MESSAGES[name])
    with pytest.raises(MessageMalformed):
        decode(type(MESSAGES[name]), raw[:-1])


def test_a_bomb_is_not_unpacked() -> None:
    """Small on the wire, huge unpacked: refused before the memory is used."""
    bomb = ZLIB + zlib.compress(bytes(LARGEST_UNPACKED * 4))
    assert len(bomb) < LARGEST_UP
    with pytest.raises(MessageTooLarge, match="unpacked"):
        unpack_up(Entries, bomb)


def test_what_is_too_large_or_unmarked_or_cut_off_is_refused() -> None:
    """Each with its own words."""
    with pytest.raises(MessageTooLarge):
        unpack_up(Entries, RAW + bytes(LARGEST_UP))
    with pytest.raises(MessageMalformed, match="begins with 07"):
        unpack_up(Pull, b"\x07hello")
    with pytest.raises(MessageMalformed, match="begins with nothing"):
        unpack_up(Pull, b"")
    with pytest.raises(MessageMalformed, match="cut off"):
        unpack_up(Pull, ZLIB + zlib.compress(encode(MESSAGES["pull_with_certificate"]))[:-5])
    with pytest.raises(MessageMalformed, match="cannot be read"):
        unpack_up(Pull, ZLIB + b"no zlib")


def test_lengths_are_bounded_at_the_door() -> None:
    """A hash is 32 bytes, a ledger 16, a version not below 1."""
    with pytest.raises(MessageMalformed):
        decode(Receipt, msgspec.msgpack.encode([1, b"short", 1, bytes(32)]))
    with pytest.raises(MessageMalformed):
        decode(Receipt, msgspec.msgpack.encode([1, LEDGER, -1, bytes(32)]))
    with pytest.raises(MessageMalformed, match="never was"):
        decode(Receipt, msgspec.msgpack.encode([0, LEDGER, 1, bytes(32)]))
    with pytest.raises(MessageMalformed):
        decode(Entries, msgspec.msgpack.encode([1, LEDGER, 1, bytes(32), [], bytes(32)]))
