"""Names are sealed to a key only when it is proved whose it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from structlog.testing import capture_logs

from cloud.database import Database
from cloud.errors import CertificateRefused
from cloud.joining.authority import Authority
from cloud.joining.certificates import check_certificate, sealing_key
from cloud.projects.policies import Policies
from cloud.projects.service import set_policies
from cloud.sync.certificates import Certificates
from cloud.sync.models import TableRow
from cloud.units.models import Unit
from cloud.units.service import Placement, bind
from protocol.errors import TerminalId
from protocol.rights import Right
from protocol.sealing import key_id
from protocol.tables import LARGEST_ROW
from tests.cloud.chains import add_terminal
from tests.cloud.site import STAFF, make_site
from tests.support.certificates import CertificateAuthority, Days, Issued
from tests.support.moved_clock import START

ONE = TerminalId("kvarnen-1")


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca")


def der(issued: Issued | Path) -> bytes:
    path = issued if isinstance(issued, Path) else issued.certificate
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_a_terminals_own_certificate_is_taken(authority: CertificateAuthority) -> None:
    issued = authority.issue(ONE)
    check_certificate(der(issued), ONE, None, authority.certificate)
    private = load_pem_private_key(issued.key.read_bytes(), None)
    assert sealing_key(der(issued)) == private.public_key()


def test_what_our_own_authority_makes_is_taken(tmp_path: Path) -> None:
    ours = Authority.open(tmp_path / "authority", datetime.now(UTC))
    made = ours.terminal(ONE, tmp_path / "terminal", datetime.now(UTC))
    check_certificate(der(made.certificate), ONE, None, ours.ca)


@pytest.mark.parametrize("days", [(-800, -70), (-900, -1)])
def test_dates_are_left_to_the_broker(authority: CertificateAuthority, days: Days) -> None:
    """A terminal that was away for years is still the one whose key the authority vouched for."""
    check_certificate(der(authority.issue(ONE, days=days)), ONE, None, authority.certificate)


def test_another_terminals_certificate_is_refused(authority: CertificateAuthority) -> None:
    """A terminal whose name another one begins with, too."""
    for name in ("kvarnen-2", "kvarnen-11", "kvarnen"):
        with pytest.raises(CertificateRefused, match="somebody else's"):
            check_certificate(der(authority.issue(name)), ONE, None, authority.certificate)


def test_another_authoritys_certificate_is_refused(authority: CertificateAuthority, tmp_path: Path) -> None:
    """Also one that calls itself the same, and the terminal itself as its own authority."""
    foreign = CertificateAuthority(tmp_path / "other")
    own = self_signed(ONE)
    for shown in (der(foreign.issue(ONE)), own):
        with pytest.raises(CertificateRefused, match="no authority"):
            check_certificate(shown, ONE, None, authority.certificate)


def test_one_of_several_authorities_is_enough(authority: CertificateAuthority, tmp_path: Path) -> None:
    """While the authority itself is renewed, both are in the file."""
    foreign = CertificateAuthority(tmp_path / "other")
    both = tmp_path / "both.pem"
    both.write_bytes(foreign.certificate.read_bytes() + authority.certificate.read_bytes())
    check_certificate(der(authority.issue(ONE)), ONE, None, both)


@pytest.mark.parametrize("content", [None, b"", b"nothing"])
def test_without_authorities_nobody_is_believed(
    authority: CertificateAuthority, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "none.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CertificateRefused, match=r"none\.pem"):
        check_certificate(der(authority.issue(ONE)), ONE, None, path)


def test_an_older_certificate_is_not_brought_back(authority: CertificateAuthority) -> None:
    """A broken-into broker could play one whose key was given up, and is known to somebody."""
    given_up, held = der(authority.issue(ONE, days=(-5, 7))), der(authority.issue(ONE, days=(-1, 7)))
    check_certificate(held, ONE, given_up, authority.certificate)
    with pytest.raises(CertificateRefused, match="older"):
        check_certificate(given_up, ONE, held, authority.certificate)


@pytest.mark.parametrize("raw", [b"", b"\x30\x00", b"noise" * 100])
def test_what_is_no_certificate_is_refused(authority: CertificateAuthority, raw: bytes) -> None:
    with pytest.raises(CertificateRefused, match="cannot be read"):
        check_certificate(raw, ONE, None, authority.certificate)


def test_a_key_that_cannot_be_sealed_to_is_refused() -> None:
    for shown in (self_signed(ONE, curve=True), self_signed(ONE, curve=False)):
        with pytest.raises(CertificateRefused, match="P-256"):
            sealing_key(shown)


def self_signed(name: str, *, curve: bool | None = None) -> bytes:
    """Signed with its own key: on P-256, or where `curve` is told on P-384 or none at all."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(1)
    builder = builder.not_valid_before(START).not_valid_after(START + timedelta(days=7))
    if curve is False:
        edwards = Ed25519PrivateKey.generate()
        return builder.public_key(edwards.public_key()).sign(edwards, None).public_bytes(Encoding.DER)
    key = generate_private_key(SECP384R1() if curve else SECP256R1())
    return builder.public_key(key.public_key()).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


