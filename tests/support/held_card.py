"""Holds a simulated PIV card against our exchange, with no reader and no pcscd between them."""

from collections.abc import Callable
from typing import Final

from edge.errors import CardFault
from edge.piv.applet import Applet, PivCard
from edge.piv.exchange import TAKEN_AWAY, Asks, carried
from edge.piv.issuer import Issuer
from edge.piv.proof import Prover
from edge.piv.trusted import Issuers
from edge.readers.pcsc.contactless import GET_UID, Identified, identified

CHIP: Final = bytes.fromhex("04A1B2C3D4E5F6")
SUCCESS: Final = b"\x90\x00"


class HeldCard:
    """One presence of a card: what it was asked stays in `asked`; it goes before answer number `gone_after`."""

    def __init__(self, card: PivCard | None, chip: bytes = CHIP, gone_after: int | None = None) -> None:
        self._applet = None if card is None else Applet(card)
        self._chip = chip
        self._gone_after = gone_after
        self.asked: list[bytes] = []

    def answer(self, command: bytes) -> bytes:
        """What the reader hands back. Raises CardFault once the card is gone."""
        if self._gone_after is not None and len(self.asked) >= self._gone_after:
            raise CardFault(TAKEN_AWAY)
        self.asked.append(command)
        if command == GET_UID:
            return self._chip + SUCCESS
        return b"\x6a\x81" if self._applet is None else self._applet.answer(command)

    def read(self, prover: Asks | None = None, *, is_reversed: bool = False) -> Identified:
        """What our exchange makes of it. Raises CardFault."""
        return carried(identified(prover, is_reversed=is_reversed), self.answer)


def trusting(*issuers: Issuer, asked: Callable[[], bool] = lambda: True) -> Prover:
    """A prover that believes these issuers."""
    return Prover(Issuers([each.certificate for each in issuers]), asked)
