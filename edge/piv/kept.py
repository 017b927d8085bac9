"""Keeps simulated PIV cards and their issuers in folders, so that the same card can be used again tomorrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edge.errors import SimulatedCardUnusable
from edge.piv.applet import PLAIN_MANNERS, Manners, PivCard
from edge.piv.issuer import Issuer, Key
from protocol.cards import UID_LENGTHS

LONGEST_FILE: Final = 64 * 1024
CHUID, CERTIFICATE, KEY, CHIP = "chuid.der", "certificate.pem", "key.pem", "card.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A card, and the serial of its chip; without one, the chip makes up another at each touch."""

    card: PivCard
    uid: bytes | None


class _Chip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in card.json."""

    uid: str
    manners: Manners = PLAIN_MANNERS


def keep(kept: Kept, folder: Path) -> None:
    """Write a card into a folder of its own, which is made; what it has not is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    card = kept.card
    chip = msgspec.json.encode(_Chip((kept.uid or b"").hex().upper(), card.manners))
    files = {CHUID: card.chuid, CHIP: msgspec.json.format(chip) + b"\n"}
    if card.certificate is not None:
        files[CERTIFICATE] = x509.load_der_x509_certificate(card.certificate).public_bytes(serialization.Encoding.PEM)
    if card.key is not None:
        files[KEY] = _secret(card.key)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)


def take(folder: Path) -> Kept:
    """The card in a folder. Raises SimulatedCardUnusable where there is none, or none that can be used."""
    try:
        chip = msgspec.json.decode(_read(folder / CHIP), type=_Chip)
        uid = bytes.fromhex(chip.uid)
        if uid and len(uid) not in UID_LENGTHS:
            raise ValueError(f"a serial of {len(uid)} bytes, expected 4, 7, 10 or none")
        certificate = _certificate(folder) if (folder / CERTIFICATE).exists() else None
        key = _key(_read(folder / KEY)) if (folder / KEY).exists() else None
        return Kept(PivCard(_read(folder / CHUID), certificate, key, chip.manners), uid or None)
    except (OSError, ValueError, UnsupportedAlgorithm) as exc:
        raise SimulatedCardUnusable(folder, _reason(exc)) from exc


def issuer_in(folder: Path) -> Issuer:
    """The issuer whose certificate and key are kept there; where there is none, one is made.

    Raises SimulatedCardUnusable.
    """
    try:
        if not (folder / CERTIFICATE).exists():
            return _begun(folder)
        key = _key(_read(folder / KEY))
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("an issuer's key is on an elliptic curve")
        return Issuer(key, x509.load_pem_x509_certificate(_read(folder / CERTIFICATE)))
    except (OSError, ValueError, UnsupportedAlgorithm) as exc:
        raise SimulatedCardUnusable(folder, _reason(exc)) from exc


def _reason(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{Path(fault.filename or '').name}: {fault.strerror}"
    return str(fault)


def _begun(folder: Path) -> Issuer:
    folder.mkdir(parents=True, exist_ok=True)
    issuer = Issuer.created(folder.name)
    (folder / KEY).write_bytes(_secret(issuer.key))
    (folder / KEY).chmod(0o600)
    (folder / CERTIFICATE).write_bytes(issuer.pem)
    return issuer


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        raise ValueError(f"{path.name} is longer than {LONGEST_FILE} bytes")
    return content


def _certificate(folder: Path) -> bytes:
    certificate = x509.load_pem_x509_certificate(_read(folder / CERTIFICATE))
    return certificate.public_bytes(serialization.Encoding.DER)


def _key(pem: bytes) -> Key:
    key = serialization.load_pem_private_key(pem, password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in {"secp256r1", "secp384r1"}:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048:
        return key
    raise ValueError("its key is neither P-256, P-384 nor RSA of 2048 bits")


def _secret(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
