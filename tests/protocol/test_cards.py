"""A card has one identity, whatever the reader and the person who types it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cards import CardId, CardKind
from protocol.errors import CardIdInvalid


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("uid:04a1b2c3d4e5f6", "uid:04A1B2C3D4E5F6"),
        (" UID:04A1B2C3 ", "uid:04A1B2C3"),
        ("uid:04a1b2c3d4e5f60718aa", "uid:04A1B2C3D4E5F60718AA"),
        ("em:0102030405", "em:0102030405"),
        ("piv:00112233445566778899aabbccddeeff", "piv:00112233445566778899AABBCCDDEEFF"),
        ("id06:ab2401123456", "id06:AB-2401-123456"),
        ("id06:AB-2401-123456", "id06:AB-2401-123456"),
    ],
)
def test_every_way_of_writing_gives_the_canonical_form(text: str, canonical: str) -> None:
    """People and readers write cards differently; the ledger knows one form."""
    card = CardId.parse(text)
    assert str(card) == canonical
    assert CardId.parse(canonical) == card


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uid",
        "uid:",
        "uid:04A1B2",
        "uid:04A1B2C",
        "uid:GG112233",
        "em:01020304",
        "piv:00",
        "rfid:01020304",
        "id06:A-2401-123456",
        "id06:",
        "uid:" + "00" * 11,
        "uid:" + "0" * 400,
        "uid:\u0966\u096aA1B2C3",
    ],
)
def test_what_is_no_card_is_refused_by_name(text: str) -> None:
    """The error says what is wrong and how to write it."""
    with pytest.raises(CardIdInvalid, match="write kind:VALUE"):
        CardId.parse(text)


@pytest.mark.parametrize("length", [0, 3, 11])
def test_a_uid_of_a_length_no_chip_has_is_refused(length: int) -> None:
    """ISO/IEC 14443-3 knows 4, 7 and 10 bytes; anything else is a bad read."""
    with pytest.raises(CardIdInvalid, match=f"{length} bytes"):
        CardId.from_bytes(CardKind.UID, bytes(length))


@given(st.sampled_from([4, 7, 10]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
def test_bytes_keep_their_order(raw: bytes) -> None:
    """Most significant byte first, and nothing is lost on the way to text and back."""
    card = CardId.from_bytes(CardKind.UID, raw)
    assert bytes.fromhex(card.value) == raw
    assert CardId.parse(str(card)) == card


@given(st.text(max_size=80))
def test_any_text_is_a_card_or_a_named_error(text: str) -> None:
    """Nothing from outside raises anything else."""
    try:
        card = CardId.parse(text)
    except CardIdInvalid:
        return
    assert CardId.parse(str(card)) == card


def test_a_log_never_shows_a_whole_card() -> None:
    """repr and masked keep the last two bytes only."""
    card = CardId.parse("uid:04A1B2C3D4E5F6")
    assert "04A1B2C3" not in repr(card)
    assert card.masked == "uid:…E5F6"


def test_a_random_serial_is_recognised() -> None:
    """A chip that makes a new number at each touch cannot be enrolled."""
    assert CardId.parse("uid:08A1B2C3").is_random
    assert not CardId.parse("uid:04A1B2C3").is_random
    assert not CardId.parse("uid:08A1B2C3D4E5F6").is_random
