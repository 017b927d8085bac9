"""Reads the Cardholder Unique Identifier (CHUID) of a PIV card, which anybody may read without a PIN."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from edge.errors import CardFault
from edge.piv.tlv import fields
from protocol.cards import CardId, CardKind
from protocol.clock import MICROSECONDS

GUID_BYTES: Final = 16
_FASC_N, _GUID, _EXPIRY, _END = 0x30, 0x34, 0x35, 0xFE
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 24 * 3600 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Chuid:
    """What a terminal needs of it: which card it is, and until when it is valid.

    `valid_until` is in microseconds UTC, the end of the day that is printed; None where the card names none.
    """

    guid: bytes
    fasc_n: bytes | None = None
    valid_until: int | None = None

    @classmethod
    def parse(cls, content: bytes) -> "Chuid":
        """The content of data object 5FC102 (NIST SP 800-73-5 part 1, 3.1.2 and table 9).

        Fields may stand in any order, and those that are not needed are skipped. Raises CardFault where it is cut off,
        and where it names two cards.
        """
        found: dict[int, bytes] = {}
        for tag, value in fields(content):
            if tag == _END:
                break
            if tag in {_FASC_N, _GUID, _EXPIRY} and found.setdefault(tag, value) != value:
                raise CardFault(f"its CHUID has two different fields {tag:X}")
        guid = found.get(_GUID, bytes(GUID_BYTES))
        if len(guid) != GUID_BYTES:
            raise CardFault(f"its GUID has {len(guid)} bytes, expected {GUID_BYTES}")
        return cls(guid, found.get(_FASC_N), _end_of(found.get(_EXPIRY, b"")))

    @property
    def card(self) -> CardId | None:
        """The card's identity; None where its issuer gave it no GUID."""
        return CardId.from_bytes(CardKind.PIV, self.guid) if any(self.guid) else None


def _end_of(day: bytes) -> int | None:
    """The end of a day written as YYYYMMDD, UTC; None for what is no date.

    Nobody vouches for this date unless the card proves itself, so it is a help to the honest: a card whose issuer left
    it blank is not turned away for that.
    """
    if len(day) != 8 or not day.isdigit():
        return None
    try:
        ends = date(int(day[:4]), int(day[4:6]), int(day[6:])).toordinal() + 1
    except ValueError:
        return None
    return (ends - _EPOCH) * _DAY
