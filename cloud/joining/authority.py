"""Makes the keys and certificates that terminal, broker and cloud know each other by.

The certificates keep to RFC 5280 as OpenSSL's strict check reads it (Python 3.13 verifies with it), and begin a day
early, so that a terminal whose clock is a little behind can join.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.errors import KeyUnusable
from cloud.events import Event
from cloud.units.service import THE_CLOUD, new_terminal_id

BACKDATED: Final = timedelta(days=1)
CA_LASTS: Final = timedelta(days=20 * 365)
SERVER_LASTS: Final = timedelta(days=825)
CLIENT_LASTS: Final = timedelta(days=2 * 365)
RENEW_BEFORE: Final = timedelta(days=60)
OURS_ONLY: Final = 0o600

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """The files by which one party proves itself."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority of one installation; its key never leaves the folder."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._certificate = certificate
        self._key = key

    @classmethod
    def open(cls, folder: Path, now: datetime) -> Self:
        """Open the authority in this folder, or make one where there is none. Raises KeyUnusable."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate_file, key_file = folder / "ca.pem", folder / "ca.key"
        if not certificate_file.exists():  # it is written last: without it nobody has trusted the key yet
            key = generate_private_key(SECP256R1())
            _write(key_file, _private_pem(key))
            _write(certificate_file, _self_signed(key, now).public_bytes(Encoding.PEM))
            log.info(Event.AUTHORITY_CREATED, folder=str(folder))
        return cls(folder, _read_certificate(certificate_file), _read_key(key_file))

    def server(self, name: str, names: tuple[str, ...], now: datetime) -> Identity:
        """The identity of a server that is reached by these names and addresses; renewed in time."""
        alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
        return self._identity(name, name, alternatives, now)

    def cloud(self, now: datetime) -> Identity:
        """The cloud's own identity at the broker."""
        return self._identity("cloud", THE_CLOUD, None, now)

    def terminal(self, terminal: str, folder: Path, now: datetime) -> Identity:
        """A terminal's identity, its key made here: for a demonstration and for tests. Raises FieldInvalid."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = generate_private_key(SECP256R1())
        made = Identity(folder / "terminal.pem", folder / "terminal.key")
        _write(made.key, _private_pem(key))
        certificate = self._issue(new_terminal_id(terminal), key, None, now)
        _write(made.certificate, certificate.public_bytes(Encoding.PEM))
        return made

    def _identity(
        self, stem: str, name: str, alternatives: x509.SubjectAlternativeName | None, now: datetime
    ) -> Identity:
        held = Identity(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        if self._is_good(held, alternatives, now):
            return held
        key = generate_private_key(SECP256R1())
        certificate = self._issue(name, key, alternatives, now)
        held.certificate.unlink(missing_ok=True)  # never a certificate beside a key that is not its own
        _write(held.key, _private_pem(key))
        _write(held.certificate, certificate.public_bytes(Encoding.PEM))
        return held

    def _is_good(self, held: Identity, alternatives: x509.SubjectAlternativeName | None, now: datetime) -> bool:
        if not (held.certificate.exists() and held.key.exists()):
            return False
        certificate = _read_certificate(held.certificate)
        if certificate.issuer != self._certificate.subject or now > certificate.not_valid_after_utc - RENEW_BEFORE:
            return False
        if alternatives is None:
            return True
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(named) == set(alternatives)

    def _issue(
        self,
        name: str,
        key: EllipticCurvePrivateKey,
        alternatives: x509.SubjectAlternativeName | None,
        now: datetime,
    ) -> x509.Certificate:
        """A certificate: of a server where there are alternative names, else of a client."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if alternatives is None else ExtendedKeyUsageOID.SERVER_AUTH
        lasts = CLIENT_LASTS if alternatives is None else SERVER_LASTS
        identifier = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(_name(name), key, now, lasts)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        log.info(Event.CERTIFICATE_ISSUED, name=name, until=certificate.not_valid_after_utc.isoformat())
        return certificate


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs what goes down, made where there is no file yet. Raises KeyUnusable."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, _private_pem(Ed25519PrivateKey.generate()))
    key = _load(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(path, "it holds no Ed25519 key")
    return key


def _self_signed(key: EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"Grindvakt {identifier.digest.hex()[:8]}")
    return (
        _builder(name, key, now, CA_LASTS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(name: x509.Name, key: EllipticCurvePrivateKey, now: datetime, lasts: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, on disk when it returns, and readable by us only from the first byte on."""
    coming = path.with_name(f".{path.name}.new")
    coming.unlink(missing_ok=True)
    descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OURS_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    coming.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise KeyUnusable(path, f"no certificate can be read: {exc}") from exc


def _read_key(path: Path) -> EllipticCurvePrivateKey:
    key = _load(path)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyUnusable(path, "it holds no key of the kind that signs certificates")
    return key


def _load(path: Path) -> object:
    try:
        mode = path.stat().st_mode & 0o077
        if mode:
            raise KeyUnusable(path, f"others may read it; run `chmod 600 {path}`")
        return load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as exc:
        raise KeyUnusable(path, f"no key can be read: {exc}") from exc