# --- kept with the unit -----------------------------------------------------------------------------------------------


def held(database: Database) -> bytes | None:
    with database.reading() as session:
        return session.scalars(select(Unit.certificate)).one()


def test_it_is_kept_with_the_unit_and_said_once(database: Database, authority: CertificateAuthority) -> None:
    add_terminal(database, START, ONE)
    shown = der(authority.issue(ONE))
    certificates = Certificates(database, authority.certificate)
    with capture_logs() as lines:
        for _ in range(3):
            certificates.take(ONE, shown)
    assert held(database) == shown
    assert [(line["event"], line["key"]) for line in lines] == [("certificate.taken", key_id(sealing_key(shown)).hex())]


def test_a_refused_one_changes_nothing_and_is_said_once(database: Database, authority: CertificateAuthority) -> None:
    """The terminal shows it again every minute."""
    add_terminal(database, START, ONE)
    good, foreign = der(authority.issue(ONE)), der(authority.issue("kvarnen-2"))
    certificates = Certificates(database, authority.certificate)
    certificates.take(ONE, good)
    with capture_logs() as lines:
        for shown in (foreign, foreign, b"noise", foreign):
            certificates.take(ONE, shown)
    assert held(database) == good
    assert [line["event"] for line in lines] == ["certificate.refused"] * 3


def test_a_binding_without_room_for_names_stops_nothing(database: Database, authority: CertificateAuthority) -> None:
    """All else goes on, and somebody can read in the log what to shorten."""

    def rights(more: int) -> Policies:
        names = [f"{number:03}" + "d" * (87 + min(30, max(0, more - 30 * number))) for number in range(160)]
        return Policies(rights=tuple(Right(f"r{at}", tuple(names[at : at + 16])) for at in range(0, 160, 16)))

    with database.transaction() as session:
        site = make_site(session, ONE)
        bind(session, STAFF, START, ONE, Placement(site.project, "Grinden", ()))
        set_policies(session, STAFF, START, site.project, rights(0))
    room = LARGEST_ROW - len(binding(database))
    with database.transaction() as session:
        set_policies(session, STAFF, START, site.project, rights(room - 20))
    before = binding(database)
    assert LARGEST_ROW - len(before) == 20
    with capture_logs() as lines:
        Certificates(database, authority.certificate).take(ONE, der(authority.issue(ONE)))
    assert (held(database), binding(database)) == (None, before)
    assert [(line["event"], "shorten them" in line["why"]) for line in lines] == [("certificate.refused", True)]


def binding(database: Database) -> bytes:
    with database.reading() as session:
        return session.scalars(select(TableRow.value).filter_by(name="binding", scope=ONE)).one() or b""


def test_a_terminal_nobody_knows_keeps_nothing(database: Database, authority: CertificateAuthority) -> None:
    with capture_logs() as lines:
        Certificates(database, authority.certificate).take(ONE, der(authority.issue(ONE)))
    assert lines == []
