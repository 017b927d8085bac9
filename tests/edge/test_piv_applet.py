"""The simulated PIV card answers as NIST SP 800-73-5 says, and as what is wrong with it says."""

import gzip
import os
import uuid
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from edge.piv.apdu import Command, objects, tlv
from edge.piv.applet import Applet, Manners, PivCard
from edge.piv.issuer import CARD_AUTHENTICATION, PIV_FASC_N, Algorithm, Holder, Issuer, fasc_n

GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
OTHER_GUID = bytes.fromhex("FEDCBA9876543210FEDCBA9876543210")
ISSUER = Issuer.created("ID06 i provning")
CARD = PivCard.issued(GUID, ISSUER)

WHOLE_AID, NO_VERSION, RID_ONLY = (bytes.fromhex("A000000308000010000100")[:size] for size in (11, 9, 5))
GET_CHUID = bytes.fromhex("00CB3FFF 05 5C03 5FC102")
GET_CERTIFICATE = bytes.fromhex("00CB3FFF 05 5C03 5FC101")
SHORT_LE, EXTENDED = b"\x00", bytes.fromhex("00CB3FFF 000005 5C03 5FC102 0000")


def select(aid: bytes = NO_VERSION) -> bytes:
    return b"\x00\xa4\x04\x00" + bytes([len(aid)]) + aid + b"\x00"


def selected(card: PivCard) -> Applet:
    applet = Applet(card)
    whole(applet, select())
    return applet


def whole(applet: Applet, command: bytes) -> bytes:
    """All parts of an answer together, which ends well."""
    answer = applet.answer(command)
    gathered = answer[:-2]
    while answer[-2] == 0x61:
        answer = applet.answer(b"\x00\xc0\x00\x00" + answer[-1:])
        gathered += answer[:-2]
    assert answer[-2:] == b"\x90\x00"
    return gathered


def challenge_for(algorithm: Algorithm, message: bytes) -> bytes:
    """What the reader sends: a digest, or one padded as PKCS #1 v1.5 wants it."""
    if algorithm is Algorithm.RSA2048:
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")
        return b"\x00\x01" + b"\xff" * (256 - 3 - 51) + b"\x00" + prefix + digest(hashes.SHA256(), message)
    return digest(hashes.SHA256() if algorithm is Algorithm.P256 else hashes.SHA384(), message)


def digest(algorithm: hashes.HashAlgorithm, message: bytes) -> bytes:
    summing = hashes.Hash(algorithm)
    summing.update(message)
    return summing.finalize()


def authenticate(number: int, challenge: bytes, *, key: int = 0x9E) -> bytes:
    body = tlv(0x7C, tlv(0x82, b"") + tlv(0x81, challenge))
    return bytes([0x00, 0x87, number, key, 0x00]) + len(body).to_bytes(2, "big") + body + b"\x00\x00"


def certificate_in(answer: bytes) -> x509.Certificate:
    parts = objects((objects(answer) or {})[0x53]) or {}
    packed = parts[0x70]
    return x509.load_der_x509_certificate(gzip.decompress(packed) if parts[0x71] == b"\x01" else packed)


@pytest.mark.parametrize("aid", [WHOLE_AID, NO_VERSION, RID_ONLY])
def test_the_application_is_selected_by_its_name_whole_or_cut_short(aid: bytes) -> None:
    answer = Applet(CARD).answer(select(aid))
    assert answer == bytes.fromhex("61 11 4F06 000010000100 79 07 4F05 A000000308 9000")


def test_a_card_may_insist_on_its_whole_name_or_have_another_version() -> None:
    strict = PivCard.issued(GUID, ISSUER, manners=Manners(shortest_aid=11))
    assert Applet(strict).answer(select(NO_VERSION)) == bytes.fromhex("6A82")
    assert Applet(strict).answer(select(WHOLE_AID))[-2:] == bytes.fromhex("9000")
    newer = PivCard.issued(GUID, ISSUER, manners=Manners(version=b"\x02\x00"))
    assert Applet(newer).answer(select(WHOLE_AID)) == bytes.fromhex("6A82")
    assert Applet(newer).answer(select(NO_VERSION))[-2:] == bytes.fromhex("9000")


def test_a_select_may_be_answered_in_two_steps() -> None:
    applet = Applet(PivCard.issued(GUID, ISSUER, manners=Manners(chained_select=True)))
    assert applet.answer(select()) == bytes.fromhex("6113")
    assert applet.answer(bytes.fromhex("00C0000013"))[:2] == bytes.fromhex("6111")


def test_nothing_is_read_before_the_application_is_selected() -> None:
    assert Applet(CARD).answer(GET_CHUID + SHORT_LE) == bytes.fromhex("6D00")


def test_another_application_is_not_found_and_leaves_this_one_selected() -> None:
    applet = selected(CARD)
    assert applet.answer(select(bytes.fromhex("A0000001510000"))) == bytes.fromhex("6A82")
    assert applet.answer(GET_CHUID + SHORT_LE)[-2] == 0x61


