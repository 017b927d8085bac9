"""Has a PIV card prove that it is the one that was issued, and no copy of what anybody can read from it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from edge.errors import CardFault
from edge.piv.certificate import (
    UNREADABLE,
    begins,
    belongs_to,
    ends,
    is_for_card_authentication,
    stored,
    unpacked,
)
from edge.piv.chuid import Chuid
from edge.piv.exchange import CERTIFICATE, Exchange, authenticate, read_object
from edge.piv.keys import CardKey, key_of
from edge.piv.trusted import Issuers
from protocol.decision import Credential, Proof


@dataclass(frozen=True, slots=True)
class _Vouched:
    """A key that an issuer vouches for, and from when until when (microseconds UTC)."""

    key: CardKey
    valid_from: int
    valid_until: int


class Prover:
    """Challenges cards with what `issuers` vouch for, while `asked` says so; called from the readers' threads."""

    def __init__(self, issuers: Issuers, asked: Callable[[], bool]) -> None:
        self._issuers = issuers
        self._asked = asked

    @property
    def asks(self) -> bool:
        """Says whether a card is to prove itself now: where the binding asks for it."""
        return self._asked()

    def prove(self, chuid: Chuid) -> Exchange[Credential]:
        """What comes of a challenge to the card that gave this CHUID (SP 800-73-5 part 1, appendix B.1.4).

        Only certificate and key are judged here; their dates are the decision's. Raises CardFault.
        """
        content = yield from read_object(CERTIFICATE)
        vouched = Proof.NO_KEY if content is None else self._vouched(content, chuid)
        if isinstance(vouched, Proof):
            return Credential(vouched, valid_until=chuid.valid_until)
        challenge = secrets.token_bytes(vouched.key.digest_bytes)
        signature = yield from authenticate(vouched.key.algorithm, vouched.key.asked(challenge))
        if signature is None or not vouched.key.fits(signature, challenge):
            return Credential(Proof.COPIED, valid_until=chuid.valid_until)
        until = vouched.valid_until if chuid.valid_until is None else min(vouched.valid_until, chuid.valid_until)
        return Credential(Proof.GENUINE, vouched.valid_from, until)

    def _vouched(self, content: bytes, chuid: Chuid) -> _Vouched | Proof:
        """The certificate's key where an issuer vouches for it and it was made for this card and use.

        A certificate that is none is foreign. Raises CardFault where the object itself cannot be read.
        """
        found = stored(content)
        if found is None:
            return Proof.NO_KEY
        try:
            return self._judged(x509.load_der_x509_certificate(unpacked(found)), chuid)
        except (*UNREADABLE, CardFault):
            return Proof.FOREIGN

    def _judged(self, certificate: x509.Certificate, chuid: Chuid) -> _Vouched | Proof:
        chain, key = self._issuers.above(certificate), key_of(certificate)
        if not chain or key is None or not is_for_card_authentication(certificate):
            return Proof.FOREIGN
        if not belongs_to(certificate, chuid):
            return Proof.MISMATCHED
        whole = (certificate, *chain)
        return _Vouched(key, max(map(begins, whole)), min(map(ends, whole)))
