"""A tap as the live page shows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from protocol.clock import ClockQuality
from protocol.decision import Direction, Proof, Reason
from protocol.entries import Outcome

LATE: Final = timedelta(minutes=1)
SAID_BY_REASON: Final = frozenset(
    {Reason.CARD_COPIED, Reason.CARD_MISMATCHED, Reason.CARD_FOREIGN, Reason.CARD_UNPROVED}
)


@dataclass(frozen=True, slots=True)
class TapLine:
    """Who tapped where and what was answered; `card` is masked, `zone` the project's, None where there is none.

    `corrected_at`: when it really occurred, where the terminal's clock was put right later.
    """

    id: int
    occurred_at: datetime
    received_at: datetime
    zone: str | None
    clock_quality: ClockQuality
    card: str
    person: str | None
    company: str | None
    project: str | None
    terminal: str
    reader: str | None
    direction: Direction | None
    outcome: Outcome
    reason: Reason | None
    corrected_at: datetime | None = None
    proof: Proof = Proof.NOT_ASKED

    @property
    def at(self) -> datetime:
        """The time to show: when it occurred, as far as anybody knows, else when it arrived."""
        if not self.clock_untrusted:
            return self.occurred_at
        return self.corrected_at or self.received_at

    @property
    def told_proof(self) -> Proof:
        """What came of asking the card for a proof, where the reason does not say it already."""
        return Proof.NOT_ASKED if self.reason in SAID_BY_REASON else self.proof

    @property
    def granted(self) -> bool:
        """Whether the answer was yes; a reason is then a remark."""
        return self.outcome is Outcome.GRANTED

    @property
    def clock_untrusted(self) -> bool:
        """Whether the terminal itself did not trust the time it wrote down."""
        return self.clock_quality is ClockQuality.UNTRUSTED

    @property
    def received_late(self) -> bool:
        """Whether it waited at the terminal, because nothing could be sent."""
        return not self.clock_untrusted and self.received_at - self.occurred_at >= LATE
