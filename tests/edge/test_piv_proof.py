"""Only the card that was issued proves itself: a copy, another's name and somebody else's issuer are told apart."""

import datetime
import gzip
import os
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CardFault
from edge.piv.applet import Applet, Manners, PivCard
from edge.piv.certificate import CARD_AUTH, LARGEST, PIV_FASC_N, Stored, stored, unpacked
from edge.piv.chuid import Chuid
from edge.piv.exchange import carried
from edge.piv.issuer import Algorithm, Holder, Issuer, chuid, fasc_n
from edge.piv.tlv import wrapped
from edge.readers.pcsc.contactless import identified
from protocol.decision import Credential, Proof
from tests.support.held_card import SUCCESS, HeldCard, trusting

pytestmark = pytest.mark.feature("F05")

GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
OTHER_GUID = bytes.fromhex("FEDCBA9876543210FEDCBA9876543210")
ROOT = Issuer.created("Root of all cards")
ISSUER = Issuer.created("ID06 on trial", above=ROOT)
FOREIGNER = Issuer.created("ID06 on trial")
CARD = PivCard.issued(GUID, ISSUER)
OTHER = PivCard.issued(OTHER_GUID, ISSUER)
SIGNING = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
DECIPHERING = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
AUTHORITY = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
GET_CERTIFICATE = bytes.fromhex("5FC101")


def proof(card: PivCard, *issuers: Issuer) -> Proof:
    return credential(card, *issuers).proof


def credential(card: PivCard, *issuers: Issuer) -> Credential:
    return HeldCard(card).read(trusting(*issuers or [ISSUER])).credential


def certified(
    names: Sequence[x509.GeneralName] | None = None,
    usage: x509.KeyUsage | None = SIGNING,
    uses: Sequence[x509.ObjectIdentifier] | None = (CARD_AUTH,),
    *,
    hashed: hashes.SHA224 | None = None,
    days: tuple[str, str] = ("2020-01-01", "2040-01-01"),
) -> PivCard:
    """The card with another certificate for its key, which the issuer signed all the same."""
    begins, ends = (datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC) for day in days)
    assert CARD.key is not None
    builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "card")]))
    builder = builder.issuer_name(ISSUER.certificate.subject).public_key(CARD.key.public_key())
    builder = builder.serial_number(7).not_valid_before(begins).not_valid_after(ends)
    if names != []:
        builder = builder.add_extension(x509.SubjectAlternativeName(names or [urn(GUID)]), critical=False)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if uses is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=True)
    signed = builder.sign(ISSUER.key, hashed or hashes.SHA256())
    return replace(CARD, certificate=signed.public_bytes(serialization.Encoding.DER))


def urn(guid: bytes) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(uuid.UUID(bytes=guid).urn)


def number(value: bytes) -> x509.OtherName:
    return x509.OtherName(PIV_FASC_N, wrapped(0x04, value))


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(
    "manners",
    [Manners(), Manners(compressed=True), Manners(at_once=128, lazy_lengths=True, chained_select=True)],
    ids=["plain", "compressed", "in parts"],
)
def test_the_card_that_was_issued_is_genuine(algorithm: Algorithm, manners: Manners) -> None:
    assert proof(PivCard.issued(GUID, ISSUER, algorithm, manners=manners)) is Proof.GENUINE


def test_a_copy_of_what_anybody_can_read_has_no_key() -> None:
    assert proof(CARD.without_key()) is Proof.NO_KEY


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_copy_with_the_certificate_and_a_key_of_its_own_is_copied(algorithm: Algorithm) -> None:
    assert proof(PivCard.issued(GUID, ISSUER, algorithm).copied()) is Proof.COPIED


def test_a_copy_with_the_certificate_and_no_key_at_all_is_copied() -> None:
    """The certificate says that there is a key: a card that refuses to use it is not taken for one without."""
    assert proof(replace(CARD, key=None)) is Proof.COPIED


