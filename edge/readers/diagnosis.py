"""Says what is odd about a card that was read or bytes that were not, and which setting would read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.readers.serial.checked_frames import ETX, STX
from edge.readers.serial.frames import Frame
from edge.readers.serial.profiles import Profile, frames_of
from edge.readers.told import Told, What
from edge.settings import ReaderSettings
from protocol.cards import CardId, CardKind

NXP: Final = b"\x04"  # ISO/IEC 7816-6, annex: the maker's code leads a serial of 7 bytes (ISO/IEC 14443-3, 6.5.4)
CASCADE_TAG: Final = b"\x88"  # ISO/IEC 14443-3, 6.5.4: more of the serial follows; no serial of 4 bytes begins so
TEXT: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\r\n") | {STX, ETX}
HASTILY: Final = ("taken away", "lost its power", "does not answer")
"""Parts of the reasons that a PC/SC reader gives for a card that was held too shortly or too far away."""

_NUMBERS: Final = frozenset({CardKind.UID, CardKind.EM})
_ENDINGS: Final = {
    Profile.ID_12: (b"", b"\r\n\x03"),  # a reader of lines has taken away what comes after the checksum
    Profile.RDM6300: (b"",),
    Profile.LINE_DEC: (b"", b"\n"),
    Profile.LINE_HEX: (b"", b"\n"),
}


class Oddity(StrEnum):
    """What is odd. The roster or another reader are sure; a guess says so in its words."""

    RANDOM = "random"
    TURNED_ON_ROSTER = "turned_on_roster"
    TURNED_AT_OTHER = "turned_at_other"
    TURNED_BY_MAKER = "turned_by_maker"
    CUT_AT_OTHER = "cut_at_other"
    CUT_CASCADE = "cut_cascade"
    CUT_BITS = "cut_bits"
    DECIMAL = "decimal"
    OTHER_PROFILE = "other_profile"
    OTHER_RATE = "other_rate"
    NO_END = "no_end"
    CHECKSUM = "checksum"
    HASTY = "hasty"


@dataclass(frozen=True, slots=True)
class Hint:
    """An oddity; `reader` is whose setting or cable is meant, `setting` the line to write in its section, if any.

    `other`: the reader that reads the card otherwise. `card`: the card as it should be read.
    """

    oddity: Oddity
    reader: str
    setting: str = ""
    other: str = ""
    card: str = ""


def turned(card: CardId) -> CardId | None:
    """The card with its bytes the other way round; None where that means nothing or changes nothing."""
    if card.kind not in _NUMBERS:
        return None
    other = CardId.from_bytes(card.kind, _bytes(card)[::-1])
    return None if other == card else other


def hints(seen: Told, readers: Mapping[str, ReaderSettings], earlier: Sequence[Told]) -> list[Hint]:
    """What is odd about a sighting, the surest first. `earlier`: what was seen before it, at all readers."""
    reader = readers.get(seen.reader)
    if reader is None:  # the settings have changed since the daemon read them
        return []
    if seen.what is What.UNREAD:
        return list(_of_noise(seen, reader))
    if seen.card is None:
        return []
    card = CardId.parse(seen.card)
    if card.is_random:
        return [Hint(Oddity.RANDOM, seen.reader)]
    if card.kind not in _NUMBERS:
        return []
    others = [each for each in reversed(earlier) if each.card is not None and each.reader != seen.reader]
    own = [each.card for each in earlier if each.card is not None and each.reader == seen.reader]
    byte_order = list(_turned(seen, card, readers, others))[:1]
    return [*byte_order, *_cut(seen, card, others), *_decimal(seen, card, reader, own)]


def _turned(seen: Told, card: CardId, readers: Mapping[str, ReaderSettings], others: Sequence[Told]) -> Iterator[Hint]:
    other = turned(card)
    if other is None:
        return
    here = _turning(readers[seen.reader])
    if seen.turned_on_roster and not seen.on_roster:
        yield Hint(Oddity.TURNED_ON_ROSTER, seen.reader, here, card=str(other))
    for each in others:
        if each.card != str(other) or each.reader not in readers:
            continue
        if seen.on_roster or (_is_nxp(card) and not _is_nxp(other)):
            yield Hint(Oddity.TURNED_AT_OTHER, each.reader, _turning(readers[each.reader]), seen.reader, str(card))
        else:
            yield Hint(Oddity.TURNED_AT_OTHER, seen.reader, here, each.reader, str(other))
    if _is_nxp(other) and not _is_nxp(card) and not seen.on_roster:
        yield Hint(Oddity.TURNED_BY_MAKER, seen.reader, here, card=str(other))


def _turning(reader: ReaderSettings) -> str:
    return f"reversed = {'false' if reader.reversed else 'true'}"


def _is_nxp(card: CardId) -> bool:
    serial = _bytes(card)
    return len(serial) == 7 and serial.startswith(NXP)


def _cut(seen: Told, card: CardId, others: Sequence[Told]) -> Iterator[Hint]:
    if card.kind is CardKind.UID and len(_bytes(card)) == 4 and _bytes(card).startswith(CASCADE_TAG):
        yield Hint(Oddity.CUT_CASCADE, seen.reader)
    for each in others:
        told = CardId.parse(each.card or "")
        if told.kind not in _NUMBERS:
            continue
        if _is_part(card, told):
            yield Hint(Oddity.CUT_AT_OTHER, seen.reader, other=each.reader, card=str(told))
            return
        if _is_part(told, card):
            yield Hint(Oddity.CUT_AT_OTHER, each.reader, other=seen.reader, card=str(card))
            return


def _is_part(part: CardId, whole: CardId) -> bool:
    """Whether one is the beginning or the end of the other, in either byte order."""
    few, all_of_it = _bytes(part), _bytes(whole)
    if len(few) >= len(all_of_it):
        return False
    return any(all_of_it.startswith(each) or all_of_it.endswith(each) for each in (few, few[::-1]))


def _decimal(seen: Told, card: CardId, reader: ReaderSettings, own: Sequence[str]) -> Iterator[Hint]:
    """Hexadecimal digits without a single letter, again and again, are decimal ones."""
    if reader.kind != "serial" or reader.profile is not Profile.LINE_HEX or seen.on_roster:
        return
    if all(CardId.parse(each).value.isdecimal() for each in [str(card), *own]):
        for frame in _read_as(Profile.LINE_DEC, bytes.fromhex(seen.raw)):
            yield Hint(Oddity.DECIMAL, seen.reader, f'profile = "{Profile.LINE_DEC}"', card=str(frame.card))


def _of_noise(seen: Told, reader: ReaderSettings) -> Iterator[Hint]:
    raw = bytes.fromhex(seen.raw)
    if reader.kind != "serial":
        if any(each in (seen.why or "") for each in HASTILY):
            yield Hint(Oddity.HASTY, seen.reader)
        return
    if not raw:
        return
    if reader.profile is Profile.LINE_DEC and _names_three_bytes(raw):  # as hexadecimal digits it would be a wrong card
        yield Hint(Oddity.CUT_BITS, seen.reader)
        return
    for profile in _ENDINGS:
        for frame in _read_as(profile, raw):
            if profile is reader.profile:
                yield Hint(Oddity.NO_END, seen.reader, card=str(frame.card))
            else:
                yield Hint(Oddity.OTHER_PROFILE, seen.reader, f'profile = "{profile}"', card=str(frame.card))
            return
    if sum(byte not in TEXT for byte in raw) * 3 >= len(raw):
        yield Hint(Oddity.OTHER_RATE, seen.reader, f"baud = {reader.baud}")
    elif "checksum" in (seen.why or ""):
        yield Hint(Oddity.CHECKSUM, seen.reader)
    elif _names_three_bytes(raw):
        yield Hint(Oddity.CUT_BITS, seen.reader)


def _read_as(profile: Profile, raw: bytes) -> list[Frame]:
    """The first card in these bytes, where a reader of this profile sent them and nothing else."""
    begin = raw.lstrip(b"\x03\r\n")  # the end of a frame before it, as a reader of lines leaves it over
    for ending in _ENDINGS[profile]:
        found = frames_of(profile).feed(begin + ending)
        cards = [each for each in found if isinstance(each, Frame)]
        if cards and len(cards) == len(found):
            return cards[:1]
    return []


def _names_three_bytes(raw: bytes) -> bool:
    """Six hexadecimal digits, eight decimal ones, or three and five: 24 bits, as of a Wiegand reader of 26."""
    text = raw.strip().decode("ascii", "replace").replace(",", "")
    return (len(text) == 6 and all(each in "0123456789abcdefABCDEF" for each in text)) or (
        len(text) == 8 and text.isdecimal()
    )


def _bytes(card: CardId) -> bytes:
    return bytes.fromhex(card.value)
