"""Names reach one terminal and nobody else: not the broker, not another terminal, not another row."""

import json
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

import protocol
from protocol.errors import MessageFromFuture, MessageMalformed, ProtocolError, SealBroken, SealForeign
from protocol.sealing import Opener, Sealer, key_id, open_sealed, row_context, seal
from protocol.tables import (
    LARGEST_SEALED,
    SEALED_ADDS,
    Holder,
    Named,
    Table,
    check_sealed,
    decode_holder,
    decode_named,
    encode_value,
    pack_rows,
    unpack_rows,
)

PRIVATE: Final = derive_private_key(4711, SECP256R1())
PUBLIC: Final = PRIVATE.public_key()
OTHER: Final = derive_private_key(4712, SECP256R1())
CONTEXT: Final = row_context("people", "project", b"person")
ASA: Final = Named("Åsa Öberg", "19811218-9876")

GOLDEN: Final = json.loads((Path(protocol.__file__).parent / "vectors" / "v1.json").read_text())["sealed"]


def private_of(value: int) -> EllipticCurvePrivateKey:
    return derive_private_key(value, SECP256R1())


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40), st.binary(max_size=60))
def test_what_was_sealed_opens_for_its_key_and_context_only(plain: bytes, table: str, scope: str, key: bytes) -> None:
    context = row_context(table, scope, key)
    sealed = seal(PUBLIC, plain, context)
    assert open_sealed(PRIVATE, sealed, context) == plain
    assert len(sealed) == len(plain) + SEALED_ADDS
    with pytest.raises(SealForeign):
        open_sealed(OTHER, sealed, context)
    with pytest.raises(SealBroken):
        open_sealed(PRIVATE, sealed, row_context(table, scope, key + b"x"))


@given(st.tuples(st.text(), st.text(), st.binary()), st.tuples(st.text(), st.text(), st.binary()))
def test_two_rows_never_have_the_same_context(one: tuple[str, str, bytes], other: tuple[str, str, bytes]) -> None:
    """However table, scope and key are cut: no letter of one counts as a letter of the next."""
    assert (row_context(*one) == row_context(*other)) is (one == other)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_is_refused(position: int, bit: int) -> None:
    """In the header as well: the sign of the ephemeral point, the number, the key's name, the version."""
    sealed = bytearray(seal(PUBLIC, b"19811218-9876", CONTEXT))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        open_sealed(PRIVATE, bytes(sealed), CONTEXT)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused_by_name(raw: bytes, addressed: bool) -> None:
    """Noise never raises anything else, also where it is addressed to this key."""
    begun = b"\x01" + key_id(PUBLIC) + raw if addressed else raw
    with pytest.raises(ProtocolError):
        open_sealed(PRIVATE, begun, CONTEXT)


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_values_of_one_sealer_open_in_any_order_and_never_look_alike(plains: list[bytes], order: object) -> None:
    """A row that is lost or read alone harms none of the others, and the same name twice shows to nobody."""
    sealer, opener = Sealer(PUBLIC), Opener(PRIVATE)
    sealed = [(plain, sealer.seal(plain, CONTEXT)) for plain in [*plains, *plains]]
    assert len({value for _, value in sealed}) == len(sealed)
    order.shuffle(sealed)  # type: ignore[attr-defined]
    for plain, value in sealed:
        assert opener.open(value, CONTEXT) == plain


def test_many_batches_open_through_one_opener() -> None:
    """More ephemeral keys than it remembers."""
    opener = Opener(PRIVATE)
    values = [seal(PUBLIC, bytes([number]), CONTEXT) for number in range(40)]
    assert [opener.open(value, CONTEXT) for value in [*values, *values]] == [bytes([n]) for n in range(40)] * 2


def test_nothing_of_the_name_lies_in_the_sealed_bytes() -> None:
    sealed = seal(PUBLIC, encode_value(ASA), CONTEXT)
    assert b"berg" not in sealed
    assert b"19811218" not in sealed


def test_a_version_of_tomorrow_is_refused_by_name() -> None:
    """And kept until then: who only stores it does not mind."""
    sealed = b"\x02" + seal(PUBLIC, b"x", CONTEXT)[1:]
    check_sealed(sealed)
    with pytest.raises(MessageFromFuture):
        open_sealed(PRIVATE, sealed, CONTEXT)


def test_only_keys_of_the_curve_of_our_certificates_are_sealed_to() -> None:
    with pytest.raises(ValueError, match="shared key"):
        seal(generate_private_key(SECP384R1()).public_key(), b"x", CONTEXT)


def test_a_sealed_name_has_its_golden_bytes() -> None:
    """What lies on terminals today is opened by the program of tomorrow."""
    private = private_of(int(GOLDEN["private"], 16))
    assert key_id(private.public_key()).hex() == GOLDEN["key_id"]
    context = row_context(GOLDEN["table"], GOLDEN["scope"], GOLDEN["key"].encode())
    assert decode_named(open_sealed(private, bytes.fromhex(GOLDEN["person"]), context)) == ASA


@given(st.text(max_size=200), st.text(max_size=60), st.from_regex("[A-Z]{2}", fullmatch=True))
def test_names_survive_and_those_that_would_disturb_a_screen_are_refused(name: str, number: str, country: str) -> None:
    """They are printed on a terminal, where an escape sequence could write anything."""
    if not (name.isprintable() and number.isprintable()):
        with pytest.raises(MessageMalformed):
            decode_named(encode_value(Named(name, number, country)))
    else:
        assert decode_named(encode_value(Named(name, number, country))) == Named(name, number, country)


@pytest.mark.parametrize(
    "raw", [b"", b"\x93", b"\x92\xa1a\xa1b\xff", encode_value(Named("a" * 201, "")), encode_value(Named("a", "", "se"))]
)
def test_what_is_no_name_is_refused(raw: bytes) -> None:
    with pytest.raises(MessageMalformed):
        decode_named(raw)


def test_a_holder_is_two_ids_and_nothing_else() -> None:
    assert decode_holder(encode_value(Holder("p1", "c1"))) == Holder("p1", "c1")
    for wrong in (b"", b"\x91\xa1p", encode_value(Holder("p" * 121, "c")), encode_value(ASA)[:-1]):
        with pytest.raises(MessageMalformed):
            decode_holder(wrong)


def test_rows_of_people_are_taken_sealed_only() -> None:
    """A plain name that came by mistake is not put on disk."""
    sealed = [(b"person", seal(PUBLIC, encode_value(ASA), row_context("people", "project", b"person")))]
    assert unpack_rows(Table.PEOPLE, pack_rows(Table.PEOPLE, sealed)) == sealed
    for wrong in (encode_value(ASA), bytes(SEALED_ADDS), b"\x01" * (LARGEST_SEALED + 1)):
        with pytest.raises(MessageMalformed):
            unpack_rows(Table.PEOPLE, pack_rows(Table.PEOPLE, [(b"person", wrong)]))
