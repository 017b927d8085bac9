"""The words for everything that is stored as a code: reasons, ways, clocks and doors."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cloud.portal.languages import msgid
from protocol.cards import CardKind
from protocol.clock import ClockQuality
from protocol.decision import AntiPassback, CardAuthentication, ClockPolicy, Direction, Proof, Reason

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Sign:
    """A state in words, with the icon and the tone that say it too."""

    text: str
    icon: str
    tone: str


DIRECTIONS: Final = {
    Direction.IN: msgid("In"),
    Direction.OUT: msgid("Out"),
}

REFUSALS: Final = {
    Reason.UNBOUND: msgid("The terminal is not bound to a project"),
    Reason.PROJECT_ENDED: msgid("The project has ended"),
    Reason.BLOCKED: msgid("The card is blocked"),
    Reason.CARD_RANDOM: msgid("The card gives another number each time"),
    Reason.CARD_EXPIRED: msgid("The card's time is over, or has not begun"),
    Reason.CARD_COPIED: msgid("The card is a copy: it does not have the key of the one that was issued"),
    Reason.CARD_MISMATCHED: msgid("The card's number belongs to another card"),
    Reason.CARD_FOREIGN: msgid("Nobody whom the site trusts issued the card"),
    Reason.CARD_UNPROVED: msgid("The card cannot prove that it is genuine, and the project asks for it"),
    Reason.NOT_ENROLLED: msgid("The card is not enrolled in the project"),
    Reason.NO_RIGHT: msgid("The person has no right to the doors here"),
    Reason.OUT_OF_HOURS: msgid("Outside the hours of the person's right"),
    Reason.CLOCK_UNTRUSTED: msgid("The terminal does not know the time, and the right has hours"),
    Reason.ANTI_PASSBACK: msgid("Already inside: no tap out since the last tap in"),
    Reason.OCCUPANCY_LIMIT: msgid("As many people as are allowed are inside already"),
    Reason.DOORS_EXPIRED: msgid("The terminal has not heard from the cloud for too long"),
}

# an OUT is never denied: what would have denied it is remarked
REMARKS: Final = {
    Reason.UNBOUND: msgid("Let out although the terminal is not bound to a project"),
    Reason.PROJECT_ENDED: msgid("Let out although the project has ended"),
    Reason.BLOCKED: msgid("Let out although the card is blocked"),
    Reason.CARD_RANDOM: msgid("Let out although the card gives another number each time"),
    Reason.CARD_EXPIRED: msgid("Let out although the card's time is over, or has not begun"),
    Reason.CARD_COPIED: msgid("Let out although the card is a copy"),
    Reason.CARD_MISMATCHED: msgid("Let out although the card's number belongs to another card"),
    Reason.CARD_FOREIGN: msgid("Let out although nobody whom the site trusts issued the card"),
    Reason.CARD_UNPROVED: msgid("Let out although the card cannot prove that it is genuine"),
    Reason.NOT_ENROLLED: msgid("Let out although the card is not enrolled in the project"),
    Reason.NO_RIGHT: msgid("Let out although the person has no right to the doors here"),
    Reason.OUT_OF_HOURS: msgid("Let out outside the hours of the person's right"),
    Reason.CLOCK_UNTRUSTED: msgid("The terminal did not know the time: the hours of the right were not checked"),
    Reason.ANTI_PASSBACK: msgid("The same way twice: a tap the other way is missing between"),
    Reason.OCCUPANCY_LIMIT: msgid("Let out although as many as are allowed were inside"),
    Reason.DOORS_EXPIRED: msgid("Recorded, but no door opened: the terminal had not heard from the cloud for too long"),
}

PROOFS: Final = {
    Proof.NOT_ASKED: None,
    Proof.GENUINE: Sign(msgid("Proved genuine"), "granted", "good"),
    Proof.NO_KEY: Sign(msgid("Has no key to prove itself with"), "warning", "care"),
    Proof.COPIED: Sign(msgid("A copy"), "denied", "bad"),
    Proof.MISMATCHED: Sign(msgid("Number and certificate do not belong together"), "denied", "bad"),
    Proof.FOREIGN: Sign(msgid("Of an unknown issuer"), "denied", "bad"),
}
"""What came of asking a card whether it is genuine; nothing is said where nobody asked."""

CLOCKS: Final = {
    ClockQuality.SYNCHRONISED: Sign(msgid("Synchronised"), "clock", "good"),
    ClockQuality.HELD: Sign(msgid("Running on its own"), "clock", "care"),
    ClockQuality.UNTRUSTED: Sign(msgid("Not to be trusted"), "warning", "bad"),
}

ANTI_PASSBACK: Final = {
    AntiPassback.OFF: msgid("Not looked at"),
    AntiPassback.SOFT: msgid("Let in, with a remark"),
    AntiPassback.HARD: msgid("Refused until they have gone out"),
    AntiPassback.TIMED: msgid("Refused for a while"),
}

CLOCK_POLICIES: Final = {
    ClockPolicy.IGNORE_SCHEDULES: msgid("Hours are not checked"),
    ClockPolicy.ALWAYS_ONLY: msgid("Only people whose right has no hours come in"),
}

CARD_AUTHENTICATION: Final = {
    CardAuthentication.OFF: msgid("Not asked for"),
    CardAuthentication.PREFER: msgid("Copies and cards of unknown issuers are refused"),
    CardAuthentication.REQUIRE: msgid("Only cards that prove it come in"),
}

CARD_KINDS: Final = {
    CardKind.PIV: msgid("PIV number"),
    CardKind.UID: msgid("Chip number"),
    CardKind.EM: msgid("Tag number"),
    CardKind.ID06: msgid("ID06 number"),
}

DOOR_STATES: Final = {
    "locked": Sign(msgid("locked"), "door", ""),
    "unlocking": Sign(msgid("unlocking"), "door", ""),
    "unlocked": Sign(msgid("unlocked"), "door", ""),
    "open": Sign(msgid("open"), "door", ""),
    "locking": Sign(msgid("locking"), "door", ""),
    "held_open": Sign(msgid("held open too long"), "warning", "bad"),
    "forced": Sign(msgid("forced open"), "warning", "bad"),
    "jammed": Sign(msgid("the lock is jammed"), "warning", "bad"),
}


@dataclass(frozen=True, slots=True)
class Condition(Sign):
    """What is wrong with a terminal while nobody taps, and what to do about it."""

    remedy: str


CONDITIONS: Final = {
    "identify": Condition(
        msgid("Shows where it is"), "terminal", "", msgid("Somebody asked it to blink. It ends by itself.")
    ),
    "updating": Condition(
        msgid("Updating"), "clock", "", msgid("Leave it its power; it works again in a few minutes.")
    ),
    "ledger_fault": Condition(
        msgid("Cannot record"),
        "warning",
        "bad",
        msgid("Nobody can tap in. Look at its memory card and disk: run `grindvakt doctor` at the terminal."),
    ),
    "unbound": Condition(
        msgid("Not bound"), "warning", "care", msgid("Bind it to a project below: until then it admits nobody.")
    ),
    "door_alarm": Condition(
        msgid("Door alarm"), "warning", "bad", msgid("A door was forced or is held open. Go there, and close it.")
    ),
    "door_pre_alarm": Condition(
        msgid("A door stands open"), "warning", "care", msgid("Close it, or it becomes an alarm.")
    ),
    "reader_tamper": Condition(
        msgid("A reader was opened"),
        "warning",
        "bad",
        msgid("Somebody opened it or took it off its wall. Go there: who taps at it may be watched."),
    ),
    "reader_fault": Condition(
        msgid("A reader is lost"),
        "warning",
        "bad",
        msgid("Look at its cable; the terminal takes it back by itself as soon as it answers."),
    ),
    "door_fault": Condition(
        msgid("A lock does not move"),
        "warning",
        "bad",
        msgid("Look for what blocks the bolt; then open the door once with a tap."),
    ),
    "ledger_salvaged": Condition(
        msgid("Its ledger was damaged"),
        "warning",
        "care",
        msgid("It records again. What was lost stands below; change the memory card before it fails altogether."),
    ),
    "clock_untrusted": Condition(
        msgid("Does not know the time"),
        "clock",
        "care",
        msgid("It records in the right order, and times are corrected once it has network and a time server."),
    ),
}
"""By what terminals send, whose own list is in `edge.signals.resting`."""


def door_state(state: str) -> Sign:
    """A door's state in words; one that a newer terminal reports is shown as it came."""
    return DOOR_STATES.get(state) or Sign(state, "door", "")


def numbers(ranges: Iterable[tuple[int, int]]) -> str:
    """Numbers of entries for people: 501–520, 533; after the first few the rest is left out."""
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in islice(ranges, MOST_SHOWN + 1)]
    return ", ".join(shown if len(shown) <= MOST_SHOWN else [*shown[:MOST_SHOWN], "…"])


def conditions(held: Iterable[str]) -> list[Condition]:
    """What is wrong, in words and in the terminal's order; what a newer one reports is shown as it came."""
    return [CONDITIONS.get(each) or Condition(each, "warning", "care", "") for each in held]
