"""The words for everything that is stored as a code: reasons, ways, clocks and doors."""

from dataclasses import dataclass
from typing import Final

from cloud.portal.languages import msgid
from protocol.clock import ClockQuality
from protocol.decision import Direction, Reason


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
    Reason.NOT_ENROLLED: msgid("The card is not enrolled in the project"),
}

# an OUT is never denied: what would have denied it is remarked
REMARKS: Final = {
    Reason.UNBOUND: msgid("Let out although the terminal is not bound to a project"),
    Reason.PROJECT_ENDED: msgid("Let out although the project has ended"),
    Reason.BLOCKED: msgid("Let out although the card is blocked"),
    Reason.NOT_ENROLLED: msgid("Let out although the card is not enrolled in the project"),
}

CLOCKS: Final = {
    ClockQuality.SYNCHRONISED: Sign(msgid("Synchronised"), "clock", "good"),
    ClockQuality.HELD: Sign(msgid("Running on its own"), "clock", "care"),
    ClockQuality.UNTRUSTED: Sign(msgid("Not to be trusted"), "warning", "bad"),
}

DOOR_STATES: Final = {
    "locked": msgid("locked"),
    "unlocked": msgid("unlocked"),
}


def door_state(state: str) -> str:
    """A door's state in words; one that a newer terminal reports is shown as it came."""
    return DOOR_STATES.get(state, state)
