"""Says what kind of chip an answer to reset announces, for people to read: readers differ, so nothing rests on it."""

from functools import reduce
from operator import xor
from typing import Final

_CONTACTLESS: Final = bytes.fromhex("8001")  # PC/SC part 3, 3.1.3.2.3: no more of the interface than T=0 and T=1
_STORAGE: Final = bytes.fromhex("804F0CA000000306")
_NAMES: Final = {  # PC/SC part 3, supplemental document
    b"\x00\x01": "MIFARE Classic 1K",
    b"\x00\x02": "MIFARE Classic 4K",
    b"\x00\x03": "MIFARE Ultralight",
    b"\x00\x26": "MIFARE Mini",
}


def announced(atr: bytes) -> str:
    """The chip by its name where there is one, else its kind; nothing for an ATR of no contactless card."""
    if len(atr) < 5 or atr[0] != 0x3B or atr[1] >> 4 != 0x8 or atr[2:4] != _CONTACTLESS:
        return ""
    historical = atr[4:-1]
    if len(historical) != atr[1] & 0x0F or reduce(xor, atr[1:]):
        return ""
    if len(historical) == 15 and historical.startswith(_STORAGE):
        name = historical[9:11]
        return _NAMES.get(name, f"storage card {name.hex(' ').upper()}")
    return "processor card"
