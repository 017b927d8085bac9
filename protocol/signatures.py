"""The envelope around everything that flows down: who signed it, for whom, and that nobody changed it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.errors import UNREADABLE, MessageMalformed, MessageTooLarge, SignatureInvalid
from protocol.topics import Down

LARGEST_ENVELOPE = 256 * 1024
KEY_ID_BYTES = 8


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    key: bytes
    audience: str
    payload: bytes
    signature: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Envelope)


def key_id(public: Ed25519PublicKey) -> bytes:
    """The short name of a signing key: the first 8 bytes of SHA-256 over its 32 raw bytes."""
    return hashlib.sha256(public.public_bytes_raw()).digest()[:KEY_ID_BYTES]


def signed_bytes(audience: str, what: Down, payload: bytes) -> bytes:
    """What a signature covers (DESIGN 8, Encoding)."""
    return b"gv1 down\0" + audience.encode() + b"\0" + what.encode() + b"\0" + payload


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what the cloud sends down."""

    private: Ed25519PrivateKey

    def seal(self, audience: str, what: Down, payload: bytes) -> bytes:
        """Wrap a payload for a terminal, or for `all`."""
        signature = self.private.sign(signed_bytes(audience, what, payload))
        return _encoder.encode(_Envelope(key_id(self.private.public_key()), audience, payload, signature))


@dataclass(frozen=True, slots=True)
class Verifier:
    """Opens envelopes with the keys pinned at joining, by key id. Two may be valid while a key is changed."""

    keys: Mapping[bytes, Ed25519PublicKey]

    @classmethod
    def of(cls, *public: Ed25519PublicKey) -> "Verifier":
        """A verifier for these keys."""
        return cls({key_id(key): key for key in public})

    def open(self, audience: str, what: Down, sealed: bytes) -> bytes:
        """The payload, if it was signed for this audience and topic.

        Raises MessageTooLarge, MessageMalformed, SignatureInvalid.
        """
        if len(sealed) > LARGEST_ENVELOPE:
            raise MessageTooLarge("a message down", LARGEST_ENVELOPE)
        try:
            envelope = _decoder.decode(sealed)
        except UNREADABLE as exc:
            raise MessageMalformed("a signed message", str(exc)) from exc
        if envelope.audience != audience:
            raise SignatureInvalid("it is addressed to somebody else")
        public = self.keys.get(envelope.key)
        if public is None:
            raise SignatureInvalid("it is signed with a key that is not pinned here")
        try:
            public.verify(envelope.signature, signed_bytes(audience, what, envelope.payload))
        except InvalidSignature as exc:
            raise SignatureInvalid("its signature does not hold") from exc
        return envelope.payload
