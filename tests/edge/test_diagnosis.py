"""What is odd about a card or about bytes is told with the setting that would read them, and never where nothing is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.diagnosis import Hint, Oddity, hints, turned
from edge.readers.serial.frames import Noise
from edge.readers.serial.profiles import Profile, frames_of, spoken
from edge.readers.told import Told, What
from edge.settings import ReaderSettings
from protocol.cards import CardId, CardKind

SERIAL: Final = ReaderSettings(name="in", kind="serial", device=Path("/dev/null"))
READERS: Final = {"in": SERIAL, "out": ReaderSettings(name="out", kind="pcsc")}
EM: Final = bytes.fromhex("0102B0A5FD")


def card(text: str, reader: str = "in", *, raw: bytes = b"", on_roster: bool = False, turned_on: bool = False) -> Told:
    """A sighting of this card."""
    return Told(
        number=1,
        at="2026-06-10T12:00:00.000+00:00",
        reader=reader,
        what=What.CARD,
        card=text,
        raw=raw.hex(),
        on_roster=on_roster,
        turned_on_roster=turned_on,
    )


def unread(raw: bytes, why: str, reader: str = "in") -> Told:
    """A sighting of bytes that name no card."""
    at = "2026-06-10T12:00:00.000+00:00"
    return Told(number=1, at=at, reader=reader, what=What.UNREAD, raw=raw.hex(), why=why)


def odd(seen: Told, *earlier: Told, settings: ReaderSettings = SERIAL) -> list[Hint]:
    """What is said of a sighting after others."""
    return hints(seen, {**READERS, "in": settings}, earlier)


def noise_of(profile: Profile, sent: bytes) -> list[Told]:
    """What a reader of this profile reports of such bytes, silence after them included."""
    frames = frames_of(profile)
    found = [*frames.feed(sent), *frames.idle()]
    return [unread(each.raw, each.why) for each in found if isinstance(each, Noise)]


def test_a_card_that_is_well_has_nothing_odd() -> None:
    for text in ("uid:04A1B2C3D4E5F6", "uid:A1B2C3D4", "em:0102B0A5FD", f"piv:{'0A' * 16}"):
        assert odd(card(text, raw=b"\x04"), card(text, "out"), card("uid:04FFEEDDCCBBAA", "out")) == []


def test_a_card_that_the_roster_has_the_other_way_round_gives_the_setting() -> None:
    seen = card("uid:D4C3B2A1", turned_on=True)
    assert odd(seen) == [Hint(Oddity.TURNED_ON_ROSTER, "in", "reversed = true", card="uid:A1B2C3D4")]
    (hint,) = odd(seen, settings=replace(SERIAL, reversed=True))
    assert hint.setting == "reversed = false"


def test_two_readers_that_disagree_are_told_apart_by_the_roster_and_by_the_makers_code() -> None:
    here, there = "uid:A1B2C3D4", "uid:D4C3B2A1"
    assert odd(card(here), card(there, "out")) == [
        Hint(Oddity.TURNED_AT_OTHER, "in", "reversed = true", "out", there),
    ]
    assert odd(card(here, on_roster=True), card(there, "out")) == [
        Hint(Oddity.TURNED_AT_OTHER, "out", "reversed = true", "in", here),
    ]
    nxp, turned_nxp = "uid:04A1B2C3D4E5F6", "uid:F6E5D4C3B2A104"
    assert odd(card(nxp), card(turned_nxp, "out")) == [
        Hint(Oddity.TURNED_AT_OTHER, "out", "reversed = true", "in", nxp),
    ]
    assert odd(card(turned_nxp), card(nxp, "out")) == [
        Hint(Oddity.TURNED_AT_OTHER, "in", "reversed = true", "out", nxp),
    ]


def test_seven_bytes_that_end_in_the_makers_code_may_be_turned_unless_the_roster_knows_them() -> None:
    assert odd(card("uid:F6E5D4C3B2A104")) == [
        Hint(Oddity.TURNED_BY_MAKER, "in", "reversed = true", card="uid:04A1B2C3D4E5F6")
    ]
    assert odd(card("uid:F6E5D4C3B2A104", on_roster=True)) == []
    assert odd(card("uid:04E5D4C3B2A104")) == []


@pytest.mark.parametrize("part", ["uid:02B0A5FD", "uid:FDA5B002"])
def test_four_bytes_of_a_tag_that_another_reader_reads_whole_are_a_part(part: str) -> None:
    whole = "em:0102B0A5FD"
    assert odd(card(part), card(whole, "out")) == [Hint(Oddity.CUT_AT_OTHER, "in", other="out", card=whole)]
    assert odd(card(whole), card(part, "out")) == [Hint(Oddity.CUT_AT_OTHER, "out", other="in", card=whole)]


def test_four_bytes_that_begin_a_longer_number_are_a_part() -> None:
    assert [hint.oddity for hint in odd(card("uid:8804A1B2"))] == [Oddity.CUT_CASCADE]


def test_a_number_made_up_anew_each_time_is_told_before_anything_else() -> None:
    assert odd(card("uid:08A1B2C3", turned_on=True)) == [Hint(Oddity.RANDOM, "in")]


def test_digits_without_a_letter_may_be_decimal() -> None:
    seen = card("em:0045131261", raw=b"0045131261")
    assert odd(seen) == [Hint(Oddity.DECIMAL, "in", 'profile = "line-dec"', card="uid:02B0A5FD")]
    assert odd(seen, card("em:0102B0A5FD", raw=b"0102B0A5FD")) == []  # this reader does send letters
    assert odd(card("em:0045131261", raw=b"0045131261", on_roster=True)) == []
    assert odd(card("em:9945131261", raw=b"9945131261")) == []  # more than a decimal line can say


@pytest.mark.parametrize("speaks", list(Profile))
@pytest.mark.parametrize("reads", list(Profile))
def test_bytes_of_another_profile_name_that_profile_and_the_card(speaks: Profile, reads: Profile) -> None:
    settings = replace(SERIAL, profile=reads)
    told = [hint for seen in noise_of(reads, spoken(speaks, EM) * 2) for hint in odd(seen, settings=settings)]
    if speaks is reads:
        assert told == []
    else:
        assert Hint(Oddity.OTHER_PROFILE, "in", f'profile = "{speaks}"', card="em:0102B0A5FD") in told
        assert {hint.setting for hint in told} <= {f'profile = "{speaks}"', ""}


def test_a_number_that_nothing_ends_asks_for_an_end() -> None:
    (seen,) = noise_of(Profile.LINE_HEX, b"0102B0A5FD")
    assert odd(seen) == [Hint(Oddity.NO_END, "in", card="em:0102B0A5FD")]


@pytest.mark.parametrize(
    ("reads", "sent", "oddity"),
    [
        (Profile.LINE_HEX, b"\xf8\x00\xe0\xff\x80\xfe", Oddity.OTHER_RATE),
        (Profile.RDM6300, b"\xf8\x00\xe0\xff\x80\xfe", Oddity.OTHER_RATE),
        (Profile.LINE_HEX, b"B0A5FD\r\n", Oddity.CUT_BITS),
        (Profile.LINE_DEC, b"11576829\r\n", Oddity.CUT_BITS),
        (Profile.LINE_DEC, b"176,42493\r\n", Oddity.CUT_BITS),
        (Profile.RDM6300, b"\x02100086F44427\x03", Oddity.CHECKSUM),
    ],
)
def test_bytes_that_name_no_card_are_explained(reads: Profile, sent: bytes, oddity: Oddity) -> None:
    (seen,) = noise_of(reads, sent)
    settings = replace(SERIAL, profile=reads)
    assert [hint.oddity for hint in odd(seen, settings=settings)] == [oddity]


def test_a_hasty_card_is_told_how_to_be_held() -> None:
    for why in ("the card was taken away", "the card lost its power", "the card does not answer"):
        assert odd(unread(b"", why, "out")) == [Hint(Oddity.HASTY, "out")]
    assert odd(unread(b"", "another program holds the card", "out")) == []


def test_a_reader_that_the_settings_no_longer_have_is_left_alone() -> None:
    assert odd(card("uid:08A1B2C3", "gone")) == []


numbers = st.one_of(
    st.builds(CardId.from_bytes, st.just(CardKind.EM), st.binary(min_size=5, max_size=5)),
    *(st.builds(CardId.from_bytes, st.just(CardKind.UID), st.binary(min_size=n, max_size=n)) for n in (4, 7, 10)),
)


@given(numbers)
def test_a_card_turned_twice_is_itself(number: CardId) -> None:
    other = turned(number)
    assert other is None or turned(other) == number


@given(st.binary(max_size=100), st.text(max_size=20), st.sampled_from(list(Profile)))
def test_no_bytes_are_too_odd(raw: bytes, why: str, profile: Profile) -> None:
    found: Sequence[Hint] = odd(unread(raw, why), settings=replace(SERIAL, profile=profile))
    assert len(found) <= 1


@given(st.lists(numbers, max_size=20), numbers, st.booleans(), st.booleans())
def test_no_cards_are_too_odd(earlier: list[CardId], number: CardId, on_roster: bool, turned_on: bool) -> None:
    before = [card(str(each), reader) for each, reader in zip(earlier, ["in", "out"] * 10, strict=False)]
    found = odd(card(str(number), on_roster=on_roster, turned_on=turned_on), *before)
    assert len(found) <= 4
