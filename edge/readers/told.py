"""A sighting as it is told to a person: by the local socket, and by `grindvakt reader watch`."""

from enum import StrEnum
from typing import Final, assert_never

import msgspec

from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost, ReaderTampered, Sighting
from protocol.credentials import Proof

LONGEST_RAW: Final = 4096
"""Bytes of what a device gave that are told; the CHUID of a PIV card is the longest (SP 800-73-5 part 1, 3.1.2)."""


class What(StrEnum):
    """What a sighting told."""

    CARD = "card"
    UNREAD = "unread"
    LOST = "lost"
    BACK = "back"
    TAMPERED = "tampered"
    WHOLE = "whole"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A sighting as the local socket tells it, with the whole card number: for the installer's screen, not for a log.

    `raw` is in hexadecimal digits. `chip` is what the reader calls it. `on_roster` and `turned_on_roster`: whether the
    roster knows the card, and the one that has its bytes the other way round; None where nobody could look.
    """

    number: int
    at: str
    reader: str
    what: What
    card: str | None = None
    also: tuple[str, ...] = ()
    proof: Proof = Proof.NOT_ASKED
    raw: str = ""
    why: str | None = None
    milliseconds: float = 0.0
    chip: str = ""
    on_roster: bool | None = None
    turned_on_roster: bool | None = None


def told(sighting: Sighting, number: int, at: str) -> Told:
    """The sighting with its number and its time (UTC, ISO 8601)."""
    match sighting:
        case CardSeen(card, reader, also, credential, raw, took, chip):
            return Told(
                number=number,
                at=at,
                reader=reader,
                what=What.CARD,
                card=str(card),
                also=tuple(str(each) for each in also),
                proof=credential.proof,
                raw=raw[:LONGEST_RAW].hex(),
                milliseconds=took / 1e6,
                chip=chip,
            )
        case CardUnread(reader, why, raw, took, chip):
            return Told(
                number=number,
                at=at,
                reader=reader,
                what=What.UNREAD,
                raw=raw[:LONGEST_RAW].hex(),
                why=why,
                milliseconds=took / 1e6,
                chip=chip,
            )
        case ReaderLost(reader, why):
            return Told(number=number, at=at, reader=reader, what=What.LOST, why=why)
        case ReaderBack(reader):
            return Told(number=number, at=at, reader=reader, what=What.BACK)
        case ReaderTampered(reader, on):
            return Told(number=number, at=at, reader=reader, what=What.TAMPERED if on else What.WHOLE)
        case _:
            assert_never(sighting)