def test_an_answer_overheard_yesterday_is_worth_nothing_today() -> None:
    held, overheard = HeldCard(CARD), list[bytes]()

    def listening(command: bytes) -> bytes:
        overheard.append(held.answer(command))
        return overheard[-1]

    prover = trusting(ISSUER)
    genuine = carried(identified(prover, is_reversed=False), listening)
    played = iter(overheard)
    replayed = carried(identified(prover, is_reversed=False), lambda _: next(played))
    assert (genuine.credential.proof, replayed.credential.proof) == (Proof.GENUINE, Proof.COPIED)
    assert genuine.card == replayed.card


def test_a_good_card_that_answers_under_the_chuid_of_another_is_mismatched() -> None:
    assert proof(OTHER.under(CARD)) is Proof.MISMATCHED


def test_a_card_that_vouches_for_itself_is_foreign() -> None:
    assert proof(PivCard.issued(GUID, None)) is Proof.FOREIGN


def test_a_card_of_an_issuer_who_only_has_the_name_of_ours_is_foreign() -> None:
    assert proof(PivCard.issued(GUID, FOREIGNER)) is Proof.FOREIGN


def test_a_card_of_the_issuer_above_ours_is_foreign_where_only_ours_is_named() -> None:
    assert proof(PivCard.issued(GUID, ROOT)) is Proof.FOREIGN
    assert proof(PivCard.issued(GUID, ROOT), ROOT) is Proof.GENUINE


def test_an_issuer_whom_only_one_above_knows_is_foreign() -> None:
    assert proof(CARD, ROOT) is Proof.FOREIGN
    assert proof(CARD, ROOT, ISSUER) is Proof.GENUINE


@pytest.mark.parametrize(
    "card",
    [
        certified(usage=DECIPHERING),
        certified(usage=None),
        certified(usage=AUTHORITY),
        certified(uses=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    ],
    ids=["deciphering", "no usage", "authority", "client of TLS"],
)
def test_a_certificate_that_was_made_for_something_else_is_foreign(card: PivCard) -> None:
    assert proof(card) is Proof.FOREIGN


@pytest.mark.parametrize("uses", [None, (ExtendedKeyUsageOID.CLIENT_AUTH, CARD_AUTH)])
def test_a_certificate_for_this_use_among_others_or_without_any_is_good(
    uses: Sequence[x509.ObjectIdentifier] | None,
) -> None:
    assert proof(certified(uses=uses)) is Proof.GENUINE


def test_a_certificate_signed_over_a_weak_hash_is_foreign() -> None:
    assert proof(certified(hashed=hashes.SHA224())) is Proof.FOREIGN


@pytest.mark.parametrize(
    "names",
    [
        [],
        [urn(OTHER_GUID)],
        [urn(GUID), urn(OTHER_GUID)],
        [x509.DNSName("grindvakt.example")],
        [number(Holder.of(GUID).fasc_n)],
        [x509.UniformResourceIdentifier("urn:uuid:0123")],
    ],
    ids=["none", "another", "two", "of a computer", "the number alone", "no uuid"],
)
def test_a_certificate_that_does_not_name_this_card_is_mismatched(names: list[x509.GeneralName]) -> None:
    assert proof(certified(names)) is Proof.MISMATCHED


def test_the_case_of_the_name_does_not_matter() -> None:
    upper = x509.UniformResourceIdentifier(f"urn:uuid:{str(uuid.UUID(bytes=GUID)).upper()}")
    assert proof(certified([upper])) is Proof.GENUINE


def test_a_number_of_an_agency_must_fit_and_a_filler_need_not() -> None:
    ours, theirs = fasc_n(32, 1, 92446, 1112223333), fasc_n(32, 1, 92447, 1112223333)
    filler = fasc_n(9999, 9999, 999999, 0)
    spoken = {value: chuid(Holder(GUID, value), datetime.date(2040, 1, 1)) for value in (ours, filler)}
    assert proof(replace(certified([urn(GUID), number(ours)]), chuid=spoken[ours])) is Proof.GENUINE
    assert proof(replace(certified([urn(GUID), number(theirs)]), chuid=spoken[ours])) is Proof.MISMATCHED
    assert proof(replace(certified([urn(GUID), number(theirs)]), chuid=spoken[filler])) is Proof.GENUINE
    assert proof(replace(certified([urn(GUID)]), chuid=spoken[ours])) is Proof.GENUINE


def test_the_dates_are_the_narrowest_of_card_certificate_and_issuers() -> None:
    wide, narrow = span("2010-01-01", "2049-12-31"), span("2021-03-01", "2026-06-30")
    root = Issuer.created("root", narrow)
    issuer = Issuer.created("issuer", wide, above=root)
    card = PivCard.issued(GUID, issuer, valid=wide)
    alone, whole = credential(card, issuer), credential(card, issuer, root)
    assert (alone.proof, alone.valid_from) == (Proof.GENUINE, microseconds(wide[0]))
    assert alone.valid_until == microseconds(wide[1]) + 1_000_000
    assert whole.valid_from == microseconds(narrow[0])
    assert whole.valid_until == microseconds(narrow[1]) + 1_000_000


def test_a_date_in_the_chuid_alone_counts_where_it_is_the_narrowest() -> None:
    card = certified(days=("2020-01-01", "2040-01-01"))
    ends = replace(card, chuid=chuid(Holder.of(GUID), datetime.date(2024, 2, 29)))
    assert credential(ends).valid_until == microseconds(datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC))


