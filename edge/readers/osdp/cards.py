"""Turns the bits that an OSDP reader gives of a card into its identity, or into why they are none."""

from typing import Final

from edge.readers.osdp.library import CardRead
from protocol.cards import CardId, CardKind

_KINDS: Final = {32: CardKind.UID, 40: CardKind.EM, 56: CardKind.UID, 80: CardKind.UID}
"""Whole identities by their length in bits; nothing else is taken for one."""

_WHOLE: Final = "let the reader send the whole serial number, 32, 40, 56 or 80 bits, without parity"
_WIEGAND: Final = {
    26: "24 of a card's bits between two of parity",
    34: "32 of a card's bits between two of parity",
    35: "a company's own numbering",
    36: "a company's own numbering",
    37: "a company's own numbering",
}
_PIV: Final = {128: "a GUID", 200: "a FASC-N", 245: "a FASC-N", 75: "a part of a FASC-N"}


def card_of(read: CardRead, *, reversed_bytes: bool = False) -> CardId | str:
    """The identity, or a phrase that says why there is none and what to change at the reader; nothing is guessed."""
    if read.is_text:
        return f"it sends text: {_WHOLE}"
    if read.bits in _WIEGAND:
        return f"it sends Wiegand {read.bits}, {_WIEGAND[read.bits]}, which is no identity: {_WHOLE}"
    if read.bits in _PIV:
        return (
            f"it sends {read.bits} bits, maybe {_PIV[read.bits]}: PIV cards are read by a PC/SC reader, not over OSDP"
        )
    kind = _KINDS.get(read.bits)
    if kind is None or len(read.raw) * 8 != read.bits:
        return f"it sends {read.bits} bits: {_WHOLE}"
    raw = read.raw[::-1] if reversed_bytes else read.raw
    if not any(raw):
        return "it sends a card of nothing but zeros: hold still"
    return CardId.from_bytes(kind, raw)
