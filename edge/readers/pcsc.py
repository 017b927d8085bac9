"""Reads cards from PC/SC readers through pcscd."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from smartcard import scard

from edge.errors import ReaderGone
from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.watching import Turn, Watch
from protocol.cards import UID_LENGTHS, CardId, CardKind

GET_UID: Final = [0xFF, 0xCA, 0x00, 0x00, 0x00]  # PC/SC part 3, 3.2.2.1.3: Get Data, P1=00
SUCCESS: Final = b"\x90\x00"
WAIT_MS: Final = 1000
STATUS_WORDS: Final[dict[bytes, str]] = {
    b"\x63\x00": "the reader could not read the card",
    b"\x62\x82": "the card gave less than was asked for",
    b"\x6a\x81": "the card has no serial number to read",
}

# what says that the card is the matter, and not the reader or pcscd
_CARD_FAULTS: Final = {
    scard.SCARD_W_REMOVED_CARD: "the card was taken away",
    scard.SCARD_E_NO_SMARTCARD: "the card was taken away",
    scard.SCARD_W_UNPOWERED_CARD: "the card lost its power",
    scard.SCARD_W_UNRESPONSIVE_CARD: "the card does not answer",
    scard.SCARD_W_UNSUPPORTED_CARD: "the card answers in no known way",
    scard.SCARD_W_RESET_CARD: "another program reset the card",
    scard.SCARD_E_NOT_TRANSACTED: "the card was taken away",
    scard.SCARD_E_PROTO_MISMATCH: "the card speaks no known protocol",
    scard.SCARD_E_CARD_UNSUPPORTED: "the card answers in no known way",
    scard.SCARD_E_SHARING_VIOLATION: "another program holds the card",
}


class _CardFault(Exception):
    """The card could not be read, though its reader works; ends in CardUnread."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class PcscReader:
    """One PC/SC reader, found by its name or a part of it.

    It waits for changes itself, with a fresh context after every failure: pyscard's own monitor ends for good when
    pcscd is restarted (pitfall 28).
    """

    def __init__(self, name: str, wanted: str) -> None:
        self.name = name
        self._wanted = wanted
        self._watch = Watch(name, self._session)
        self._context: Any = None
        self._lying: CardId | None = None  # the card in the field, as far as known

    @property
    def is_there(self) -> bool:
        """Says whether pcscd and the reader answer."""
        return self._watch.is_there

    def start(self, seen: Callable[[Sighting], None]) -> None:
        """Watch for cards as soon as pcscd and the reader are there."""
        self._watch.start(seen)

    def stop(self) -> None:
        """End watching; what it waits for is cut short."""
        self._watch.stop(self._interrupt)

    def _interrupt(self) -> None:
        if (context := self._context) is not None:
            scard.SCardCancel(context)

    def _session(self, watch: Turn) -> None:
        outcome, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        self._expect(outcome)
        self._context = context
        try:
            self._observe(watch, context, self._find(context))
        finally:
            if self._context is context:  # a session left hanging may end long after
                self._context = None
            scard.SCardReleaseContext(context)

    def _find(self, context: Any) -> str:
        outcome, names = scard.SCardListReaders(context, [])
        if outcome != scard.SCARD_E_NO_READERS_AVAILABLE:
            self._expect(outcome)
        fitting = sorted(name for name in names or [] if self._wanted in name)
        if not fitting:
            raise ReaderGone(self.name, f"pcscd knows no reader called {self._wanted!r}")
        return self._wanted if self._wanted in fitting else str(fitting[0])

    def _observe(self, watch: Turn, context: Any, reader: str) -> None:
        known = scard.SCARD_STATE_UNAWARE
        while not watch.stopping:
            outcome, states = scard.SCardGetStatusChange(context, WAIT_MS, [(reader, known)])
            if outcome == scard.SCARD_E_CANCELLED:
                continue
            if outcome != scard.SCARD_E_TIMEOUT:
                self._expect(outcome)
            state: int = states[0][1]
            if state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE):
                raise ReaderGone(self.name, "it was unplugged")
            watch.alive()
            self._forget_if_gone(known, state, timed_out=outcome == scard.SCARD_E_TIMEOUT)
            if _is_new_card(known, state):
                self._tell(watch, self._read(context, reader))
            known = state & ~scard.SCARD_STATE_CHANGED

    def _forget_if_gone(self, known: int, state: int, *, timed_out: bool) -> None:
        """A card was taken away when we saw it go, or when the field stays empty: pcscd starts with none."""
        has_left = known & scard.SCARD_STATE_PRESENT and known >> 16 != state >> 16
        if has_left or (timed_out and not state & scard.SCARD_STATE_PRESENT):
            self._lying = None

    def _tell(self, watch: Turn, sighting: Sighting) -> None:
        """Report it, unless it is the card that lay on the reader all the while pcscd was restarted."""
        if watch.stopping:  # left hanging until now: the session that follows reads the card itself
            return
        lay, self._lying = self._lying, sighting.card if isinstance(sighting, CardSeen) else None
        if self._lying is None or self._lying != lay:
            watch.report(sighting)

    def _read(self, context: Any, reader: str) -> Sighting:
        try:
            answer = self._exchange(context, reader, GET_UID)
            return CardSeen(card_of(answer), self.name)
        except _CardFault as fault:
            return CardUnread(self.name, fault.why)

    def _exchange(self, context: Any, reader: str, apdu: list[int]) -> Sequence[int]:
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        outcome, card, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
        self._expect_card(outcome)
        try:
            outcome, answer = scard.SCardTransmit(card, protocol, apdu)
            self._expect_card(outcome)
            return list(answer)
        finally:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)

    def _expect_card(self, outcome: int) -> None:
        if (why := _CARD_FAULTS.get(outcome)) is not None:
            raise _CardFault(why)
        self._expect(outcome)

    def _expect(self, outcome: int) -> None:
        if outcome != scard.SCARD_S_SUCCESS:
            raise ReaderGone(self.name, str(scard.SCardGetErrorMessage(outcome)))


def _is_new_card(known: int, state: int) -> bool:
    """pcscd counts insertions and removals in the upper half: a card changed between two looks shows there only."""
    if not state & scard.SCARD_STATE_PRESENT:
        return False
    return not known & scard.SCARD_STATE_PRESENT or known >> 16 != state >> 16


def card_of(answer: Sequence[int]) -> CardId:
    """The identity in an answer to GET_UID, most significant byte first."""
    serial, status = bytes(answer[:-2]), bytes(answer[-2:])
    if status != SUCCESS:
        raise _CardFault(_told(status))
    if len(serial) not in UID_LENGTHS:
        raise _CardFault(f"its serial number has {len(serial)} bytes, expected 4, 7 or 10")
    return CardId.from_bytes(CardKind.UID, serial)


def _told(status: bytes) -> str:
    if len(status) < 2 or status[0] >> 4 not in {0x6, 0x9}:  # ISO/IEC 7816-4, 5.6: no status word begins otherwise
        return "the card was taken away"
    return STATUS_WORDS.get(status, f"the card answered {status.hex(' ').upper()}")
