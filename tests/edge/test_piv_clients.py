"""Independent clients, OpenSC and yubico-piv-tool over a real pcscd, take the simulated card for a PIV card.

The code that reads cards at a terminal was written by those who wrote the card. These clients were not: what they read
and verify is what the card really says. OpenSC's pkcs11-tool asks for a PIN before it signs, which a PIV card refuses
over the air; its pkcs15-crypt knows that key 9E needs none.
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from edge.piv.applet import Manners, PivCard
from edge.piv.issuer import Algorithm, Issuer
from edge.readers.pcsc.virtual_card import Held, VirtualCard
from edge.readers.pcsc.virtual_reader import VirtualReader
from tests.support.pcscd import FieldWatcher, free_port_pairs, running_pcscd

PORT = free_port_pairs(1)[0]
GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
ISSUER = Issuer.created("an issuer of the tests")
MESSAGE: Final = b"a challenge of somebody else's"
LIMIT: Final = 60
DIGESTS: Final[dict[Algorithm, hashes.HashAlgorithm]] = {
    Algorithm.P256: hashes.SHA256(),
    Algorithm.P384: hashes.SHA384(),
    Algorithm.RSA2048: hashes.SHA256(),
}
CARDS = {algorithm: PivCard.issued(GUID, ISSUER, algorithm) for algorithm in Algorithm}


@pytest.fixture(scope="module")
def pcscd() -> Iterator[VirtualReader]:
    with running_pcscd([PORT]) as running:
        yield running


@pytest.fixture(scope="module")
def field(pcscd: VirtualReader) -> Iterator[VirtualCard]:
    held = VirtualCard(PORT)
    yield held
    held.remove()


def hold(field: VirtualCard, card: PivCard) -> None:
    """Hold a card against the reader, until pcscd knows of it."""
    field.remove()
    FieldWatcher(PORT).wait_until_empty()
    field.hold(Held(bytes.fromhex("04A1B2C3D4E5F6"), card))
    FieldWatcher(PORT).wait_until_there()


@pytest.fixture(scope="module", params=list(Algorithm))
def algorithm(field: VirtualCard, request: pytest.FixtureRequest) -> Algorithm:
    """A card with a key of this kind lies on the reader."""
    chosen = Algorithm(request.param)
    hold(field, CARDS[chosen])
    return chosen


def said(*command: str | Path) -> str:
    """What a client prints; it must not fail."""
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout + outcome.stderr


def yubico(action: str, *options: str | Path) -> str:
    return said("yubico-piv-tool", "--reader", "Virtual", "--action", action, *options)


def issued(card: PivCard) -> x509.Certificate:
    assert card.certificate is not None
    return x509.load_der_x509_certificate(card.certificate)


def certificate_read_by_opensc(folder: Path) -> x509.Certificate:
    read = folder / "opensc.der"
    said("pkcs11-tool", "--read-object", "--type", "cert", "--id", "04", "--output-file", read)
    return x509.load_der_x509_certificate(read.read_bytes())


def signature_made_by_opensc(folder: Path, algorithm: Algorithm) -> bytes:
    """OpenSC's signature with key 9E over the message, without any PIN."""
    (folder / "digest").write_bytes(hashlib.new(DIGESTS[algorithm].name, MESSAGE).digest())
    form = ["--sha-256", "--pkcs1"] if algorithm is Algorithm.RSA2048 else ["--signature-format", "openssl"]
    files = ("--input", folder / "digest", "--output", folder / "signature")
    said("pkcs15-crypt", "--sign", "--key", "04", "--raw", *form, *files)
    return (folder / "signature").read_bytes()


