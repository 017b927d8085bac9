"""The issuers whose cards a terminal believes: certificates that the installer put there and named in the settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from edge.piv.certificate import UNREADABLE, begins, ends, is_strong
from edge.words import _

LARGEST_FILE: Final = 256 * 1024
MOST_IN_A_FILE: Final = 64
LONGEST_CHAIN: Final = 8


class Issuers:
    """Certificates of issuers, each trusted for itself, whether or not one above it is there too."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        # of two for the same name and key, the one that is valid longest
        self._certificates = sorted(certificates, key=ends, reverse=True)

    def __bool__(self) -> bool:
        """Says whether there is one."""
        return bool(self._certificates)

    def above(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """Whoever issued it, whoever issued that, and so on, as far as they are here; empty for a foreign one.

        Raises one of UNREADABLE.
        """
        chain = list[x509.Certificate]()
        below = certificate
        while len(chain) < LONGEST_CHAIN:
            issuer = next((each for each in self._certificates if _issued(below, each)), None)
            if issuer is None or issuer in chain:
                break
            chain.append(issuer)
            below = issuer
        return tuple(chain)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The issuers that could be read, and a sentence for each that could not."""

    issuers: Issuers
    problems: tuple[str, ...]


def load(paths: Sequence[Path]) -> Loaded:
    """Read the files, each PEM with one certificate or several; what is wrong with one does not keep out another."""
    certificates, problems = list[x509.Certificate](), list[str]()
    for path in paths:
        try:
            found = _read(path)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            problems.append(_("cards.issuers: {path} cannot be read: {reason}").format(path=path, reason=reason))
            continue
        for each in found:
            if _may_issue(each):
                certificates.append(each)
            else:
                said = _(
                    "cards.issuers: {path} holds a certificate of {subject}, who may not issue others: "
                    "name the issuer's certificate, not a card's"
                )
                problems.append(said.format(path=path, subject=each.subject.rfc4514_string()))
    return Loaded(Issuers(certificates), tuple(problems))


def out_of_date(paths: Sequence[Path], now: int) -> list[str]:
    """What is right, and of no use at this time (microseconds UTC): a sentence for each issuer out of date."""
    said = list[str]()
    for path in paths:
        try:
            found = _read(path)
        except (OSError, ValueError):
            continue
        for each in found:
            if not begins(each) <= now < ends(each):
                sentence = _(
                    "{path}: {subject} is valid from {begins} until {ends}: its cards are refused at other times"
                )
                subject, dates = each.subject.rfc4514_string(), (each.not_valid_before_utc, each.not_valid_after_utc)
                first, last = (f"{date:%Y-%m-%d}" for date in dates)
                said.append(sentence.format(path=path, subject=subject, begins=first, ends=last))
    return said


def _read(path: Path) -> list[x509.Certificate]:
    """Raises OSError and ValueError, each with a reason that can be said."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError(_("it is larger than {size} bytes").format(size=LARGEST_FILE))
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError as exc:
        raise ValueError(_("it is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")) from exc
    if len(found) > MOST_IN_A_FILE:
        raise ValueError(_("it holds more than {most} certificates").format(most=MOST_IN_A_FILE))
    return found


def _may_issue(certificate: x509.Certificate) -> bool:
    """RFC 5280, 4.2.1.3 and 4.2.1.9: a CA says so, and that its key signs certificates."""
    is_authority, signs = False, False
    try:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.BasicConstraints):
                is_authority = extension.value.ca
            elif isinstance(extension.value, x509.KeyUsage):
                signs = extension.value.key_cert_sign
    except UNREADABLE:
        return False
    return is_authority and signs


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate == issuer or certificate.issuer != issuer.subject or not is_strong(certificate):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True