def test_of_two_certificates_of_one_issuer_the_one_that_is_valid_longest_counts() -> None:
    renewed = ISSUER.certificate
    builder = x509.CertificateBuilder().subject_name(renewed.subject).issuer_name(renewed.subject)
    builder = builder.public_key(renewed.public_key()).serial_number(9)
    builder = builder.not_valid_before(span("2010-01-01", "2012-01-01")[0])
    builder = builder.not_valid_after(span("2010-01-01", "2012-01-01")[1])
    old = Issuer(ISSUER.key, builder.sign(ISSUER.key, hashes.SHA256()))
    assert credential(CARD, old, ISSUER) == credential(CARD, ISSUER)


def test_a_card_is_asked_only_while_somebody_wants_to_know() -> None:
    wanted = False
    prover = trusting(ISSUER, asked=lambda: wanted)
    quiet, asked = HeldCard(CARD), HeldCard(CARD)
    assert quiet.read(prover).credential.proof is Proof.NOT_ASKED
    wanted = True
    assert asked.read(prover).credential.proof is Proof.GENUINE
    assert not [each for each in quiet.asked if GET_CERTIFICATE in each or each[1] == 0x87]


def test_each_challenge_is_another() -> None:
    asked = [each for _ in range(8) for each in _challenges(HeldCard(CARD))]
    assert len(set(asked)) == 8


