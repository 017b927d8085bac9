"""The CHUID of a PIV card is read whatever order and lengths its issuer chose, and never as another card's."""

import datetime
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CardFault
from edge.piv.chuid import Chuid
from edge.piv.fascn import digits, is_its_own
from edge.piv.tlv import CUT_OFF, fields, unwrapped, wrapped
from protocol.cards import CardId

pytestmark = pytest.mark.feature("F04")

FASC_N = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
GUID = bytes.fromhex("4C8D536A86AA98A5CE20D53557776E58")
WRITTEN = wrapped(0x30, FASC_N) + wrapped(0x34, GUID) + wrapped(0x35, b"20300101")
REAL = WRITTEN + bytes.fromhex("3E00FE00")
"""As yubico-piv-tool writes it."""

OF_AN_AGENCY = bytes.fromhex("D0439458210C2C19A0846D83685A1082108CE73984108CA3FC")
"""The example of the PACS technical guidance, page 32."""

END_OF_2030_01_01 = int(datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC).timestamp()) * 1_000_000


def long(tag: int, value: bytes, width: int = 2) -> bytes:
    """A field whose length is written longer than it need be."""
    return bytes([tag, 0x80 + width]) + len(value).to_bytes(width) + value


def test_a_card_is_named_by_its_guid_and_valid_to_the_end_of_its_last_day() -> None:
    chuid = Chuid.parse(REAL)
    assert chuid == Chuid(GUID, FASC_N, END_OF_2030_01_01)
    assert chuid.card == CardId.parse(f"piv:{GUID.hex()}")


@pytest.mark.parametrize(
    "written",
    [
        wrapped(0x35, b"20300101") + wrapped(0x34, GUID) + wrapped(0x30, FASC_N),
        long(0x30, FASC_N, 1) + long(0x34, GUID, 2) + long(0x35, b"20300101", 3),
        bytes.fromhex("EE020D7D") + WRITTEN + wrapped(0x36, bytes(range(16))) + long(0x3E, bytes(2000)) + b"\xfe\x00",
        WRITTEN + wrapped(0x34, GUID) + b"\xfe\x00",
        b"\x00\x00" + WRITTEN + b"\x00" + b"\xfe\x00",
        REAL + bytes.fromhex("3410") + bytes(3),
        REAL + b"\xff\xff\xff\xff",
        WRITTEN + bytes.fromhex("5F2F0101") + b"\x3e\x00",
    ],
    ids=["other order", "long lengths", "all fields", "said twice", "padded", "rubbish", "more rubbish", "unknown tag"],
)
def test_what_an_issuer_may_write_differently_is_the_same_card(written: bytes) -> None:
    assert Chuid.parse(written) == Chuid.parse(REAL)


def test_a_card_that_names_two_cards_is_neither() -> None:
    with pytest.raises(CardFault, match="two different fields 34"):
        Chuid.parse(WRITTEN + wrapped(0x34, GUID[::-1]) + b"\xfe\x00")


def test_a_card_whose_issuer_gave_it_no_guid_has_no_piv_identity() -> None:
    assert Chuid.parse(wrapped(0x30, FASC_N) + wrapped(0x34, bytes(16)) + b"\xfe\x00").card is None
    assert Chuid.parse(wrapped(0x30, FASC_N)).card is None


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_guid_of_another_length_is_none(size: int) -> None:
    with pytest.raises(CardFault, match=f"its GUID has {size} bytes, expected 16"):
        Chuid.parse(wrapped(0x34, bytes(range(size))))


@pytest.mark.parametrize("day", [b"", b"00000000", b"        ", b"20301301", b"20300230", b"2030010", b"\xff" * 8])
def test_a_date_that_is_none_ends_nothing(day: bytes) -> None:
    assert Chuid.parse(wrapped(0x34, GUID) + wrapped(0x35, day)).valid_until is None


@pytest.mark.parametrize("day", ["19691231", "20240229", "20351231", "99991231"])
def test_a_card_is_valid_through_the_whole_day_that_is_printed(day: str) -> None:
    until = Chuid.parse(wrapped(0x34, GUID) + wrapped(0x35, day.encode())).valid_until
    printed = datetime.datetime.strptime(day, "%Y%m%d").replace(tzinfo=datetime.UTC)
    assert until == (int(printed.timestamp()) + 24 * 3600) * 1_000_000


@pytest.mark.parametrize("kept", range(1, len(WRITTEN)))
def test_a_chuid_that_is_cut_off_is_no_other_card(kept: int) -> None:
    with suppress(CardFault):  # unless it was cut between two fields
        assert Chuid.parse(WRITTEN[:kept]).card in {None, Chuid.parse(WRITTEN).card}


@given(st.binary(max_size=200))
def test_whatever_a_card_says_gives_a_chuid_or_a_fault(said: bytes) -> None:
    with suppress(CardFault):
        assert len(Chuid.parse(said).guid) == 16


@given(st.lists(st.tuples(st.integers(0x30, 0x3E), st.binary(max_size=700)), max_size=8))
def test_fields_come_back_as_they_were_written(written: list[tuple[int, bytes]]) -> None:
    assert list(fields(b"".join(wrapped(tag, value) for tag, value in written))) == written


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", CUT_OFF),
        ("53", CUT_OFF),
        ("5302AA", CUT_OFF),
        ("5382", CUT_OFF),
        ("5F", CUT_OFF),
        ("7001AA", "the card gave a field 70 where 53 was expected"),
        ("5380", "the card gave a length that begins with 80"),
        ("5385FFFFFFFFFF", "the card gave a length that begins with 85"),
        ("5FFFFFFF0100", "the card gave a tag of 5 bytes"),
    ],
)
def test_what_is_no_field_is_told_as_what_it_is(raw: str, why: str) -> None:
    with pytest.raises(CardFault) as told:
        unwrapped(bytes.fromhex(raw), 0x53)
    assert told.value.why == why


def test_the_number_of_an_agency_is_read_as_its_guidance_shows() -> None:
    assert digits(OF_AN_AGENCY) == "00320001092446011112223333112232"
    assert is_its_own(OF_AN_AGENCY)


@pytest.mark.parametrize(
    "filler",
    [
        FASC_N,
        bytes.fromhex("D4E739DA739CED39CE739D836858210842108421384210C3F5"),  # of an early YubiKey: a digit 12
        bytes(25),
        b"\xff" * 25,
        OF_AN_AGENCY[:-1],
        b"",
    ],
)
def test_a_number_that_many_cards_share_tells_nothing(filler: bytes) -> None:
    assert not is_its_own(filler)


@given(st.integers(0, 199))
def test_one_wrong_bit_of_the_number_is_noticed(bit: int) -> None:
    with pytest.raises(CardFault):
        digits((int.from_bytes(OF_AN_AGENCY) ^ 1 << bit).to_bytes(25))
