"""Simulates the PIV card application of an ID06 card: commands in, answers out, without reader or pcscd.

For demonstration and tests only. It stands on NIST SP 800-73-5, parts 1 and 2, and answers as a card does that is held
against a contactless reader: what that interface may not read or do is refused.
"""

import gzip
from dataclasses import dataclass, replace
from typing import Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from edge.piv.apdu import EXTENDED_MOST, SHORT_MOST, Command, objects, tlv
from edge.piv.issuer import YEARS, Algorithm, Holder, Issuer, Key, Valid, chuid, new_key, self_signed

RID: Final = bytes.fromhex("A000000308")
PIX: Final = bytes.fromhex("00001000")
CARD_AUTHENTICATION_KEY: Final = 0x9E
LONGEST_AID: Final = 16
LONGEST_CHAIN: Final = 4096
"""Bytes of a chained command that are kept."""

SUCCESS: Final = b"\x90\x00"
WRONG_LENGTH: Final = b"\x67\x00"
CHAIN_BROKEN: Final = b"\x68\x83"  # last command of the chain expected
NOT_SATISFIED: Final = b"\x69\x82"
NO_CONDITIONS: Final = b"\x69\x85"
WRONG_CONTENT: Final = b"\x6a\x80"
NOT_SUPPORTED: Final = b"\x6a\x81"
NOT_FOUND: Final = b"\x6a\x82"
WRONG_PARAMETERS: Final = b"\x6a\x86"
NO_SUCH_KEY: Final = b"\x6a\x88"
UNKNOWN_INSTRUCTION: Final = b"\x6d\x00"
UNKNOWN_CLASS: Final = b"\x6e\x00"

CHUID, CERTIFICATE, DISCOVERY = b"\x5f\xc1\x02", b"\x5f\xc1\x01", b"\x7e"
# part 1, table 2: read over contact only, or over the virtual contact interface, which this card has not
BEHIND_CONTACT: Final = {b"\x5f\xc1" + bytes([low]) for low in (*range(0x03, 0x11), *range(0x11, 0x24))}
_CURVES: Final[dict[str, tuple[int, int, hashes.HashAlgorithm]]] = {
    "secp256r1": (0x11, 32, hashes.SHA256()),
    "secp384r1": (0x14, 48, hashes.SHA384()),
}
_RSA_2048: Final = 0x07


@dataclass(frozen=True, slots=True)
class Manners:
    """How a card behaves within what the standards leave open.

    `version` is the end of its AID; `shortest_aid` how much of it (9 bytes leave out the version);
    `at_once` the most bytes in one answer; a `chained_select` is answered by 61xx alone.
    """

    version: bytes = b"\x01\x00"
    shortest_aid: int = len(RID)
    at_once: int = EXTENDED_MOST
    chained_select: bool = False
    lazy_lengths: bool = False
    compressed: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for what no card does."""
        if not 1 <= self.at_once <= EXTENDED_MOST:
            raise ValueError(f"{self.at_once} bytes at once, expected 1 to {EXTENDED_MOST}")
        if len(RID + PIX + self.version) > LONGEST_AID:
            raise ValueError(f"a version of {len(self.version)} bytes, expected 2")


PLAIN_MANNERS: Final = Manners()


@dataclass(frozen=True, slots=True)
class PivCard:
    """What lies on a card: the CHUID's content, the card-authentication certificate (DER) and the key that fits it.

    A copy or a broken card lacks some of it, or has what does not belong together.
    """

    chuid: bytes
    certificate: bytes | None = None
    key: Key | None = None
    manners: Manners = PLAIN_MANNERS

    @classmethod
    def issued(
        cls,
        guid: bytes,
        issuer: Issuer | None,
        algorithm: Algorithm | str = Algorithm.P256,
        *,
        valid: Valid = YEARS,
        odd: bool = False,
        manners: Manners = PLAIN_MANNERS,
    ) -> Self:
        """A card as an issuer hands it out; without an issuer it vouches for itself."""
        holder, key = Holder.of(guid), new_key(Algorithm(algorithm))
        spoken = chuid(holder, valid[1].date(), issuer, odd=odd)
        certificate = issuer.certify(key.public_key(), holder, valid) if issuer else self_signed(key, holder, valid)
        return cls(spoken, certificate, key, manners)

    def without_key(self) -> Self:
        """A copy of the CHUID alone, which anybody can read: no certificate, no key."""
        return replace(self, certificate=None, key=None)

    def copied(self) -> Self:
        """A copy of all that can be read, with a key of the same kind that the copier made."""
        if self.key is None:
            return self
        return replace(self, key=new_key(_algorithm(self.key)))

    def under(self, other: "PivCard") -> Self:
        """This card with its certificate and key, answering under the other's CHUID."""
        return replace(self, chuid=other.chuid)


def _algorithm(key: Key) -> Algorithm:
    if isinstance(key, rsa.RSAPrivateKey):
        return Algorithm.RSA2048
    return Algorithm.P256 if key.key_size == 256 else Algorithm.P384


