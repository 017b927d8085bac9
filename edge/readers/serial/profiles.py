"""The profiles of serial readers: how each one's bytes become a card, and how its simulator speaks."""

from enum import StrEnum
from functools import partial
from typing import assert_never

from edge.readers.serial.checked_frames import CheckedFrames, Ending, checked_frame
from edge.readers.serial.frames import Frames
from edge.readers.serial.lines import Lines, line_of_decimal, line_of_hex, named_in_decimal, named_in_hex


class Profile(StrEnum):
    """What the bytes of a serial reader look like; the settings use these names."""

    LINE_HEX = "line-hex"
    LINE_DEC = "line-dec"
    ID_12 = "id-12"
    RDM6300 = "rdm6300"


def frames_of(profile: Profile, *, is_reversed: bool = False) -> Frames:
    """What takes apart the bytes of such a reader; `is_reversed`: it sends the least significant byte first."""
    match profile:
        case Profile.LINE_HEX:
            return Lines(partial(named_in_hex, is_reversed=is_reversed))
        case Profile.LINE_DEC:
            return Lines(partial(named_in_decimal, is_reversed=is_reversed))
        case Profile.ID_12:
            return CheckedFrames(Ending.CR_LF, is_reversed=is_reversed)
        case Profile.RDM6300:
            return CheckedFrames(Ending.NOTHING, is_reversed=is_reversed)
        case _:
            assert_never(profile)


def spoken(profile: Profile, serial: bytes, *, is_reversed: bool = False) -> bytes:
    """How such a reader names this serial number. Raises ValueError for a number it cannot name."""
    sent = serial[::-1] if is_reversed else serial
    match profile:
        case Profile.LINE_HEX:
            return line_of_hex(sent)
        case Profile.LINE_DEC:
            return line_of_decimal(sent)
        case Profile.ID_12:
            return checked_frame(sent, Ending.CR_LF)
        case Profile.RDM6300:
            return checked_frame(sent, Ending.NOTHING)
        case _:
            assert_never(profile)
