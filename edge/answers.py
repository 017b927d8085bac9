"""What a tap is answered: its verdict, its number in the ledger, how it is shown, and how it is written down."""

import secrets
from dataclasses import dataclass
from typing import Final, assert_never

from edge.readers import CardSeen
from edge.signals.patterns import Pattern
from protocol.clock import ClockReading
from protocol.decision import Denied, Direction, Enrolment, Facts, Granted, Reason, Verdict
from protocol.entries import MOST_ALSO, SALT_BYTES, VERSION, Outcome, Source, Tap

SHOWN_FOR: Final = {
    Reason.UNBOUND: Pattern.UNBOUND,
    Reason.PROJECT_ENDED: Pattern.PROJECT_ENDED,
    Reason.BLOCKED: Pattern.BLOCKED,
    Reason.CARD_RANDOM: Pattern.CARD_RANDOM,
    Reason.CARD_EXPIRED: Pattern.CARD_EXPIRED,
    Reason.CARD_COPIED: Pattern.CARD_COPIED,
    Reason.CARD_MISMATCHED: Pattern.CARD_MISMATCHED,
    Reason.CARD_FOREIGN: Pattern.CARD_FOREIGN,
    Reason.CARD_UNPROVED: Pattern.CARD_UNPROVED,
    Reason.NOT_ENROLLED: Pattern.NOT_ENROLLED,
    Reason.NO_RIGHT: Pattern.NO_RIGHT,
    Reason.OUT_OF_HOURS: Pattern.OUT_OF_HOURS,
    Reason.CLOCK_UNTRUSTED: Pattern.CLOCK_DENIED,
    Reason.ANTI_PASSBACK: Pattern.ANTI_PASSBACK,
    Reason.OCCUPANCY_LIMIT: Pattern.OCCUPANCY_LIMIT,
    Reason.DOORS_EXPIRED: Pattern.DOORS_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A tap's answer; without a `seq` it could not be written down, and nothing was opened."""

    verdict: Verdict
    shown: Pattern
    seq: int | None = None

    @property
    def outcome(self) -> Outcome:
        """Granted or denied; what is not in the ledger was not granted."""
        return Outcome.DENIED if self.seq is None else outcome_of(self.verdict)

    def words(self) -> dict[str, str | int | None]:
        """The same for log and commands."""
        words = {"direction": self.verdict.direction, "outcome": self.outcome, "reason": reason_of(self.verdict)}
        return {"seq": self.seq, **words, "shown": self.shown}


def outcome_of(verdict: Verdict) -> Outcome:
    """The verdict in the ledger's word."""
    return Outcome.GRANTED if isinstance(verdict, Granted) else Outcome.DENIED


def reason_of(verdict: Verdict) -> Reason | None:
    """Why it was denied, or the remark on what was granted."""
    return verdict.remark if isinstance(verdict, Granted) else verdict.reason


def pattern_of(verdict: Verdict, enrolment: Enrolment | None, online: bool) -> Pattern:
    """How a verdict that is written down looks; a grant that the cloud cannot hear of yet looks different."""
    match verdict:
        case Denied(reason):
            return SHOWN_FOR[reason]
        case Granted(remark=Reason.DOORS_EXPIRED):
            return Pattern.DOORS_EXPIRED
        case Granted() if enrolment is None:
            return Pattern.ADMITTED_WITHOUT_PERSON if online else Pattern.RECORDED_WITHOUT_PERSON_OFFLINE
        case Granted(Direction.IN):
            return Pattern.ADMITTED_IN if online else Pattern.RECORDED_IN_OFFLINE
        case Granted():
            return Pattern.ADMITTED_OUT if online else Pattern.RECORDED_OUT_OFFLINE
        case _:
            assert_never(verdict)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Everything that a tap's entry tells beside the verdict."""

    seen: CardSeen
    facts: Facts
    at: ClockReading
    tables: dict[str, int]

    def entry(self, verdict: Verdict, registered_at: int) -> Tap:
        """The tap as it is written down; `registered_at` is read just before."""
        seen, binding, enrolment = self.seen, self.facts.binding, self.facts.enrolment
        return Tap(
            version=VERSION,
            occurred_at=self.at.utc,
            clock_quality=self.at.quality,
            boot_id=self.at.boot_id,
            monotonic=self.at.monotonic,
            registered_at=registered_at,
            card=str(seen.card),
            person=None if enrolment is None else enrolment.person,
            company=None if enrolment is None else enrolment.company,
            reader=seen.reader,
            direction=verdict.direction,
            outcome=outcome_of(verdict),
            reason=reason_of(verdict),
            project=None if binding is None else binding.project,
            tables=self.tables,
            source=Source.CARD,
            salt=secrets.token_bytes(SALT_BYTES),
            also=tuple(str(card) for card in seen.believed(binding) if card != seen.card)[:MOST_ALSO],
            proof=seen.credential.proof,
        )
