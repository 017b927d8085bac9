"""Which card lies on a PC/SC reader: its PIV identity where it has one, else the serial number of its chip."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edge.errors import CardFault
from edge.piv.exchange import SUCCESS, Asks, Exchange, answered, read_piv, told
from protocol.cards import UID_LENGTHS, CardId, CardKind
from protocol.decision import PLAIN, Credential

GET_UID: Final = bytes.fromhex("FFCA000000")  # PC/SC part 3, 3.2.2.1.3: Get Data, P1=00


@dataclass(frozen=True, slots=True)
class Identified:
    """A card's identity, others that it has beside it, what it says of itself, and the bytes that told."""

    card: CardId
    raw: bytes
    also: tuple[CardId, ...] = ()
    credential: Credential = PLAIN


def identified(prover: Asks | None, *, is_reversed: bool) -> Exchange[Identified]:
    """Ask a card who it is; `is_reversed`: the reader gives serial numbers least significant first. Raises CardFault.

    A chip that makes up a serial number for each touch tells nothing beside the GUID, and is named by it without one.
    """
    piv = yield from read_piv(prover)
    if piv is None:
        return (yield from _by_serial(is_reversed))
    also: tuple[CardId, ...] = ()
    with suppress(CardFault):  # the card is known by now, whatever becomes of the rest
        serial = (yield from _by_serial(is_reversed)).card
        also = () if serial.is_random else (serial,)
    return Identified(piv.card, piv.raw, also, piv.credential)


def _by_serial(is_reversed: bool) -> Exchange[Identified]:
    answer, status = yield from answered(GET_UID)
    return Identified(card_of(answer[::-1] if is_reversed else answer, status), answer + status)


def card_of(serial: bytes, status: bytes) -> CardId:
    """The identity in an answer to GET_UID, most significant byte first. Raises CardFault."""
    if status != SUCCESS:
        raise CardFault(told(status))
    if len(serial) not in UID_LENGTHS:
        raise CardFault(f"its serial number has {len(serial)} bytes, expected 4, 7 or 10")
    return CardId.from_bytes(CardKind.UID, serial)
