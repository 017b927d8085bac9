"""Issues what a simulated PIV card carries: the keys, the certificate and the CHUID, right or wrong as asked."""

import datetime
import uuid
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID, ObjectIdentifier

from edge.piv.apdu import tlv

CARD_AUTHENTICATION: Final = ObjectIdentifier("2.16.840.1.101.3.6.8")  # id-PIV-cardAuth, SP 800-73-5 part 1, appendix C
PIV_FASC_N: Final = ObjectIdentifier("2.16.840.1.101.3.6.6")  # pivFASC-N
AGENCY_OUTSIDE: Final = 9999  # of cards that no US agency issued
SYMBOLS: Final = {"S": 0b1011, "F": 0b1101, "E": 0b1111}  # start, field separator, end

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Valid = tuple[datetime.datetime, datetime.datetime]
YEARS: Final[Valid] = (
    datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC),
)
"""From when until when what is issued is valid, where nothing else is asked for."""


class Algorithm(StrEnum):
    """What the card-authentication key is (SP 800-78-5, table 1)."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"


def new_key(algorithm: Algorithm) -> Key:
    """A key that nobody else has."""
    match algorithm:
        case Algorithm.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case Algorithm.RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a CHUID and a certificate speak of: the card's GUID (16 bytes) and its FASC-N (25 bytes)."""

    guid: bytes
    fasc_n: bytes

    @classmethod
    def of(cls, guid: bytes) -> Self:
        """With a FASC-N of its own, as an issuer outside the US government writes it."""
        number = int.from_bytes(guid, "big")
        return cls(guid, fasc_n(AGENCY_OUTSIDE, 9999, number % 10**6, number // 10**6 % 10**10))


def fasc_n(agency: int, system: int, credential: int, person: int, organisation: int = 0) -> bytes:
    """40 digits of four bits and odd parity, least significant bit first (PACS technical guidance 2.3, section 2.1).

    Credential series 0 and issue 1, category 1, association 2.
    """
    written = f"S{agency:04}F{system:04}F{credential:06}F0F1F{person:010}1{organisation:04}2E"
    codes = [SYMBOLS.get(symbol) or int(symbol, 16) for symbol in written]
    codes.append(reduce(xor, codes))
    bits = "".join(f"{code:04b}"[::-1] + str(1 - code.bit_count() % 2) for code in codes)
    return int(bits, 2).to_bytes(25, "big")


class Issuer:
    """A certificate authority that issues cards; the standard calls it so too."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key = key
        self.certificate = certificate

    @classmethod
    def created(cls, name: str, valid: Valid = YEARS, above: Self | None = None) -> Self:
        """A new one: a root, or vouched for by the one above it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        signer, signing = (above.certificate.subject, above.key) if above else (subject, key)
        builder = _begun(subject, signer, key.public_key(), valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(_authority(signing.public_key()), critical=False)
        return cls(key, builder.sign(signing, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        """The certificate, as the terminal's settings name it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def certify(self, key: PublicKey, holder: Holder, valid: Valid = YEARS) -> bytes:
        """The card-authentication certificate for a key, DER (SP 800-73-5 part 1, 3.1.3; FPKI profile, worksheet 8)."""
        builder = certificate_of(holder, self.certificate.subject, key, valid)
        builder = builder.add_extension(_authority(self.key.public_key()), critical=False)
        return _der(builder.sign(self.key, hashes.SHA256()))

    def sign(self, content: bytes) -> bytes:
        """The issuer's signature in a CHUID: CMS, detached, with its certificate.

        The content type is id-data, where the standard wants id-PIV-CHUIDSecurityObject: no library here writes that.
        """
        signing = pkcs7.PKCS7SignatureBuilder().set_data(content)
        signing = signing.add_signer(self.certificate, self.key, hashes.SHA256())
        return signing.sign(
            serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        )


def self_signed(key: Key, holder: Holder, valid: Valid = YEARS) -> bytes:
    """A certificate with which a key vouches for itself, DER: what anybody can make."""
    builder = certificate_of(holder, _subject(holder), key.public_key(), valid)
    return _der(builder.sign(key, hashes.SHA256()))


def certificate_of(holder: Holder, issuer: x509.Name, key: PublicKey, valid: Valid) -> x509.CertificateBuilder:
    """What the certificate says, before anybody signs it."""
    name = x509.OtherName(PIV_FASC_N, b"\x04" + bytes([len(holder.fasc_n)]) + holder.fasc_n)
    urn = x509.UniformResourceIdentifier(uuid.UUID(bytes=holder.guid).urn)
    return (
        _begun(_subject(holder), issuer, key, valid)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([CARD_AUTHENTICATION]), critical=True)
        .add_extension(x509.SubjectAlternativeName([name, urn]), critical=False)
    )


def chuid(holder: Holder, expires: datetime.date, issuer: Issuer | None = None, *, odd: bool = False) -> bytes:
    """What a CHUID holds (SP 800-73-5 part 1, 3.1.2 and table 9), signed where an issuer is named.

    An odd one has its parts in another order, lengths longer than need be, and parts that nobody knows.
    """
    date = f"{expires:%Y%m%d}".encode("ascii")
    parts = [(0x30, holder.fasc_n), (0x34, holder.guid), (0x35, date)]
    if odd:
        parts = [(0xEE, b"\x0d\x7d"), (0x35, date), (0xC1, b"unknown"), (0x34, holder.guid), (0x30, holder.fasc_n)]
    content = b"".join(tlv(tag, value, lazy=odd) for tag, value in parts)
    signature = issuer.sign(content) if issuer else b""
    return content + tlv(0x3E, signature, lazy=odd) + tlv(0xFE, b"", lazy=odd)


def _subject(holder: Holder) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, str(uuid.UUID(bytes=holder.guid)))])


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: x509.Name, issuer: x509.Name, key: PublicKey, valid: Valid) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(valid[0]).not_valid_after(valid[1])


def _authority(key: PublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