def _challenges(held: HeldCard) -> list[bytes]:
    held.read(trusting(ISSUER))
    return [each for each in held.asked if each[1] == 0x87]


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_of_a_kind_that_no_such_card_has_is_foreign(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    certificate = ISSUER.certify(key.public_key(), Holder.of(GUID))  # type: ignore[arg-type]
    assert proof(replace(CARD, certificate=certificate)) is Proof.FOREIGN


def test_a_short_rsa_key_is_foreign() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  # too short on purpose
    assert proof(replace(CARD, certificate=ISSUER.certify(short.public_key(), Holder.of(GUID)))) is Proof.FOREIGN


@pytest.mark.parametrize("certificate", [b"\x30\x03\x02\x01\x00", b"-----BEGIN", (CARD.certificate or b"")[:-1]])
def test_a_certificate_that_is_none_is_foreign(certificate: bytes) -> None:
    assert proof(replace(CARD, certificate=certificate)) is Proof.FOREIGN


@pytest.mark.parametrize("status", ["6A82", "6A88", "6A80", "6982", "6D00"])
def test_a_card_that_gives_no_certificate_has_no_key(status: str) -> None:
    assert answering(GET_CERTIFICATE, bytes.fromhex(status)) is Proof.NO_KEY


@pytest.mark.parametrize("content", ["5300", "5304" + "70007100", "5302FE00"])
def test_an_empty_certificate_is_none(content: str) -> None:
    assert answering(GET_CERTIFICATE, bytes.fromhex(content) + SUCCESS) is Proof.NO_KEY


@pytest.mark.parametrize("answer", ["", "7C00", "7C028200", "7C0482020102", "7C0281FF"])
def test_an_answer_without_a_signature_is_a_copy(answer: str) -> None:
    with_signature = bytes.fromhex(answer)
    if answer in {"", "7C0281FF"}:
        with pytest.raises(CardFault):
            answering(b"\x7c", with_signature + SUCCESS)
    else:
        assert answering(b"\x7c", with_signature + SUCCESS) is Proof.COPIED


def test_a_card_that_fails_at_signing_is_to_be_held_still_again() -> None:
    with pytest.raises(CardFault, match="the card answered 6F 00"):
        answering(b"\x7c", b"\x6f\x00")


def answering(marked: bytes, answer: bytes) -> Proof:
    """What is made of the card when it answers the command with this mark so."""
    applet = Applet(CARD)
    applet.answer(bytes.fromhex("00A4040005A00000030800"))
    prover = trusting(ISSUER)
    said = prover.prove(Chuid.parse(CARD.chuid))
    return carried(said, lambda command: answer if marked in command[:10] else applet.answer(command)).proof


def test_a_certificate_is_unpacked_however_its_issuer_packed_it() -> None:
    plain = b"certificate" * 100
    assert unpacked(Stored(plain)) == plain
    assert unpacked(Stored(gzip.compress(plain), is_packed=True)) == plain
    assert unpacked(Stored(zlib.compress(plain), is_packed=True)) == plain
    net_id = b"\x01\x00" + len(plain).to_bytes(2, "little") + zlib.compress(plain)
    assert unpacked(Stored(net_id, is_packed=True)) == plain


@pytest.mark.parametrize("how", ["01", "80", "81"])
def test_the_object_says_whether_it_is_packed(how: str) -> None:
    content = wrapped(0x71, bytes.fromhex(how)) + wrapped(0x70, b"packed")
    assert stored(content) == Stored(b"packed", is_packed=True)
    assert stored(wrapped(0x70, b"plain") + wrapped(0x71, b"\x00")) == Stored(b"plain")


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(bytes(LARGEST + 1)), gzip.compress(bytes(50_000_000)), gzip.compress(b"cut")[:-9], b"none"],
    ids=["a byte too long", "a bomb", "cut", "none"],
)
def test_what_unpacks_to_nothing_or_too_much_is_refused(packed: bytes) -> None:
    with pytest.raises(CardFault):
        unpacked(Stored(packed, is_packed=True))


@given(st.binary(max_size=400), st.booleans())
def test_no_certificate_object_is_more_than_foreign(content: bytes, packed: bool) -> None:
    made = gzip.compress(content) if packed else content
    said = wrapped(0x53, wrapped(0x70, made) + wrapped(0x71, bytes([packed])))
    assert answering(GET_CERTIFICATE, said + SUCCESS) in {Proof.FOREIGN, Proof.NO_KEY}


def test_a_certificate_with_one_bit_changed_is_never_genuine() -> None:
    whole = CARD.certificate or b""
    for _ in range(200):
        at = int.from_bytes(os.urandom(4)) % (len(whole) * 8)
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        assert proof(replace(CARD, certificate=bytes(changed))) is not Proof.GENUINE


def span(begins: str, ends: str) -> tuple[datetime.datetime, datetime.datetime]:
    first, last = (datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC) for day in (begins, ends))
    return first, last


def microseconds(at: datetime.datetime) -> int:
    return int(at.timestamp()) * 1_000_000
