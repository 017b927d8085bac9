"""Gives an OSDP reader a key of its own, and says what came of it; a power cut at any moment costs nothing but time."""

import secrets
import time
from concurrent.futures import Future
from typing import Final

from edge.readers.osdp.keys import Keys
from edge.readers.osdp.library import KEY_BYTES, Act, Done, Panel
from edge.readers.osdp.requests import Outcome
from edge.readers.osdp.seat import Seat

WAITED: Final = 2.0
"""Seconds that a reader which has a key is given to come up under it, before it is met as one that has none."""

PATIENCE: Final = 8.0
"""Seconds after which it has failed; whoever asked waits for ten."""

SILENCE: Final = 5.0
"""Seconds after which it has failed with a reader that said nothing at all."""


class Provisioning:
    """One attempt, followed by the bus's thread. Raises ReaderKeysUnusable when it begins.

    The new key is on disk before the reader hears of it, and becomes the reader's only one once it has answered under
    it. Until then both are known: whichever the reader has after a power cut is found by trying.
    """

    def __init__(self, seat: Seat, outcome: "Future[Outcome]", now: float) -> None:
        self.seat = seat
        self.outcome = outcome
        self._began = self._failed_at = now
        keys = seat.store.of(seat.name)
        self._new = keys.pending or secrets.token_bytes(KEY_BYTES)
        self._had = keys.current
        seat.store.put(seat.name, Keys(keys.current, self._new))
        seat.keys = Keys(keys.current, self._new)
        self._is_sent = self._is_taken = self._installs = False

    def step(self, panel: Panel, secure: frozenset[int], heard: float, now: float) -> bool:
        """Go on; True when the panel has to be made anew."""
        if now - self._began > PATIENCE:
            return self._end(Outcome.UNPROVED)
        if heard < self._began and now - self._began > SILENCE:
            return self._end(Outcome.SILENT)
        if self._installs:
            return self._install(panel, secure)
        if self._is_taken:
            if self.seat.address in secure and self.seat.key == self._new:
                return self._keep(Outcome.REPLACED)
        elif self.seat.is_up and not self._is_sent:
            if self.seat.key == self._new:
                return self._keep(Outcome.REPLACED)  # it had been given before, and only now the reader told
            self._is_sent = panel.set_key(self.seat.address, self._new)
        elif not self._is_sent and (self._had is None or now - self._failed_at > WAITED):
            self._installs = self.seat.is_met_plainly = True
            self.seat.key = self._new
            return True
        return False

    def finish(self, done: Done) -> None:
        """The reader took the key, or refused it: it was reset meanwhile, or comes up under the old one once more."""
        if done.act is Act.SET_KEY and done.well:
            self._is_taken = True
            self.seat.key = self._new
        elif done.act is Act.SET_KEY:
            self._is_sent, self._failed_at = False, time.monotonic()

    def give_up(self) -> None:
        """The port is gone."""
        self._end(Outcome.PORT_GONE)

    def _install(self, panel: Panel, secure: frozenset[int]) -> bool:
        address = self.seat.address
        if address in secure:
            panel.insist(address)
            return self._keep(Outcome.KEYED)
        if address in panel.plain():
            return self._end(Outcome.FOREIGN_KEY if panel.can_be_secure(address) else Outcome.NOT_CAPABLE)
        return False

    def _keep(self, outcome: Outcome) -> bool:
        """It has answered under the new key."""
        self.seat.is_met_plainly = False
        self.seat.key = self._new
        self.seat.settle()
        self._settle(outcome)
        return False

    def _end(self, outcome: Outcome) -> bool:
        """It did not; the reader is met again as before."""
        was_plain, self.seat.is_met_plainly = self.seat.is_met_plainly, False
        if was_plain:
            self.seat.key = next(iter(self.seat.keys.all))
        self._settle(outcome)
        return was_plain

    def _settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)
