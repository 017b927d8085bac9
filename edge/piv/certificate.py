"""The card-authentication certificate of a PIV card: unpacked, read, and held against what it must say."""

import uuid
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ObjectIdentifier

from edge.errors import CardFault
from edge.piv.chuid import Chuid
from edge.piv.fascn import is_its_own
from edge.piv.tlv import fields

LARGEST: Final = 8192
"""Bytes of a certificate once it is unpacked."""

CARD_AUTH: Final = ObjectIdentifier("2.16.840.1.101.3.6.8")  # id-PIV-cardAuth: FIPS 201-3, 4.2.2
PIV_FASC_N: Final = ObjectIdentifier("2.16.840.1.101.3.6.6")  # pivFASC-N: SP 800-73-5 part 1, 3.1.2

# what `cryptography` raises where a certificate is none; it reads extensions only when asked for them
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_STRONG: Final = (SHA256, SHA384, SHA512)
_OCTETS: Final = 0x04  # OCTET STRING of DER
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the data object 5FC101 holds of a certificate."""

    content: bytes
    is_packed: bool = False


def stored(content: bytes) -> Stored | None:
    """The certificate in the object (SP 800-73-5 part 1, table 10); None where it is empty. Raises CardFault."""
    found: dict[int, bytes] = {}
    for tag, value in fields(content):
        found.setdefault(tag, value)
    how, certificate = found.get(0x71, b"\x00"), found.get(0x70, b"")
    # the bit for gzip was the highest in early cards, and is the lowest since SP 800-73-2
    return Stored(certificate, bool(how) and bool(how[0] & 0x81)) if certificate else None


def unpacked(found: Stored) -> bytes:
    """The certificate in DER, never more than LARGEST bytes. Raises CardFault."""
    if not found.is_packed:
        return found.content
    packed = found.content
    if packed.startswith(b"\x01\x00"):  # Net iD's cards: a mark, two bytes of length, and zlib instead of gzip
        packed = packed[4:]
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, as its first bytes say
    try:
        whole = unpacking.decompress(packed, LARGEST)
    except zlib.error as exc:
        raise CardFault("its certificate cannot be unpacked") from exc
    if not unpacking.eof:
        raise CardFault("its certificate is cut off, or too large")
    return whole


def is_for_card_authentication(certificate: x509.Certificate) -> bool:
    """Says whether it was made for this: signing, card authentication where it names uses, and a hash still trusted.

    FIPS 201-3, 4.2.2 and the FPKI profile of it, worksheet 8. Raises one of UNREADABLE.
    """
    usage, extended = None, None
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            extended = extension.value
    signs = usage is not None and usage.digital_signature and not usage.key_cert_sign
    return signs and (extended is None or CARD_AUTH in extended) and is_strong(certificate)


def is_strong(certificate: x509.Certificate) -> bool:
    """Says whether its signature is over a hash that nobody finds collisions of. Raises UnsupportedAlgorithm."""
    return isinstance(certificate.signature_hash_algorithm, _STRONG)


def belongs_to(certificate: x509.Certificate, chuid: Chuid) -> bool:
    """Says whether it was issued for the card that gave this CHUID.

    It must name the GUID, by which the card goes here: a card whose certificate names the FASC-N alone could answer
    under any GUID. A FASC-N that is the card's own must fit as well. Raises one of UNREADABLE.
    """
    names = [name for each in certificate.extensions for name in _names(each.value)]
    urns = {name.value.lower() for name in names if isinstance(name, x509.UniformResourceIdentifier)}
    numbers = {name.value for name in names if isinstance(name, x509.OtherName) and name.type_id == PIV_FASC_N}
    named = {urn for urn in urns if urn.startswith("urn:uuid:")}
    if named != {uuid.UUID(bytes=chuid.guid).urn}:
        return False
    if chuid.fasc_n is None or not numbers or not is_its_own(chuid.fasc_n):
        return True
    return numbers == {bytes([_OCTETS, len(chuid.fasc_n)]) + chuid.fasc_n}


def begins(certificate: x509.Certificate) -> int:
    """When it begins to be valid, in microseconds UTC."""
    return (certificate.not_valid_before_utc - _EPOCH) // timedelta(microseconds=1)


def ends(certificate: x509.Certificate) -> int:
    """When it is no longer valid, in microseconds UTC; the second that it names is its last (RFC 5280, 4.1.2.5)."""
    return (certificate.not_valid_after_utc - _EPOCH) // timedelta(microseconds=1) + 1_000_000


def _names(extension: x509.ExtensionType) -> x509.SubjectAlternativeName | tuple[()]:
    return extension if isinstance(extension, x509.SubjectAlternativeName) else ()
