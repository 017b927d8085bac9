"""A broken-into broker opens nothing: what is not signed for this terminal and topic is not obeyed."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MessageMalformed, MessageTooLarge, ProtocolError, SignatureInvalid
from protocol.signatures import LARGEST_ENVELOPE, Signer, Verifier
from protocol.topics import AUDIENCE_ALL, Down

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
VERIFIER = Verifier.of(SIGNER.private.public_key())


@pytest.mark.feature("F32")
@given(st.binary(max_size=200))
def test_what_was_sealed_opens_for_its_audience_and_topic_only(payload: bytes) -> None:
    """A table cannot be replayed as a receipt, nor one terminal's to another."""
    sealed = SIGNER.seal("grind-1", Down.TABLE, payload)
    assert VERIFIER.open("grind-1", Down.TABLE, sealed) == payload
    with pytest.raises(SignatureInvalid, match="somebody else"):
        VERIFIER.open("grind-2", Down.TABLE, sealed)
    with pytest.raises(SignatureInvalid, match="does not hold"):
        VERIFIER.open("grind-1", Down.RECEIPT, sealed)


def test_a_key_that_is_not_pinned_is_refused() -> None:
    """The broker's owner can sign, but not with our key."""
    with pytest.raises(SignatureInvalid, match="not pinned"):
        VERIFIER.open(AUDIENCE_ALL, Down.BLOCKLIST, OTHER.seal(AUDIENCE_ALL, Down.BLOCKLIST, b"open"))


def test_two_keys_are_valid_while_one_replaces_the_other() -> None:
    """Changing the key does not lock terminals out."""
    both = Verifier.of(SIGNER.private.public_key(), OTHER.private.public_key())
    for signer in (SIGNER, OTHER):
        assert both.open("grind-1", Down.TABLE, signer.seal("grind-1", Down.TABLE, b"x")) == b"x"


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_refused(position: int, difference: int) -> None:
    """Wherever it is changed, the payload is never handed out changed."""
    sealed = bytearray(SIGNER.seal("grind-1", Down.TABLE, b"payload"))
    sealed[position % len(sealed)] ^= difference
    with pytest.raises(ProtocolError):
        VERIFIER.open("grind-1", Down.TABLE, bytes(sealed))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(raw: bytes) -> None:
    """Noise never raises anything else."""
    with pytest.raises(ProtocolError):
        VERIFIER.open("grind-1", Down.TABLE, raw)


def test_what_is_unsigned_or_too_large_is_refused_before_it_is_read() -> None:
    """Neither a bare payload nor a flood gets through."""
    with pytest.raises(MessageMalformed):
        VERIFIER.open("grind-1", Down.TABLE, msgspec.msgpack.encode([1, "binding"]))
    with pytest.raises(MessageTooLarge):
        VERIFIER.open("grind-1", Down.TABLE, bytes(LARGEST_ENVELOPE + 1))