class Applet:
    """The PIV card application over one presence in the field; `answer` never raises."""

    def __init__(self, card: PivCard) -> None:
        self._card = card
        self._manners = card.manners
        self._aid = RID + PIX + card.manners.version
        self._is_selected = False
        self._pending = b""
        self._chain: tuple[int, int, int] | None = None
        self._chained = b""

    def answer(self, command: bytes) -> bytes:
        """What the card sends back: response and status word."""
        parsed = Command.parse(command)
        if parsed is None:
            return WRONG_LENGTH
        if parsed.instruction == 0xC0 and parsed.class_byte == 0x00:
            return self._send(self._pending, parsed.expected) if self._pending else NO_CONDITIONS
        self._pending = b""
        if parsed.class_byte not in {0x00, 0x10}:
            return UNKNOWN_CLASS
        whole = self._joined(parsed)
        return whole if isinstance(whole, bytes) else self._perform(whole)

    def _joined(self, command: Command) -> Command | bytes:
        """The command with what was chained before it (ISO/IEC 7816-4, 5.3.3), or what is answered to a link."""
        link = (command.instruction, *command.parameters)
        begun, self._chain = self._chain, None
        kept, self._chained = self._chained, b""
        if begun not in {None, link}:
            return CHAIN_BROKEN
        body = kept + command.body
        if len(body) > LONGEST_CHAIN:
            return WRONG_LENGTH
        if command.class_byte == 0x10:
            self._chain, self._chained = link, body
            return SUCCESS
        return replace(command, body=body)

    def _perform(self, command: Command) -> bytes:
        if command.instruction == 0xA4:
            return self._select(command)
        if not self._is_selected:
            return UNKNOWN_INSTRUCTION
        match command.instruction:
            case 0xCB:
                return self._read(command)
            case 0x87:
                return self._authenticate(command)
            case 0x20:
                return NOT_SUPPORTED if command.parameters in {(0, 0x80), (0, 0x00)} else NO_SUCH_KEY
            case _:
                return UNKNOWN_INSTRUCTION

    def _select(self, command: Command) -> bytes:
        """Part 2, 3.1.1: an AID of another application leaves this one selected."""
        if command.parameters != (0x04, 0x00):
            return WRONG_PARAMETERS
        if not self._manners.shortest_aid <= len(command.body) or not self._aid.startswith(command.body):
            return NOT_FOUND
        self._is_selected = True
        template = tlv(0x61, tlv(0x4F, self._aid[len(RID) :]) + tlv(0x79, tlv(0x4F, RID)))
        if self._manners.chained_select:
            self._pending = template
            return _more(template)
        return self._send(template, command.expected)

    def _read(self, command: Command) -> bytes:
        """GET DATA: part 2, 3.1.2."""
        if command.parameters != (0x3F, 0xFF):
            return WRONG_PARAMETERS
        asked = objects(command.body)
        if asked is None or asked.keys() != {0x5C}:
            return WRONG_CONTENT
        if asked[0x5C] in BEHIND_CONTACT:
            return NOT_SATISFIED
        found = self._object(asked[0x5C])
        return NOT_FOUND if found is None else self._send(found, command.expected)

    def _object(self, name: bytes) -> bytes | None:
        lazy, certificate = self._manners.lazy_lengths, self._card.certificate
        if name == DISCOVERY:
            return tlv(0x7E, tlv(0x4F, self._aid) + tlv(0x5F2F, b"\x40\x00"))
        if name == CHUID:
            return tlv(0x53, self._card.chuid, lazy=lazy)
        if name == CERTIFICATE and certificate is not None:
            kept = gzip.compress(certificate, mtime=0) if self._manners.compressed else certificate
            is_compressed = bytes([self._manners.compressed])
            return tlv(0x53, tlv(0x70, kept, lazy=lazy) + tlv(0x71, is_compressed) + tlv(0xFE, b""), lazy=lazy)
        return None

    def _authenticate(self, command: Command) -> bytes:
        """GENERAL AUTHENTICATE, internal (part 2, 3.2.4 and appendix A.3); key 9E needs no PIN."""
        key = self._card.key
        if command.p2 != CARD_AUTHENTICATION_KEY or key is None or command.p1 != _number(key):
            return WRONG_PARAMETERS
        outer = objects(command.body)
        template = objects(outer[0x7C]) if outer is not None and outer.keys() == {0x7C} else None
        if template is None or template.keys() != {0x81, 0x82} or template[0x82]:
            return WRONG_CONTENT
        signature = _signed(key, template[0x81])
        if signature is None:
            return WRONG_CONTENT
        return self._send(tlv(0x7C, tlv(0x82, signature)), command.expected)

    def _send(self, answer: bytes, expected: int) -> bytes:
        """As much as is expected, and how much is left (ISO/IEC 7816-4, 5.3.4).

        SP 800-73-5 puts Le into every command that is answered by more than a status. Cards that take it as 00 where it
        is missing are so many that clients leave it out.
        """
        size = min(expected or SHORT_MOST, self._manners.at_once)
        self._pending = answer[size:]
        return answer[:size] + (_more(self._pending) if self._pending else SUCCESS)


def _more(left: bytes) -> bytes:
    return bytes([0x61, len(left) if len(left) <= 0xFF else 0])


def _number(key: Key) -> int:
    """What the commands call a key's algorithm (SP 800-78-5, table 9)."""
    return _RSA_2048 if isinstance(key, rsa.RSAPrivateKey) else _CURVES[key.curve.name][0]


def _signed(key: Key, challenge: bytes) -> bytes | None:
    """The answer to a challenge, a digest for a curve or a padded message for RSA; None for what does not fit."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        _, size, digest = _CURVES[key.curve.name]
        return key.sign(challenge, ec.ECDSA(Prehashed(digest))) if len(challenge) == size else None
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    message = int.from_bytes(challenge, "big")
    if len(challenge) != key.key_size // 8 or message >= modulus:
        return None
    return pow(message, numbers.d, modulus).to_bytes(len(challenge), "big")
