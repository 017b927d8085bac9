"""The kinds of key that a PIV card proves itself with: what each is given to sign, and whether it did."""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.x509 import Certificate

_SHA256_INFO: Final = bytes.fromhex("3031300D060960864801650304020105000420")  # RFC 8017, 9.2, note 1
_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class CurveKey:
    """ECDSA on P-256 or P-384: it is given a digest."""

    public: ec.EllipticCurvePublicKey
    algorithm: int
    hashed: HashAlgorithm

    @property
    def digest_bytes(self) -> int:
        """How long the random challenge is, which stands for a digest."""
        return self.hashed.digest_size

    def asked(self, challenge: bytes) -> bytes:
        """What the card is given."""
        return challenge

    def fits(self, signature: bytes, challenge: bytes) -> bool:
        """Says whether this key signed the challenge."""
        try:
            self.public.verify(signature, challenge, ec.ECDSA(Prehashed(self.hashed)))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class RsaKey:
    """RSA with 2048 bits: the card only exponentiates, so it is given a padded digest."""

    public: rsa.RSAPublicKey
    algorithm: int = 0x07

    @property
    def digest_bytes(self) -> int:
        """How long the random challenge is, which stands for a digest."""
        return SHA256.digest_size

    def asked(self, challenge: bytes) -> bytes:
        """What the card is given: EMSA-PKCS1-v1_5 (RFC 8017, 9.2)."""
        info = _SHA256_INFO + challenge
        return b"\x00\x01" + b"\xff" * (_RSA_BITS // 8 - 3 - len(info)) + b"\x00" + info

    def fits(self, signature: bytes, challenge: bytes) -> bool:
        """Says whether this key signed the challenge."""
        try:
            self.public.verify(signature, challenge, PKCS1v15(), Prehashed(SHA256()))
        except InvalidSignature:
            return False
        return True


CardKey = CurveKey | RsaKey


def key_of(certificate: Certificate) -> CardKey | None:
    """The key it vouches for; None for a kind that card authentication has not (SP 800-78-5, table 1).

    Raises ValueError or UnsupportedAlgorithm where it is none at all.
    """
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size == _RSA_BITS:
        return RsaKey(public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        if isinstance(public.curve, ec.SECP256R1):
            return CurveKey(public, 0x11, SHA256())
        if isinstance(public.curve, ec.SECP384R1):
            return CurveKey(public, 0x14, SHA384())
    return None
