"""Frames of serial readers: any chopping gives the same values, noise never raises, nothing grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.serial.frames import LONGEST, Frame, Noise
from edge.readers.serial.lines import CUT
from edge.readers.serial.presence import Presence
from edge.readers.serial.profiles import Profile, frames_of, spoken
from protocol.cards import CardId

LENGTHS = {
    Profile.LINE_HEX: (4, 5, 7, 10),
    Profile.LINE_DEC: (4, 5),
    Profile.ID_12: (5,),
    Profile.RDM6300: (5,),
}
ID_12_LA = b"\x020C000621A58E\r\n\x03"  # the example of the ID-12LA's data sheet, section 4
RDM6300 = b"\x02100086F44426\x03"  # an RDM6300's frame as published by the reader's seller


def fed(profile: Profile, *parts: bytes, is_reversed: bool = False) -> list[Frame | Noise]:
    frames = frames_of(profile, is_reversed=is_reversed)
    return [found for part in parts for found in frames.feed(part)]


def cards(found: list[Frame | Noise]) -> list[str]:
    """The cards in these values; fails on noise."""
    assert all(isinstance(each, Frame) for each in found), found
    return [str(each.card) for each in found if isinstance(each, Frame)]


@pytest.mark.feature("F07")
@pytest.mark.parametrize(
    ("profile", "sent", "card", "the_other_way"),
    [
        (Profile.LINE_HEX, b"04A1B2C3\n", "uid:04A1B2C3", "uid:C3B2A104"),
        (Profile.LINE_HEX, b"0102030405\n", "em:0102030405", "em:0504030201"),
        (Profile.LINE_HEX, b"04a1b2c3d4e5f6\n", "uid:04A1B2C3D4E5F6", "uid:F6E5D4C3B2A104"),
        (Profile.LINE_HEX, b"04A1B2C3D4E5F6070809\n", "uid:04A1B2C3D4E5F6070809", "uid:090807F6E5D4C3B2A104"),
        (Profile.LINE_DEC, b"0004340098557\n", "em:0102B0A5FD", "em:FDA5B00201"),
        (Profile.LINE_DEC, b"004335823930\n", "em:01026F6C3A", "em:3A6C6F0201"),
        (Profile.LINE_DEC, b"0045131261\n", "uid:02B0A5FD", "uid:FDA5B002"),
        (Profile.LINE_DEC, b"00688,42493\n", "uid:02B0A5FD", "uid:FDA5B002"),
        (Profile.ID_12, ID_12_LA, "em:0C000621A5", "em:A52106000C"),
        (Profile.RDM6300, RDM6300, "em:100086F444", "em:44F4860010"),
    ],
)
def test_what_a_reader_sends_names_the_card(profile: Profile, sent: bytes, card: str, the_other_way: str) -> None:
    assert cards(fed(profile, sent)) == [card]
    assert cards(fed(profile, sent, is_reversed=True)) == [the_other_way]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("profile", [Profile.LINE_HEX, Profile.LINE_DEC])
def test_a_line_may_end_in_every_usual_way(profile: Profile, end: bytes) -> None:
    assert len(cards(fed(profile, b"0045131261" + end + b"0045131261" + end))) == 2


@pytest.mark.parametrize(
    ("profile", "line", "why"),
    [
        (Profile.LINE_HEX, b"04A1B2C", "an odd number of hexadecimal digits"),
        (Profile.LINE_HEX, b"04A1B2", "3 bytes, expected 4, 5, 7 or 10"),
        (Profile.LINE_HEX, b"0102030405060708090A0B", "11 bytes, expected 4, 5, 7 or 10"),
        (Profile.LINE_HEX, b"hello", "not only hexadecimal digits"),
        (Profile.LINE_HEX, b"04 A1 B2 C3", "not only hexadecimal digits"),
        (Profile.LINE_HEX, b"\xd9\xa1\xd9\xa2", "not only hexadecimal digits"),
        (Profile.LINE_DEC, b"04A1B2C3", "not only decimal digits"),
        (Profile.LINE_DEC, b"\xd9\xa1\xd9\xa2", "not only decimal digits"),
        (Profile.LINE_DEC, b"11576829", CUT),
        (Profile.LINE_DEC, b"176,42493", CUT),
        (
            Profile.LINE_DEC,
            b"4294967296",
            "a number of more than 32 bits: set the reader to 13 digits (10H13D)",
        ),
        (
            Profile.LINE_DEC,
            b"00688,65536",
            "a number of more than 32 bits: set the reader to 13 digits (10H13D)",
        ),
        (
            Profile.LINE_DEC,
            b"1099511627776",
            "a number of more than 40 bits, which no tag has",
        ),
        (
            Profile.LINE_DEC,
            b"45131261,",
            "not as many digits as a card's number has: 13, 12 or 10, or 5 and 5 with a comma",
        ),
    ],
)
def test_a_line_that_names_no_card_is_noise_with_the_reason(profile: Profile, line: bytes, why: str) -> None:
    assert fed(profile, line + b"\n") == [Noise(why, line)]


@pytest.mark.parametrize(
    ("profile", "frame", "why"),
    [
        (Profile.ID_12, ID_12_LA.replace(b"8E", b"8F"), "the checksum is wrong"),
        (Profile.RDM6300, RDM6300.replace(b"F4", b"F5"), "the checksum is wrong"),
        (Profile.ID_12, RDM6300, "a frame of the profile rdm6300"),
        (Profile.RDM6300, ID_12_LA, "a frame of the profile id-12"),
        (Profile.RDM6300, b"\x02100086F4442600\x03", "a frame that is too long"),
        (Profile.RDM6300, b"\x02100086F4442\x03", "a frame without ten hexadecimal digits and a checksum"),
        (Profile.ID_12, b"\x02\x03", "a frame without ten hexadecimal digits and a checksum"),
    ],
)
def test_a_frame_that_names_no_card_is_noise_with_the_reason(profile: Profile, frame: bytes, why: str) -> None:
    assert fed(profile, frame) == [Noise(why, frame)]


def test_a_frame_begun_anew_broke_off_and_the_new_one_counts() -> None:
    assert fed(Profile.RDM6300, RDM6300[:5] + RDM6300) == [
        Noise("the frame broke off", RDM6300[:5]),
        Frame(CardId.parse("em:100086F444"), RDM6300),
    ]


def test_bytes_between_two_frames_are_noise_and_the_frames_count() -> None:
    assert fed(Profile.ID_12, ID_12_LA + b"\xff\x00" + ID_12_LA + b"\r\n" + ID_12_LA) == [
        Frame(CardId.parse("em:0C000621A5"), ID_12_LA),
        Noise("bytes outside of a frame", b"\xff\x00"),
        Frame(CardId.parse("em:0C000621A5"), ID_12_LA),
        Frame(CardId.parse("em:0C000621A5"), ID_12_LA),
    ]


@pytest.mark.parametrize("profile", list(Profile))
def test_what_never_ends_is_noise_once_and_the_next_card_counts(profile: Profile) -> None:
    serial = bytes.fromhex("0102030405")
    ended = b"" if spoken(profile, serial)[:1] == b"\x02" else b"\n"
    noise, card = fed(profile, b"1" * 100_000, ended + spoken(profile, serial))
    assert isinstance(noise, Noise)
    assert noise.raw == b"1" * LONGEST
    assert isinstance(card, Frame)


@pytest.mark.parametrize("profile", list(Profile))
def test_a_stray_byte_before_a_silence_does_not_spoil_the_next_frame(profile: Profile) -> None:
    frames = frames_of(profile)
    sent = spoken(profile, bytes.fromhex("0102030405"))
    assert frames.feed(sent[:3]) == []
    (noise,) = frames.idle()
    assert noise.raw == sent[:3]
    assert noise.why in {"the line broke off", "the frame broke off"}
    assert frames.idle() == []
    assert cards(frames.feed(sent)) == ["em:0102030405"]


profiles = st.sampled_from(list(Profile))
streams = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from([b"04A1B2C3\r\n", b"0102030405\n", b"\r", b"\n", ID_12_LA, RDM6300, RDM6300[:7], b"\x02"]),
    ),
    max_size=20,
).map(b"".join)


@given(profiles, streams, st.data())
def test_any_chopping_gives_the_same_frames(profile: Profile, stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(profile, *parts) == fed(profile, stream) == fed(profile, *[bytes([byte]) for byte in stream])


@given(profiles, st.lists(st.binary(max_size=500), max_size=20))
def test_noise_never_raises_and_what_is_kept_is_bounded(profile: Profile, parts: list[bytes]) -> None:
    frames = frames_of(profile)
    for part in parts:
        assert all(len(found.raw) <= LONGEST for found in frames.feed(part))
        assert len(frames) <= LONGEST
    assert all(len(found.raw) <= LONGEST for found in frames.idle())
    assert len(frames) == 0


def serials(profile: Profile) -> st.SearchStrategy[tuple[Profile, list[bytes]]]:
    """Numbers that a reader of this profile can name."""
    lengths = st.sampled_from(LENGTHS[profile])
    return st.tuples(st.just(profile), st.lists(lengths.flatmap(lambda size: st.binary(min_size=size, max_size=size))))


@given(profiles.flatmap(serials), st.booleans())
def test_what_a_simulated_reader_says_is_what_its_profile_reads(
    said: tuple[Profile, list[bytes]], is_reversed: bool
) -> None:
    profile, numbers = said
    stream = b"".join(spoken(profile, serial, is_reversed=is_reversed) for serial in numbers)
    found = cards(fed(profile, stream, is_reversed=is_reversed))
    assert [bytes.fromhex(card.partition(":")[2]) for card in found] == numbers


@pytest.mark.parametrize("profile", [Profile.LINE_DEC, Profile.ID_12, Profile.RDM6300])
def test_a_number_that_a_reader_cannot_name_is_refused_by_its_simulator(profile: Profile) -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        spoken(profile, bytes(7))


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
