"""A certificate authority for a run of the tests: real X.509, valid for loopback only."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK: Final = ("localhost", "127.0.0.1")
Days = tuple[float, float]
VALID: Final[Days] = (-1, 7)
"""From when until when a certificate is valid, in days from now."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Where a certificate and its key lie, and the authority's certificate that vouches for them."""

    ca: Path
    certificate: Path
    key: Path


class CertificateAuthority:
    """Keeps its files in one folder; `certificate` is what the others trust."""

    def __init__(self, folder: Path, name: str = "test authority", days: Days = VALID) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = _valid(self._name, self._name, self._key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(self._key_id, critical=False)
        self.certificate = self._write("ca.pem", _pem(builder.sign(self._key, hashes.SHA256())))

    def issue(self, common_name: str, names: Sequence[str] = LOOPBACK, days: Days = VALID) -> Issued:
        """A certificate for both ends of TLS; a terminal's id is its common name, a broker's addresses are `names`."""
        return self._certified(common_name, ec.generate_private_key(ec.SECP256R1()), names, days)

    def renew(self, common_name: str, names: Sequence[str] = LOOPBACK, days: Days = VALID) -> Issued:
        """Another certificate for the key that was made before."""
        pem = (self._folder / f"{common_name}.key").read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return self._certified(common_name, key, names, days)

    def _certified(self, common_name: str, key: ec.EllipticCurvePrivateKey, names: Sequence[str], days: Days) -> Issued:
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        builder = _valid(_named(common_name), self._name, key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(both, critical=False).add_extension(_alternatives(names), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id), critical=False
        )
        key_bytes = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = _pem(builder.sign(self._key, hashes.SHA256()))
        return Issued(
            self.certificate,
            self._write(f"{common_name}.pem", certificate),
            self._write(f"{common_name}.key", key_bytes),
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _valid(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: Days
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )


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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