def verify(certificate: x509.Certificate, signature: bytes, algorithm: Algorithm) -> None:
    """Raises InvalidSignature."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, MESSAGE, padding.PKCS1v15(), DIGESTS[algorithm])
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, MESSAGE, ec.ECDSA(DIGESTS[algorithm]))


def test_opensc_knows_it_as_a_piv_card(algorithm: Algorithm) -> None:
    assert "Personal Identity Verification Card" in said("opensc-tool", "--name")


def test_opensc_reads_its_chuid(algorithm: Algorithm) -> None:
    printed = said("piv-tool", "--send-apdu", "00:CB:3F:FF:05:5C:03:5F:C1:02:00")
    assert "SW1=0x90, SW2=0x00" in printed
    rows = re.findall(r"^((?:[0-9A-F]{2} )+)", printed.partition("Received")[2], re.MULTILINE)
    chuid = bytes.fromhex("".join(rows))
    assert chuid[4:] == CARDS[algorithm].chuid
    assert b"\x34\x10" + GUID in chuid


def test_opensc_takes_the_guid_for_its_serial_number(algorithm: Algorithm) -> None:
    assert GUID.hex(" ").upper() in said("piv-tool", "--serial")


def test_opensc_reads_its_certificate(algorithm: Algorithm, tmp_path: Path) -> None:
    assert certificate_read_by_opensc(tmp_path) == issued(CARDS[algorithm])


def test_opensc_gets_a_signature_that_the_certificate_verifies(algorithm: Algorithm, tmp_path: Path) -> None:
    verify(certificate_read_by_opensc(tmp_path), signature_made_by_opensc(tmp_path, algorithm), algorithm)


def test_yubico_piv_tool_reads_its_chuid(algorithm: Algorithm) -> None:
    assert yubico("read-object", "--id", "0x5fc102", "--format", "hex").strip() == CARDS[algorithm].chuid.hex()


def test_yubico_piv_tool_reads_its_certificate_and_verifies_its_signature(algorithm: Algorithm, tmp_path: Path) -> None:
    read = tmp_path / "yubico.pem"
    yubico("read-certificate", "--slot", "9e", "--output", read)
    assert x509.load_pem_x509_certificate(read.read_bytes()) == issued(CARDS[algorithm])
    kind = {Algorithm.P256: "ECCP256", Algorithm.P384: "ECCP384", Algorithm.RSA2048: "RSA2048"}[algorithm]
    digest = DIGESTS[algorithm].name.upper()
    told = yubico("test-signature", "--slot", "9e", "--algorithm", kind, "--hash", digest, "--input", read)
    assert re.search(r"Successful (RSA|ECDSA) verification", told)


def test_both_see_when_it_expires_and_who_issued_it(algorithm: Algorithm) -> None:
    told = yubico("status")
    assert "Issuer DN:\tCN=an issuer of the tests" in told
    assert "Not After:\tDec 31 00:00:00 2049 GMT" in told
    assert "CARD AUTH key" in said("pkcs15-tool", "--list-keys")


@pytest.mark.parametrize(
    "manners",
    [Manners(compressed=True), Manners(at_once=100), Manners(lazy_lengths=True)],
    ids=["compressed", "small-answers", "lazy-lengths"],
)
def test_what_the_standard_leaves_open_disturbs_no_client(field: VirtualCard, tmp_path: Path, manners: Manners) -> None:
    card = PivCard.issued(GUID, ISSUER, odd=manners.lazy_lengths, manners=manners)
    hold(field, card)
    assert certificate_read_by_opensc(tmp_path) == issued(card)
    verify(issued(card), signature_made_by_opensc(tmp_path, Algorithm.P256), Algorithm.P256)
    assert yubico("read-object", "--id", "0x5fc102", "--format", "hex").strip() == card.chuid.hex()


def test_a_copy_gives_itself_away_to_them_too(field: VirtualCard, tmp_path: Path) -> None:
    genuine = CARDS[Algorithm.P256]
    hold(field, genuine.copied())
    assert certificate_read_by_opensc(tmp_path) == issued(genuine)
    signature = signature_made_by_opensc(tmp_path, Algorithm.P256)
    with pytest.raises(InvalidSignature):
        verify(issued(genuine), signature, Algorithm.P256)
    certificate = tmp_path / "certificate.pem"
    yubico("read-certificate", "--slot", "9e", "--output", certificate)
    asked = ("--slot", "9e", "--algorithm", "ECCP256", "--input", certificate)
    told = subprocess.run(
        ["yubico-piv-tool", "--reader", "Virtual", "--action", "test-signature", *asked],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert told.stderr == "Failed ECDSA verification.\n"
