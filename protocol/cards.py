"""A card's identity in the one canonical form that every reader, table and ledger entry uses."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from protocol.errors import CardIdInvalid


class CardKind(StrEnum):
    """Where the identity comes from: chip serial, 125 kHz tag, PIV GUID, or the printed ID06 number."""

    UID = "uid"
    EM = "em"
    PIV = "piv"
    ID06 = "id06"


UID_LENGTHS = frozenset({4, 7, 10})  # ISO/IEC 14443-3: single, double, triple size
_HEX_LENGTHS = {CardKind.UID: UID_LENGTHS, CardKind.EM: frozenset({5}), CardKind.PIV: frozenset({16})}
_ID06_NUMBER = re.compile(r"([A-Z]{2})-?(\d{4})-?(\d{6})", re.ASCII)  # issuer, year and month, serial
_HEX = re.compile(r"(?:[0-9A-F]{2})*", re.ASCII)
_LONGEST = 64


@dataclass(frozen=True, slots=True, repr=False)
class CardId:
    """`<kind>:<VALUE>`, upper case, most significant byte first; build it with `parse` or `from_bytes`.

    `str()` gives the whole identity for tables and the ledger; `repr()` is masked, so that a log never holds it.
    """

    kind: CardKind
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the canonical form, forgiving case, spaces around and missing hyphens of a printed number.

        Raises CardIdInvalid.
        """
        if len(text) > _LONGEST:
            raise CardIdInvalid(f"longer than {_LONGEST} characters")
        kind_text, colon, value = text.strip().partition(":")
        try:
            kind = CardKind(kind_text.lower())
        except ValueError:
            kind = None
        if not colon or kind is None:
            raise CardIdInvalid(f"it must begin with one of {', '.join(f'{k}:' for k in CardKind)}")
        if kind is CardKind.ID06:
            return cls(kind, _printed_number(value))
        value = value.upper()
        if not _HEX.fullmatch(value):
            raise CardIdInvalid("after the colon come pairs of hexadecimal digits")
        return cls(kind, _checked_length(kind, len(value) // 2, value))

    @classmethod
    def from_bytes(cls, kind: CardKind, raw: bytes) -> Self:
        """Take bytes that already stand most significant first. Raises CardIdInvalid for a length no such card has."""
        if kind is CardKind.ID06:
            raise CardIdInvalid("an ID06 number is text, not bytes")
        return cls(kind, _checked_length(kind, len(raw), raw.hex().upper()))

    @property
    def is_random(self) -> bool:
        """Says whether the chip makes a new serial at each touch (ISO/IEC 14443-3: first byte 08, 4 bytes)."""
        return self.kind is CardKind.UID and len(self.value) == 8 and self.value.startswith("08")

    @property
    def masked(self) -> str:
        """Enough to tell two cards in a log apart, not enough to copy one."""
        return f"{self.kind}:…{self.value[-4:]}"

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def __repr__(self) -> str:
        return f"CardId({self.masked})"


def _checked_length(kind: CardKind, length: int, value: str) -> str:
    lengths = _HEX_LENGTHS[kind]
    if length not in lengths:
        expected = " or ".join(str(n) for n in sorted(lengths))
        raise CardIdInvalid(f"{kind} with {length} bytes, expected {expected}")
    return value


def _printed_number(value: str) -> str:
    match = _ID06_NUMBER.fullmatch(value.strip().upper())
    if match is None:
        raise CardIdInvalid("an ID06 number is two letters and ten digits, as AB-2401-123456")
    return "-".join(match.groups())
