"""What a card says of itself beside its identity, and what a project asks of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocol.clock import ClockReading


class CardAuthentication(StrEnum):
    """Whether a card must prove that it is the one that was issued: never, where it can, or always (DESIGN 4)."""

    OFF = "off"
    PREFER = "prefer"
    REQUIRE = "require"


class Proof(StrEnum):
    """What came of a challenge to the card-authentication key (NIST SP 800-73-4, key 9E). Never rename a value.

    `no_key`: the card has no such key or no certificate for it. `copied`: its answer does not fit the certificate.
    `mismatched`: certificate and CHUID do not belong together. `foreign`: self-signed, of no configured issuer, or not
    made for this use.
    """

    NOT_ASKED = "not_asked"
    GENUINE = "genuine"
    NO_KEY = "no_key"
    COPIED = "copied"
    MISMATCHED = "mismatched"
    FOREIGN = "foreign"


REFUTED: Final = frozenset({Proof.COPIED, Proof.MISMATCHED, Proof.FOREIGN})
"""What proves that a card is not the one that it says it is."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A card's proof, and when the card is valid (microseconds UTC; None: without a beginning, or an end).

    The dates are the narrowest of the CHUID's and, where it is proved, the certificate's and its issuers'.
    """

    proof: Proof = Proof.NOT_ASKED
    valid_from: int | None = None
    valid_until: int | None = None

    @property
    def is_refuted(self) -> bool:
        """Says whether the card is proved not to be the one that it says it is."""
        return self.proof in REFUTED

    def is_out_of_date(self, now: ClockReading) -> bool:
        """Says whether it is not valid yet or no longer; a clock that nobody trusts says neither."""
        if not now.is_trusted:
            return False
        is_early = self.valid_from is not None and now.utc < self.valid_from
        return is_early or (self.valid_until is not None and now.utc >= self.valid_until)


PLAIN: Final = Credential()
"""A card that says nothing but its identity: a serial number, a tag."""
