"""Keys and certificates stand up to OpenSSL's strict check, stay private, and are renewed in time."""

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.errors import FieldInvalid, KeyUnusable
from cloud.joining.authority import Authority, Identity, signing_key

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1", "grind.example", "2001:db8::7")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", NOW)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verified(authority: Authority, identity: Identity, purpose: str, *more: str) -> None:
    """OpenSSL itself, at its strictest."""
    asked = ["openssl", "verify", "-x509_strict", "-CAfile", str(authority.ca), "-purpose", purpose]
    asked += ["-attime", str(int(NOW.timestamp())), *more, str(identity.certificate)]
    answer = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_certificates_pass_the_strict_check(authority: Authority, tmp_path: Path) -> None:
    server = authority.server("broker", NAMES, NOW)
    verified(authority, server, "sslserver", "-verify_hostname", "grind.example")
    verified(authority, server, "sslserver", "-verify_ip", "127.0.0.1")
    verified(authority, server, "sslserver", "-verify_ip", "2001:db8::7")
    verified(authority, authority.cloud(NOW), "sslclient")
    verified(authority, authority.terminal("kvarnen-1", tmp_path / "terminal", NOW), "sslclient")


def test_a_handshake_succeeds_both_ways_with_strict_verification(authority: Authority, tmp_path: Path) -> None:
    """As Python 3.13 does by default; without a socket, from memory to memory."""
    now = datetime.now(UTC)
    live = Authority.open(tmp_path / "live", now)
    theirs, ours = live.server("broker", NAMES, now), live.terminal("kvarnen-1", tmp_path / "terminal", now)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=live.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=live.ca)
    for context, identity in ((server, theirs), (client, ours)):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(identity.certificate, identity.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname="127.0.0.1"),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    seen = ends[1].getpeercert()
    assert seen is not None
    assert (("commonName", "kvarnen-1"),) in seen["subject"]


def test_certificates_begin_a_day_early(authority: Authority, tmp_path: Path) -> None:
    """Pitfall 17: a clock that is behind must not keep a terminal out."""
    made = authority.terminal("kvarnen-1", tmp_path / "terminal", NOW)
    for path in (authority.ca, made.certificate):
        assert read(path).not_valid_before_utc == NOW - timedelta(days=1)


def test_the_common_name_is_the_terminal(authority: Authority, tmp_path: Path) -> None:
    made = authority.terminal("kvarnen-1", tmp_path / "terminal", NOW)
    assert read(made.certificate).subject.rfc4514_string() == "CN=kvarnen-1"


@pytest.mark.parametrize("name", ["cloud", "all", "", "Kvarnen", "a/b", "x" * 41, "+", "#"])
def test_nobody_gets_a_certificate_in_somebody_elses_name(authority: Authority, tmp_path: Path, name: str) -> None:
    with pytest.raises(FieldInvalid):
        authority.terminal(name, tmp_path / "terminal", NOW)


def test_files_are_readable_by_us_only(authority: Authority, tmp_path: Path) -> None:
    authority.server("broker", NAMES, NOW)
    authority.cloud(NOW)
    authority.terminal("kvarnen-1", tmp_path / "terminal", NOW)
    signing_key(tmp_path / "signing.key")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_authority_and_its_certificates_stay_the_same(authority: Authority) -> None:
    before = {path.name: path.read_bytes() for path in made(authority, NOW)}
    later = Authority.open(authority.folder, NOW + timedelta(days=100))
    assert {path.name: path.read_bytes() for path in made(later, NOW + timedelta(days=100))} == before


def made(authority: Authority, now: datetime) -> list[Path]:
    server, cloud = authority.server("broker", NAMES, now), authority.cloud(now)
    return [authority.ca, server.certificate, server.key, cloud.certificate, cloud.key]


def test_a_certificate_is_renewed_before_it_ends(authority: Authority) -> None:
    before = read(authority.cloud(NOW).certificate)
    after = read(authority.cloud(before.not_valid_after_utc - timedelta(days=59)).certificate)
    assert after.not_valid_after_utc > before.not_valid_after_utc


def test_new_names_make_a_new_certificate_of_the_server(authority: Authority) -> None:
    authority.server("broker", ("localhost",), NOW)
    server = authority.server("broker", (*NAMES, "new.example"), NOW)
    verified(authority, server, "sslserver", "-verify_hostname", "new.example")


def test_what_an_interrupted_start_left_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    folder.mkdir()
    (folder / "ca.key").write_text("half a ke")
    (folder / ".ca.pem.new").write_text("half a certificate")
    authority = Authority.open(folder, NOW)
    verified(authority, authority.cloud(NOW), "sslclient")


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
def test_a_damaged_file_is_named_and_never_replaced(authority: Authority, name: str) -> None:
    """A new authority would lock every terminal out."""
    (authority.folder / name).write_bytes(b"rubbish")
    with pytest.raises(KeyUnusable, match="restore it from a backup"):
        Authority.open(authority.folder, NOW)
    assert (authority.folder / name).read_bytes() == b"rubbish"


def test_the_signing_key_is_made_once(tmp_path: Path) -> None:
    first = signing_key(tmp_path / "keys" / "signing.key")
    again = signing_key(tmp_path / "keys" / "signing.key")
    assert isinstance(first, Ed25519PrivateKey)
    assert first.public_key() == again.public_key()


def test_a_signing_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    signing_key(path)
    path.chmod(0o644)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        signing_key(path)


def test_a_key_of_another_kind_signs_nothing(authority: Authority) -> None:
    with pytest.raises(KeyUnusable, match="no Ed25519 key"):
        signing_key(authority.folder / "ca.key")
