"""Keeps one holding of a card against a reader from counting twice."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from protocol.cards import CardId

NANOSECONDS: Final = 1_000_000_000

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Answered(Generic[Answer]):
    answer: Answer
    at: int


class RepeatGuard(Generic[Answer]):
    """Remembers what each card was answered at each reader, for `seconds` after it was last seen there.

    A card that keeps coming back sooner than that stays a repeat, so that nobody flips from in to out by fumbling.
    Times are monotonic nanoseconds. At most `most` answers are remembered; the one not seen for longest goes first.
    """

    def __init__(self, seconds: float = 3.0, most: int = 256) -> None:
        self._window = int(seconds * NANOSECONDS)
        self._most = most
        self._answered: OrderedDict[tuple[str, CardId], _Answered[Answer]] = OrderedDict()

    def repeated(self, reader: str, card: CardId, now: int) -> Answer | None:
        """The answer to show again if this is a repeat; None if the tap counts."""
        key = (reader, card)
        known = self._answered.get(key)
        if known is None:
            return None
        if now - known.at >= self._window:
            del self._answered[key]
            return None
        known.at = now
        self._answered.move_to_end(key)
        return known.answer

    def note(self, reader: str, card: CardId, answer: Answer, now: int) -> None:
        """Remember what a tap that counted was answered; call it only once that is recorded."""
        key = (reader, card)
        self._answered[key] = _Answered(answer, now)
        self._answered.move_to_end(key)
        while len(self._answered) > self._most or self._oldest_is_over(now):
            self._answered.popitem(last=False)

    def forget(self, is_stale: Callable[[Answer], bool]) -> None:
        """Let these answers count no more: a card that got one is answered anew at once."""
        for key in [key for key, known in self._answered.items() if is_stale(known.answer)]:
            del self._answered[key]

    def __len__(self) -> int:
        return len(self._answered)

    def _oldest_is_over(self, now: int) -> bool:
        """Whether there is one that a new tap need not be compared with any more; with a window of 0 that is each."""
        oldest = next(iter(self._answered.values()), None)
        return oldest is not None and now - oldest.at >= self._window
