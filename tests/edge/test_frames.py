"""Frames of serial readers: any chopping gives the same values, noise never raises, nothing grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.frames import LONGEST_LINE, Frame, LineHex, Noise, Presence
from protocol.cards import CardId


def fed(*parts: bytes) -> list[Frame | Noise]:
    frames = LineHex()
    return [found for part in parts for found in frames.feed(part)]


def named(*parts: bytes) -> list[str]:
    """The cards in these bytes; fails on noise."""
    found = fed(*parts)
    assert all(isinstance(each, Frame) for each in found), found
    return [str(each.card) for each in found if isinstance(each, Frame)]


@pytest.mark.parametrize(
    ("line", "card"),
    [
        (b"04A1B2C3", "uid:04A1B2C3"),
        (b"0102030405", "em:0102030405"),
        (b"04A1B2C3D4E5F6", "uid:04A1B2C3D4E5F6"),
        (b"04A1B2C3D4E5F6070809", "uid:04A1B2C3D4E5F6070809"),
        (b"04a1b2c3", "uid:04A1B2C3"),
    ],
)
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_line_of_hex_digits_names_a_card_by_its_length(line: bytes, card: str, end: bytes) -> None:
    assert named(line + end) == [card]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"04A1B2C", "an odd number of hexadecimal digits"),
        (b"04A1B2", "3 bytes, expected 4, 5, 7 or 10"),
        (b"0102030405060708090A0B", "11 bytes, expected 4, 5, 7 or 10"),
        (b"hello", "not only hexadecimal digits"),
        (b"04 A1 B2 C3", "not only hexadecimal digits"),
        (b"\xd9\xa1\xd9\xa2", "not only hexadecimal digits"),
    ],
)
def test_a_line_that_names_no_card_is_noise_with_the_reason(line: bytes, why: str) -> None:
    assert fed(line + b"\n") == [Noise(why, line)]


def test_frames_that_arrive_together_are_taken_apart() -> None:
    assert named(b"04A1B2C3\r\n0102030405\r\n\r\n04A1B2C3\n") == ["uid:04A1B2C3", "em:0102030405", "uid:04A1B2C3"]


def test_a_line_that_never_ends_is_noise_once_and_the_next_one_counts() -> None:
    noise, card = fed(b"A" * 100_000, b"\n04A1B2C3\n")
    assert noise == Noise("the line is too long", b"A" * LONGEST_LINE)
    assert isinstance(card, Frame)


def test_a_stray_byte_before_a_silence_does_not_spoil_the_next_frame() -> None:
    frames = LineHex()
    assert frames.feed(b"F") == []
    assert frames.idle() == [Noise("the line broke off", b"F")]
    assert frames.idle() == []
    assert frames.feed(b"04A1B2C3\n") == [Frame(CardId.parse("uid:04A1B2C3"), b"04A1B2C3")]


bytes_of_a_line = st.lists(
    st.one_of(st.binary(max_size=200), st.sampled_from([b"04A1B2C3\r\n", b"0102030405\n", b"\r", b"\n"])), max_size=20
).map(b"".join)


@given(bytes_of_a_line, st.data())
def test_any_chopping_gives_the_same_frames(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(*parts) == fed(stream) == fed(*[bytes([byte]) for byte in stream])


@given(st.lists(st.binary(max_size=500), max_size=20))
def test_noise_never_raises_and_what_is_kept_is_bounded(parts: list[bytes]) -> None:
    frames = LineHex()
    for part in parts:
        assert all(len(found.raw) <= LONGEST_LINE for found in frames.feed(part))
        assert len(frames) <= LONGEST_LINE


CARD, OTHER = CardId.parse("uid:04A1B2C3"), CardId.parse("em:0102030405")


def test_frames_repeated_while_the_tag_stays_are_one_presence() -> None:
    presence = Presence(1.0)
    assert [presence.begins(CARD, at / 10) for at in range(0, 50, 2)] == [True] + [False] * 24


def test_a_tag_that_left_for_the_gap_is_a_new_presence() -> None:
    presence = Presence(1.0)
    assert [presence.begins(CARD, at) for at in (0.0, 0.9, 1.8, 3.0)] == [True, False, False, True]


def test_another_tag_is_another_presence_at_once() -> None:
    presence = Presence(1.0)
    assert [presence.begins(card, at) for card, at in ((CARD, 0.0), (OTHER, 0.2), (CARD, 0.4))] == [True, True, True]


def test_steady_noise_is_told_once_and_the_ragged_edge_of_a_tag_not_at_all() -> None:
    presence = Presence(1.0)
    assert [presence.is_worth_telling(at) for at in (0.0, 0.3, 1.2, 3.0)] == [True, False, False, True]
    presence.begins(CARD, 10.0)
    assert not presence.is_worth_telling(10.3)