def test_a_long_object_comes_in_parts_of_256_bytes_or_at_once_where_the_reader_can_take_it() -> None:
    applet = selected(CARD)
    first = applet.answer(GET_CHUID + SHORT_LE)
    assert len(first) == 258
    assert first[-2:] == b"\x61\x00"
    assert whole(selected(CARD), GET_CHUID + SHORT_LE) == whole(selected(CARD), EXTENDED)
    assert len(selected(CARD).answer(EXTENDED)) > 700


def test_a_command_that_leaves_out_how_much_it_expects_gets_what_fits() -> None:
    applet = selected(CARD)
    first = applet.answer(GET_CHUID)
    assert (len(first), first[-2:]) == (258, b"\x61\x00")
    assert len(applet.answer(bytes.fromhex("00C00000"))) == 258


def test_a_card_may_give_less_at_once_than_is_asked_for() -> None:
    small = replace(CARD, manners=Manners(at_once=100))
    assert len(selected(small).answer(EXTENDED)) == 102
    assert whole(selected(small), EXTENDED) == whole(selected(CARD), EXTENDED)


def test_what_is_left_of_an_answer_is_given_only_right_after_it() -> None:
    applet = selected(CARD)
    applet.answer(GET_CHUID + SHORT_LE)
    applet.answer(select())
    assert applet.answer(bytes.fromhex("00C0000000")) == bytes.fromhex("6985")


def test_the_chuid_names_the_card_and_says_until_when() -> None:
    parts = objects((objects(whole(selected(CARD), EXTENDED)) or {})[0x53]) or {}
    assert list(parts) == [0x30, 0x34, 0x35, 0x3E, 0xFE]
    assert parts[0x34] == GUID
    assert parts[0x35] == b"20491231"
    assert len(parts[0x30]) == 25


def test_a_fasc_n_is_written_as_the_guidance_shows_it() -> None:
    """PACS technical implementation guidance 2.3, section 2.1, the worked example."""
    expected = "D0439458210C2C19A0846D83685A1082108CE73984108CA3FC"
    assert fasc_n(32, 1, 92446, 1112223333, 1223).hex().upper() == expected


def test_an_odd_chuid_says_the_same_in_another_order() -> None:
    odd = PivCard.issued(GUID, ISSUER, odd=True, manners=Manners(lazy_lengths=True))
    answer = whole(selected(odd), EXTENDED)
    assert answer[:2] == b"\x53\x82"
    parts = objects((objects(answer) or {})[0x53]) or {}
    assert next(iter(parts)) == 0xEE
    assert parts[0x34] == GUID
    assert parts[0x30] == Holder.of(GUID).fasc_n


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_certificate_names_the_card_and_what_its_key_is_for(algorithm: Algorithm, compressed: bool) -> None:
    card = PivCard.issued(GUID, ISSUER, algorithm, manners=Manners(compressed=compressed))
    certificate = certificate_in(whole(selected(card), GET_CERTIFICATE + SHORT_LE))
    certificate.verify_directly_issued_by(ISSUER.certificate)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usages.critical
    assert list(usages.value) == [CARD_AUTHENTICATION]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uuid.UUID(bytes=GUID).urn]
    (other,) = names.get_values_for_type(x509.OtherName)
    assert other == x509.OtherName(PIV_FASC_N, b"\x04\x19" + Holder.of(GUID).fasc_n)


@pytest.mark.parametrize(("algorithm", "number"), [("p256", 0x11), ("p384", 0x14), ("rsa2048", 0x07)])
def test_the_key_answers_a_challenge_without_a_pin(algorithm: str, number: int) -> None:
    card = PivCard.issued(GUID, ISSUER, algorithm)
    message = os.urandom(100)
    challenge = challenge_for(Algorithm(algorithm), message)
    answer = whole(selected(card), authenticate(number, challenge))
    signature = (objects((objects(answer) or {})[0x7C]) or {})[0x82]
    verify(certificate_in(whole(selected(card), GET_CERTIFICATE + SHORT_LE)), signature, message)


