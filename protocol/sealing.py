"""Seals what one terminal alone may read: names and numbers of people and companies, to the key of its certificate.

ECIES out of well-known parts: ECDH on P-256 with an ephemeral key, HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439;
a Pi has no instructions for AES). A `Sealer` makes one ephemeral key and numbers its messages: that is sound, since the
key derived is used by this object alone and never with the same number (the nonce) twice, as RFC 9180 (HPKE) does
within one context; a lost or doubled message harms none of the others. One ephemeral key for each of 50,000 rows would
cost ten seconds. Layout: version, recipient's key id (8 bytes), ephemeral public key (33, compressed), number (u32,
big-endian), then the ciphertext with its tag of 16. Header and context are authenticated, and the derived key is bound
to both public keys. Who sealed it is not proved: the signature around everything that flows down proves that.
"""

import hashlib
import struct
from dataclasses import dataclass
from itertools import count
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocol.errors import MessageFromFuture, SealBroken, SealForeign
from protocol.tables import check_sealed

SEAL_VERSION: Final = 1
KEY_ID_BYTES: Final = 8

_HEADER: Final = struct.Struct(">B8s33sI")
_KEYS_REMEMBERED: Final = 16


@dataclass(frozen=True, slots=True)
class _Header:
    recipient: bytes
    ephemeral: bytes
    number: int


def key_id(public: EllipticCurvePublicKey) -> bytes:
    """The short name of a recipient's key: the first 8 bytes of SHA-256 over its compressed point."""
    return hashlib.sha256(_point(public)).digest()[:KEY_ID_BYTES]


def row_context(table: str, scope: str, key: bytes) -> bytes:
    """What ties a sealed row to its place: it opens as the row of this key in this table and scope only."""
    return msgspec.msgpack.encode((table, scope, key))


class Sealer:
    """Seals any number of values for one recipient; for one batch in one thread, then thrown away.

    Raises ValueError for a key that is not on P-256.
    """

    def __init__(self, public: EllipticCurvePublicKey) -> None:
        ephemeral = generate_private_key(SECP256R1())
        self._recipient = key_id(public)
        self._ephemeral = _point(ephemeral.public_key())
        self._cipher = _cipher(ephemeral, public, self._ephemeral, _point(public))
        self._numbers = count()

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Bytes that only the recipient opens, and only in this context."""
        number = next(self._numbers)
        header = _HEADER.pack(SEAL_VERSION, self._recipient, self._ephemeral, number)
        return header + self._cipher.encrypt(_nonce(number), plain, header + context)


class Opener:
    """Opens what was sealed to one key; values of one batch cost one ECDH together."""

    def __init__(self, private: EllipticCurvePrivateKey) -> None:
        self._private = private
        self._public = _point(private.public_key())
        self.key_id = key_id(private.public_key())
        self._ciphers: dict[bytes, ChaCha20Poly1305] = {}

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes. Raises MessageMalformed, MessageFromFuture, SealForeign, SealBroken."""
        header = _header_of(sealed)
        if header.recipient != self.key_id:
            raise SealForeign(header.recipient, self.key_id)
        try:
            cipher = self._cipher(header.ephemeral)
            associated = sealed[: _HEADER.size] + context
            return cipher.decrypt(_nonce(header.number), sealed[_HEADER.size :], associated)
        except (InvalidTag, ValueError) as exc:
            raise SealBroken("it was changed, or belongs elsewhere") from exc

    def _cipher(self, ephemeral: bytes) -> ChaCha20Poly1305:
        if ephemeral not in self._ciphers:
            point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), ephemeral)
            if len(self._ciphers) == _KEYS_REMEMBERED:
                self._ciphers.clear()
            self._ciphers[ephemeral] = _cipher(self._private, point, ephemeral, self._public)
        return self._ciphers[ephemeral]


def seal(public: EllipticCurvePublicKey, plain: bytes, context: bytes) -> bytes:
    """Seal one value; many cost less through a `Sealer`. Raises ValueError for a key that is not on P-256."""
    return Sealer(public).seal(plain, context)


def open_sealed(private: EllipticCurvePrivateKey, sealed: bytes, context: bytes) -> bytes:
    """Open one value. Raises MessageMalformed, MessageFromFuture, SealForeign, SealBroken."""
    return Opener(private).open(sealed, context)


def _header_of(sealed: bytes) -> _Header:
    check_sealed(sealed)
    version, recipient, ephemeral, number = _HEADER.unpack_from(sealed)
    if version > SEAL_VERSION:
        raise MessageFromFuture("a sealed value", version, SEAL_VERSION)
    return _Header(recipient, ephemeral, number)


def _cipher(
    ours: EllipticCurvePrivateKey, theirs: EllipticCurvePublicKey, ephemeral: bytes, recipient: bytes
) -> ChaCha20Poly1305:
    shared = ours.exchange(ECDH(), theirs)
    derived = HKDF(SHA256(), 32, salt=None, info=b"gv1 seal\0" + ephemeral + recipient)
    return ChaCha20Poly1305(derived.derive(shared))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _point(public: EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
