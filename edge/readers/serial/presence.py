"""Tells a card that comes into the field of a repeating reader from one that stays there."""

from protocol.cards import CardId


class Presence:
    """Times are seconds of a monotonic clock; a silence of `gap` means that the field was empty."""

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._there: CardId | None = None
        self._last = 0.0
        self._last_noise: float | None = None

    def begins(self, card: CardId, now: float) -> bool:
        """Says whether this frame is the first of a new presence."""
        stays = card == self._there and now - self._last < self._gap
        self._there = card
        self._last = now
        return not stays

    def is_worth_telling(self, now: float) -> bool:
        """Says whether noise at this time is more than the ragged edge of a presence or of noise already told."""
        told, self._last_noise = self._last_noise, now
        near_card = self._there is not None and now - self._last < self._gap
        return not near_card and (told is None or now - told >= self._gap)
