"""Table rows arrive as they were packed, or are refused by name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cards import CardId
from protocol.decision import BlockReason, Enrolment
from protocol.errors import MessageMalformed, ProtocolError
from protocol.passes import Direction
from protocol.rights import Hours, Right
from protocol.tables import (
    Presence,
    Table,
    block_key,
    block_reason,
    decode_binding,
    decode_enrolment,
    decode_presence,
    encode_value,
    pack_keys,
    pack_rows,
    presence_key,
    unpack_keys,
    unpack_rows,
)
from tests.protocol.examples import BINDING, ENROLMENT, EPOCH, STRICT_BINDING

keys = st.binary(min_size=8, max_size=8)
cards = st.from_regex(r"(uid|em):[0-9A-F]{8}", fullmatch=True)


@given(st.lists(st.tuples(keys, st.sampled_from(BlockReason).map(encode_value)), max_size=30))
def test_a_blocked_card_takes_nine_bytes(rows: list[tuple[bytes, bytes]]) -> None:
    """A million of them is nine megabytes, without framing."""
    packed = pack_rows(Table.BLOCKLIST, rows)
    assert len(packed) == 9 * len(rows)
    assert unpack_rows(Table.BLOCKLIST, packed) == rows
    dropped = [key for key, _ in rows]
    assert unpack_keys(Table.BLOCKLIST, pack_keys(Table.BLOCKLIST, dropped)) == dropped


@given(st.lists(st.tuples(st.binary(max_size=40), st.builds(Enrolment, st.text(max_size=16), st.text(max_size=16)))))
def test_a_roster_arrives_as_it_was_packed(rows: list[tuple[bytes, Enrolment]]) -> None:
    """Keys are card ids, values say whose card it is."""
    packed = pack_rows(Table.ROSTER, [(key, encode_value(row)) for key, row in rows])
    assert [(key, decode_enrolment(value)) for key, value in unpack_rows(Table.ROSTER, packed)] == rows


@given(st.binary(max_size=200), st.sampled_from(Table))
def test_any_bytes_are_rows_or_a_named_error(raw: bytes, table: Table) -> None:
    """Noise never raises anything else."""
    for unpack in (unpack_rows, unpack_keys):
        try:
            unpack(table, raw)
        except ProtocolError:
            continue


@pytest.mark.parametrize(
    "change",
    [
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"zone": ""},
        {"reset": "25:00"},
        {"reset": "soon"},
        {"holidays": ("Midsummer's Eve",)},
        {"holidays": ("2026-02-30",)},
        {"holidays": ("20260619",)},
        {"rights": (Right(""),)},
        {"rights": (Right("day", None, (Hours((8,), 0, 60),)),)},
        {"rights": (Right("day", None, (Hours((0,), -1, 60),)),)},
        {"rights": (Right("day", None, (Hours((0,), 0, 24 * 60 + 1),)),)},
        {"anti_passback": "sometimes"},
        {"anti_passback_minutes": -1},
        {"occupancy_limit": -1},
        {"doors_expire_after_offline": 10**9},
        {"clock_untrusted": "panic"},
    ],
)
def test_a_binding_that_would_fail_at_the_gate_is_refused_on_arrival(change: dict[str, object]) -> None:
    """The decision never meets a zone or a time it cannot use."""
    raw = encode_value(msgspec.structs.replace(BINDING, **change))
    with pytest.raises(MessageMalformed, match="a binding"):
        decode_binding(raw)


@pytest.mark.feature("F14", "F15")
def test_a_binding_arrives_with_its_rights_and_policies() -> None:
    assert decode_binding(encode_value(STRICT_BINDING)) == STRICT_BINDING
    assert decode_enrolment(encode_value(ENROLMENT)) == ENROLMENT


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
persons = st.none() | st.tuples(names, names)


@given(
    st.lists(
        st.tuples(names, persons, st.builds(Presence, st.sampled_from(Direction), st.integers(0, 2**63 - 1), names))
    )
)
def test_presence_arrives_as_it_was_packed(told: list[tuple[str, tuple[str, str] | None, Presence]]) -> None:
    rows = [(presence_key(card, *(who or (None, None))), encode_value(row)) for card, who, row in told]
    unpacked = unpack_rows(Table.PRESENCE, pack_rows(Table.PRESENCE, rows))
    assert [(key, decode_presence(value)) for key, value in unpacked] == [
        (key, row) for (key, _), (_, _, row) in zip(rows, told, strict=True)
    ]


@given(cards, cards, persons, persons)
def test_a_key_of_presence_is_of_one_person_for_one_company_or_of_one_card(
    card: str, other: str, who: tuple[str, str] | None, somebody: tuple[str, str] | None
) -> None:
    """Somebody's cards share it; nobody else does."""
    keys = presence_key(card, *(who or (None, None))), presence_key(other, *(somebody or (None, None)))
    assert (keys[0] == keys[1]) is (card == other if who is None and somebody is None else who == somebody)


def test_a_key_depends_on_card_and_epoch() -> None:
    """The list is no list of card numbers, and another epoch has other keys."""
    card = CardId.parse("uid:04A1B2C3")
    assert block_key(EPOCH, card) == block_key(EPOCH, CardId.parse("UID:04a1b2c3"))
    assert block_key(EPOCH, card) != block_key(bytes(16), card)
    assert -(2**63) <= block_key(EPOCH, card) < 2**63


def test_an_unknown_reason_still_blocks() -> None:
    """A newer cloud may know more reasons than this terminal."""
    assert block_reason(200) is BlockReason.OTHER
    assert block_reason(encode_value(BlockReason.LOST)[0]) is BlockReason.LOST