def verify(certificate: x509.Certificate, signature: bytes, message: bytes) -> None:
    """Raises InvalidSignature."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, message, ec.ECDSA(hashes.SHA256() if key.key_size == 256 else hashes.SHA384()))


def test_a_challenge_may_come_in_a_chain_of_short_commands() -> None:
    card = PivCard.issued(GUID, ISSUER, "rsa2048")
    challenge = challenge_for(Algorithm.RSA2048, b"gate")
    body = tlv(0x7C, tlv(0x82, b"") + tlv(0x81, challenge))
    applet = selected(card)
    assert applet.answer(b"\x10\x87\x07\x9e\xf0" + body[:0xF0]) == bytes.fromhex("9000")
    rest = body[0xF0:]
    answer = whole(applet, b"\x00\x87\x07\x9e" + bytes([len(rest)]) + rest + b"\x00")
    assert answer == whole(selected(card), authenticate(0x07, challenge))


def test_another_command_in_a_chain_breaks_it() -> None:
    applet = selected(CARD)
    assert applet.answer(bytes.fromhex("10 87 11 9E 02 7C20")) == bytes.fromhex("9000")
    assert applet.answer(GET_CHUID + SHORT_LE) == bytes.fromhex("6883")
    assert applet.answer(GET_CHUID + SHORT_LE)[-2] == 0x61


def test_a_chain_is_bounded() -> None:
    applet = selected(CARD)
    link = b"\x10\x87\x11\x9e\xff" + bytes(255)
    assert [applet.answer(link) for _ in range(17)] == [bytes.fromhex("9000")] * 16 + [bytes.fromhex("6700")]


CHALLENGE = tlv(0x7C, b"\x82\x00\x81\x20" + bytes(32))


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00CB3FFF 05 5C03 5FC107 00", "6982"),  # the CCC: over contact only
        ("00CB3FFF 05 5C03 5FC105 00", "6982"),  # the PIV authentication certificate too
        ("00CB3FFF 05 5C03 5FC199 00", "6A82"),
        ("00CB3FFF 03 5C01 7F 00", "6A82"),
        ("00CB0000 05 5C03 5FC102 00", "6A86"),
        ("00CB3FFF 05 5D03 5FC102 00", "6A80"),
        ("00CB3FFF 05 5C04 5FC102 00", "6A80"),
        ("0020 0080 00", "6A81"),  # a PIN is never taken over the air
        ("0020 0099 00", "6A88"),
        ("00DB3FFF 02 5C00", "6D00"),
        ("80CB3FFF 05 5C03 5FC102 00", "6E00"),
        ("00CB3FFF 06 5C03 5FC102", "6700"),
        ("00CB", "6700"),
        (f"0087119C 26 {CHALLENGE.hex()} 00", "6A86"),
        (f"0087149E 26 {CHALLENGE.hex()} 00", "6A86"),
        ("0087119E 08 7C06 8200 8102 0102 00", "6A80"),
        ("0087119E 04 7C02 8200 00", "6A80"),
        ("00A40400 00", "6A82"),
        ("00A40000 02 3F00", "6A86"),
    ],
)
def test_what_it_cannot_do_it_refuses_with_the_status_of_the_standard(command: str, status: str) -> None:
    assert selected(CARD).answer(bytes.fromhex(command)) == bytes.fromhex(status)


def test_the_discovery_object_tells_its_name_and_its_pins() -> None:
    answer = whole(selected(CARD), bytes.fromhex("00CB3FFF 03 5C01 7E 00"))
    assert answer == bytes.fromhex("7E 12 4F0B A000000308000010000100 5F2F02 4000")


def test_a_copy_lacks_the_key_or_has_another() -> None:
    bare, copied = CARD.without_key(), CARD.copied()
    assert whole(selected(bare), EXTENDED) == whole(selected(CARD), EXTENDED)
    assert selected(bare).answer(GET_CERTIFICATE + SHORT_LE) == bytes.fromhex("6A82")
    assert selected(bare).answer(authenticate(0x11, bytes(32))) == bytes.fromhex("6A86")
    assert whole(selected(copied), GET_CERTIFICATE + SHORT_LE) == whole(selected(CARD), GET_CERTIFICATE + SHORT_LE)
    signature = whole(selected(copied), authenticate(0x11, digest(hashes.SHA256(), b"gate")))[4:]
    certificate = certificate_in(whole(selected(copied), GET_CERTIFICATE + SHORT_LE))
    with pytest.raises(InvalidSignature):
        verify(certificate, signature, b"gate")


def test_a_good_card_may_answer_under_anothers_chuid() -> None:
    other = PivCard.issued(OTHER_GUID, ISSUER)
    false = other.under(CARD)
    assert whole(selected(false), EXTENDED) == whole(selected(CARD), EXTENDED)
    assert certificate_in(whole(selected(false), GET_CERTIFICATE + SHORT_LE)) == loaded(other)
    assert loaded(other) != loaded(CARD)


def loaded(card: PivCard) -> x509.Certificate:
    assert card.certificate is not None
    return x509.load_der_x509_certificate(card.certificate)


@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_it_answers_anything_with_a_status(commands: list[bytes], is_selected: bool) -> None:
    applet = selected(CARD) if is_selected else Applet(CARD)
    for command in commands:
        assert len(applet.answer(command)) >= 2


@given(st.binary(max_size=255), st.integers(0, 256), st.integers(0, 0x10000))
def test_a_command_is_taken_apart_as_it_was_put_together(body: bytes, short: int, extended: int) -> None:
    """ISO/IEC 7816-4, 5.1: cases 1 to 4, short and extended."""
    head = b"\x00\xcb\x3f\xff"
    brief = head + (bytes([len(body)]) + body if body else b"") + (bytes([short & 0xFF]) if short else b"")
    assert Command.parse(brief) == Command(0, 0xCB, 0x3F, 0xFF, body, short)
    if extended:
        length = b"\x00" + (len(body).to_bytes(2, "big") + body if body else b"")
        long = head + length + (extended & 0xFFFF).to_bytes(2, "big")
        assert Command.parse(long) == Command(0, 0xCB, 0x3F, 0xFF, body, extended)
