"""The newest movement of everybody who went through here, so that a toggle reader knows which way the next tap goes."""

from collections.abc import Iterable, Iterator
from typing import Final

from protocol.entries import Outcome, Tap
from protocol.passes import LONGEST_PASS, Direction, Movement
from protocol.tables import presence_key

MOST_KEPT: Final = 200_000  # those longest without a movement are forgotten first

_Key = tuple[str, bytes]


class Movements:
    """By project and key of presence: of a person for a company, of a card where nobody is known to hold it (DESIGN 6).

    Nothing of this is stored: the ledger is, and `Movements(ledger.taps_since(…))` builds it again at start.
    """

    def __init__(self, taps: Iterable[Tap] = ()) -> None:
        self._newest: dict[_Key, Movement] = {}
        self._boot_id = b""
        for tap in taps:
            self.note(tap)

    def note(self, tap: Tap) -> None:
        """Take in a recorded tap; a denied one moved nobody."""
        if tap.outcome is not Outcome.GRANTED or tap.direction is None or tap.project is None:
            return
        key = (tap.project, presence_key(tap.card, tap.person, tap.company))
        if tap.boot_id != self._boot_id:
            self._boot_id = tap.boot_id
        self._newest.pop(key, None)
        self._newest[key] = Movement(tap.direction, tap.occurred_at, self._boot_id, tap.monotonic, tap.clock_quality)
        self._forget_the_oldest(tap)

    def of(self, project: str, key: bytes) -> Movement | None:
        """The newest movement on a project of whoever a key of presence names."""
        return self._newest.get((project, key))

    def came_in(self, project: str) -> Iterator[tuple[bytes, Movement]]:
        """Everybody whose newest movement on a project is an IN."""
        for (moved_on, key), movement in self._newest.items():
            if moved_on == project and movement.direction is Direction.IN:
                yield key, movement

    def _forget_the_oldest(self, newest: Tap) -> None:
        """Two at most for one that came: those that say nothing any more, and those beyond what is kept."""
        for _ in range(2):
            key = next(iter(self._newest))
            oldest = self._newest[key]
            since = oldest.monotonic if oldest.boot_id == newest.boot_id else 0  # one of before is older than the boot
            if (newest.monotonic - since) // 1000 < LONGEST_PASS and len(self._newest) <= MOST_KEPT:
                return
            del self._newest[key]
