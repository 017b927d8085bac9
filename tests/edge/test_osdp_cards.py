"""What an OSDP reader gives of a card: a whole identity is taken, everything else is refused with what to change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.osdp.cards import card_of
from edge.readers.osdp.library import CardRead
from protocol.cards import CardId


@pytest.mark.feature("F06", "F08")
@pytest.mark.parametrize(
    ("raw", "identity"),
    [
        ("04A1B2C3", "uid:04A1B2C3"),
        ("04A1B2C3D4E5F6", "uid:04A1B2C3D4E5F6"),
        ("04A1B2C3D4E5F6070809", "uid:04A1B2C3D4E5F6070809"),
        ("0102030405", "em:0102030405"),
    ],
)
def test_a_whole_serial_number_is_an_identity_whichever_way_round_it_comes(raw: str, identity: str) -> None:
    given = bytes.fromhex(raw)
    assert card_of(CardRead(len(given) * 8, given)) == CardId.parse(identity)
    assert card_of(CardRead(len(given) * 8, given[::-1]), reversed_bytes=True) == CardId.parse(identity)


@pytest.mark.feature("F08")
@pytest.mark.parametrize("bits", [26, 34, 35, 36, 37])
def test_a_truncated_number_is_refused_and_says_what_to_change_at_the_reader(bits: int) -> None:
    why = card_of(CardRead(bits, bytes((bits + 7) // 8 - 1) + b"\x80"))
    assert isinstance(why, str)
    assert f"Wiegand {bits}" in why
    assert "let the reader send the whole serial number" in why


def test_a_piv_identity_is_not_guessed_from_its_length() -> None:
    why = card_of(CardRead(128, bytes(range(16))))
    assert isinstance(why, str)
    assert "PC/SC" in why


@pytest.mark.parametrize(
    "read",
    [
        CardRead(32, b"12345678", is_text=True),
        CardRead(32, bytes(4)),
        CardRead(32, b"123"),
        CardRead(0, b""),
        CardRead(48, b"123456"),
    ],
)
def test_what_is_no_serial_number_is_refused(read: CardRead) -> None:
    assert isinstance(card_of(read), str)


@given(st.integers(0, 600), st.binary(max_size=64), st.booleans(), st.booleans())
def test_whatever_a_reader_sends_is_a_card_of_all_its_bits_or_refused(
    bits: int, raw: bytes, is_text: bool, reversed_bytes: bool
) -> None:
    card = card_of(CardRead(bits, raw, is_text), reversed_bytes=reversed_bytes)
    if isinstance(card, CardId):
        assert len(card.value) * 4 == bits == len(raw) * 8
