"""A simulated PIV card that is kept in a folder is the same card when it is taken from there."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from edge.errors import SimulatedCardUnusable
from edge.piv.applet import Manners, PivCard
from edge.piv.issuer import Algorithm, Issuer, Key
from edge.piv.kept import Kept, issuer_in, keep, take

ISSUER = Issuer.created("ID06")
GUID = bytes(range(16))
UID = bytes.fromhex("04A1B2C3D4E5F6")


def numbers(key: Key | None) -> object:
    assert key is not None
    return key.private_numbers()


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("uid", [UID, None])
def test_a_card_comes_back_as_it_was(tmp_path: Path, algorithm: Algorithm, uid: bytes | None) -> None:
    card = PivCard.issued(GUID, ISSUER, algorithm, manners=Manners(version=b"\x02\x00", at_once=100, compressed=True))
    keep(Kept(card, uid), tmp_path / "anna")
    taken = take(tmp_path / "anna")
    assert numbers(taken.card.key) == numbers(card.key)
    assert taken == Kept(replace(card, key=taken.card.key), uid)


def test_a_card_without_key_has_none_when_it_comes_back(tmp_path: Path) -> None:
    keep(Kept(PivCard.issued(GUID, ISSUER).without_key(), UID), tmp_path)
    taken = take(tmp_path).card
    assert (taken.certificate, taken.key) == (None, None)


def test_nobody_else_may_read_a_cards_key(tmp_path: Path) -> None:
    keep(Kept(PivCard.issued(GUID, ISSUER), UID), tmp_path)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("card.json", b"{}", "missing required field"),
        ("card.json", b'{"uid": "04"}', "1 bytes"),
        ("card.json", b'{"uid": "", "manners": {"at_once": 0}}', "0 bytes at once"),
        ("card.json", b" " * 70_000, "longer than"),
        ("key.pem", b"nothing", "PEM"),
        ("certificate.pem", b"nothing", "PEM"),
    ],
)
def test_a_folder_that_was_changed_is_refused_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    keep(Kept(PivCard.issued(GUID, ISSUER), UID), tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SimulatedCardUnusable, match=why) as refused:
        take(tmp_path)
    assert "python -m edge.piv issue" in str(refused.value)


def test_an_issuer_is_made_once(tmp_path: Path) -> None:
    first, again = issuer_in(tmp_path / "issuer"), issuer_in(tmp_path / "issuer")
    assert first.certificate == again.certificate
    assert first.key.private_numbers() == again.key.private_numbers()
    (tmp_path / "issuer" / "key.pem").write_bytes(b"nothing")
    with pytest.raises(SimulatedCardUnusable):
        issuer_in(tmp_path / "issuer")


def piv(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edge.piv", *words], capture_output=True, text=True, check=False)


def test_the_command_makes_cards_and_copies(tmp_path: Path) -> None:
    issuer, anna = tmp_path / "ID06", tmp_path / "anna"
    rsa_card = ("--algorithm", "rsa2048", "--guid", GUID.hex(), "--uid", UID.hex(), "--compressed")
    assert piv("issue", anna, "--issuer", issuer, *rsa_card).returncode == 0
    assert piv("issue", tmp_path / "alone").returncode == 0
    assert piv("copy", anna, tmp_path / "copy").returncode == 0
    assert piv("copy", anna, tmp_path / "bare", "--bare").returncode == 0
    made = take(anna)
    assert isinstance(made.card.key, rsa.RSAPrivateKey)
    assert (made.uid, made.card.manners.compressed) == (UID, True)
    assert GUID in made.card.chuid
    loaded(made.card).verify_directly_issued_by(issuer_in(issuer).certificate)
    alone = loaded(take(tmp_path / "alone").card)
    assert alone.issuer == alone.subject
    copied, bare = take(tmp_path / "copy").card, take(tmp_path / "bare").card
    assert copied.certificate == made.card.certificate
    assert numbers(copied.key) != numbers(made.card.key)
    assert (bare.chuid, bare.certificate) == (made.card.chuid, None)


@pytest.mark.parametrize(
    "words", [("issue", "x", "--guid", "01"), ("issue", "x", "--uid", "04A1"), ("copy", "nowhere", "x"), ()]
)
def test_a_wrong_word_is_refused_without_a_trace(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = piv(*words)
    assert refused.returncode != 0
    assert refused.stderr
    assert "Traceback" not in refused.stderr


def loaded(card: PivCard) -> x509.Certificate:
    assert card.certificate is not None
    return x509.load_der_x509_certificate(card.certificate)
