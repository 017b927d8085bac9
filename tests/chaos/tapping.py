"""Somebody who taps at one terminal without a pause, whatever happens to it."""

import itertools
import random
import threading
from collections.abc import Sequence
from typing import Final

from edge.errors import DaemonUnreachable
from protocol.cards import CardId
from tests.support.site_terminal import Feed, SiteTerminal

PAUSES: Final = {Feed.SIMULATED: (0.14, 0.3), Feed.SERIAL: (0.3, 0.5)}
"""Seconds between two taps: longer than a beep, so that each green has one of its own. A serial reader does not say
when it has been answered, so there it takes longer."""

AWAY: Final = 0.05
"""Seconds until the next try where no daemon answers."""


class Tapper:
    """Taps with one card after the other from a thread of its own; `rest` returns when no tap is under way."""

    def __init__(self, terminal: SiteTerminal, cards: Sequence[CardId], chance: random.Random) -> None:
        self.taps = 0
        self.unanswered = 0
        self._terminal = terminal
        self._cards = itertools.cycle(cards)
        self._chance = chance
        self._ended = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"taps at {terminal.id}", daemon=True)

    def start(self) -> None:
        """Begin to tap."""
        self._thread.start()

    def rest(self) -> None:
        """Tap no more until `go_on`."""
        self._turn.acquire()

    def go_on(self) -> None:
        """Tap again."""
        self._turn.release()

    def stop(self) -> None:
        """Tap no more at all."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._turn:
                answered = self._tap(next(self._cards))
            self._ended.wait(self._chance.uniform(*PAUSES[self._terminal.plan.feed]) if answered else AWAY)

    def _tap(self, card: CardId) -> bool:
        """Whether the terminal answered, as far as one can tell: a serial reader only shows lights."""
        self.taps += 1
        if self._terminal.plan.feed is Feed.SERIAL:
            self._terminal.present(bytes.fromhex(card.value))
            return True
        try:
            self._terminal.tap(card)
        except DaemonUnreachable:
            self.unanswered += 1
            return False
        return True
