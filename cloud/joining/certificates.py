"""Judges the certificates that terminals show: whose they are, and to which key names can be sealed.

Dates are not judged here. The broker has refused what has expired by its own clock when the terminal connected, and
that the authority vouched for this key does not end with a date: a terminal that was away for years needs its names as
before. What is older than the certificate held is refused, so that nobody brings back a key that was given up.
"""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509.oid import NameOID

from cloud.errors import CertificateRefused
from protocol.errors import TerminalId

UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What `cryptography` raises on bytes that are no certificate, or one of a kind that it does not know."""


def check_certificate(certificate: bytes, terminal: TerminalId, held: bytes | None, authorities: Path) -> None:
    """See that a certificate (DER) is this terminal's own, by one of the authorities of a file.

    `held` is the one known so far. Raises CertificateRefused.
    """
    shown = _read(certificate)
    if _common_names(shown) != [terminal]:
        raise CertificateRefused("it is somebody else's: its common name is not this terminal's id")
    if not any(_is_by(shown, authority) for authority in _authorities(authorities)):
        raise CertificateRefused(f"no authority in {authorities} has issued it")
    sealing_key(certificate)
    if held is not None and shown.not_valid_before_utc < _read(held).not_valid_before_utc:
        raise CertificateRefused("it is older than the one that is known; let the terminal join again")


def sealing_key(certificate: bytes) -> EllipticCurvePublicKey:
    """The key of a certificate (DER). Raises CertificateRefused."""
    try:
        key = _read(certificate).public_key()
    except UNREADABLE as exc:
        raise CertificateRefused(f"its key cannot be read: {exc}") from exc
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise CertificateRefused("its key is not on the curve P-256, which names are sealed to")
    return key


def _common_names(shown: x509.Certificate) -> list[str | bytes]:
    try:
        return [name.value for name in shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except UNREADABLE as exc:
        raise CertificateRefused(f"its name cannot be read: {exc}") from exc


def _is_by(shown: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        shown.verify_directly_issued_by(authority)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _authorities(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, *UNREADABLE) as exc:
        raise CertificateRefused(f"the authorities in {path} cannot be read: {exc}") from exc


def _read(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(certificate)
    except UNREADABLE as exc:
        raise CertificateRefused(f"it cannot be read: {exc}") from exc
