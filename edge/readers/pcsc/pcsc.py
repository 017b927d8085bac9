"""Reads cards from PC/SC readers through pcscd."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from smartcard import scard

from edge.errors import CardFault, ReaderGone
from edge.piv.exchange import TAKEN_AWAY, Asks, carried
from edge.readers import CardSeen, CardUnread, Sighting
from edge.readers.pcsc.atr import announced
from edge.readers.pcsc.contactless import identified
from edge.readers.watching import Turn, Watch
from edge.words import msgid
from protocol.cards import CardId

WAIT_MS: Final = 1000
LONGEST_READ: Final = 5.0
"""Seconds for all that a card is asked in one presence; a card with a slow RSA key takes two."""

# what says that the card is the matter, and not the reader or pcscd
_CARD_FAULTS: Final = {
    scard.SCARD_W_REMOVED_CARD: TAKEN_AWAY,
    scard.SCARD_E_NO_SMARTCARD: TAKEN_AWAY,
    scard.SCARD_W_UNPOWERED_CARD: msgid("the card lost its power"),
    scard.SCARD_W_UNRESPONSIVE_CARD: msgid("the card does not answer"),
    scard.SCARD_W_UNSUPPORTED_CARD: msgid("the card answers in no known way"),
    scard.SCARD_W_RESET_CARD: msgid("another program reset the card"),
    scard.SCARD_E_NOT_TRANSACTED: TAKEN_AWAY,
    scard.SCARD_F_COMM_ERROR: TAKEN_AWAY,
    scard.SCARD_E_PROTO_MISMATCH: msgid("the card speaks no known protocol"),
    scard.SCARD_E_CARD_UNSUPPORTED: msgid("the card answers in no known way"),
    scard.SCARD_E_SHARING_VIOLATION: msgid("another program holds the card"),
}


class PcscReader:
    """One PC/SC reader, found by its name or a part of it.

    `is_reversed`: it gives serial numbers least significant byte first. `prover` has PIV cards prove themselves.

    It waits for changes itself, with a fresh context after every failure: pyscard's own monitor ends for good when
    pcscd is restarted (pitfall 28).
    """

    def __init__(self, name: str, wanted: str, *, is_reversed: bool = False, prover: Asks | None = None) -> None:
        self.name = name
        self._wanted = wanted
        self._is_reversed = is_reversed
        self._prover = prover
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
                raise ReaderGone(self.name, msgid("it was unplugged"))
            watch.alive()
            self._forget_if_gone(known, state, timed_out=outcome == scard.SCARD_E_TIMEOUT)
            if _is_new_card(known, state):
                self._tell(watch, replace(self._read(watch, context, reader), chip=announced(bytes(states[0][2]))))
            known = state & ~scard.SCARD_STATE_CHANGED

    def _forget_if_gone(self, known: int, state: int, *, timed_out: bool) -> None:
        """A card was taken away when we saw it go, or when the field stays empty: pcscd starts with none."""
        has_left = known & scard.SCARD_STATE_PRESENT and known >> 16 != state >> 16
        if has_left or (timed_out and not state & scard.SCARD_STATE_PRESENT):
            self._lying = None

    def _tell(self, watch: Turn, sighting: CardSeen | CardUnread) -> None:
        """Report it, unless it is the card that lay on the reader all the while pcscd was restarted."""
        if watch.stopping:  # left hanging until now: the session that follows reads the card itself
            return
        lay, self._lying = self._lying, sighting.card if isinstance(sighting, CardSeen) else None
        if self._lying is None or self._lying != lay:
            watch.report(sighting)

    def _read(self, watch: Turn, context: Any, reader: str) -> CardSeen | CardUnread:
        began, answers = time.monotonic_ns(), list[bytes]()
        try:
            with self._held(context, reader) as (card, protocol):

                def transmit(command: bytes) -> bytes:
                    answers.append(self._transmit(card, protocol, command))
                    watch.alive()
                    if time.monotonic_ns() - began > LONGEST_READ * 1e9:
                        raise CardFault(msgid("the card takes too long"))
                    return answers[-1]

                found = carried(identified(self._prover, is_reversed=self._is_reversed), transmit)
        except CardFault as fault:
            return CardUnread(self.name, fault.why, b"".join(answers[-1:]), time.monotonic_ns() - began)
        took = time.monotonic_ns() - began
        return CardSeen(found.card, self.name, found.also, found.credential, found.raw, took)

    @contextmanager
    def _held(self, context: Any, reader: str) -> Iterator[tuple[Any, Any]]:
        """The card, and its protocol, to ourselves for as long as it is asked."""
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        outcome, card, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
        self._expect_card(outcome)
        try:
            self._expect_card(scard.SCardBeginTransaction(card))
            yield card, protocol
        finally:
            scard.SCardEndTransaction(card, scard.SCARD_LEAVE_CARD)
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)

    def _transmit(self, card: Any, protocol: Any, command: bytes) -> bytes:
        outcome, answer = scard.SCardTransmit(card, protocol, list(command))
        self._expect_card(outcome)
        return bytes(answer)

    def _expect_card(self, outcome: int) -> None:
        if (why := _CARD_FAULTS.get(outcome)) is not None:
            raise CardFault(why)
        self._expect(outcome)

    def _expect(self, outcome: int) -> None:
        if outcome != scard.SCARD_S_SUCCESS:
            raise ReaderGone(self.name, str(scard.SCardGetErrorMessage(outcome)))


def _is_new_card(known: int, state: int) -> bool:
    """pcscd counts insertions and removals in the upper half: a card changed between two looks shows there only."""
    if not state & scard.SCARD_STATE_PRESENT:
        return False
    return not known & scard.SCARD_STATE_PRESENT or known >> 16 != state >> 16
