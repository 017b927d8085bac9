"""What each signal looks and sounds like: the one table of patterns, for lights, guides, commands and the panel.

Two rules let a worker who cannot tell red from green know the answer by its first flash: what is recorded begins with a
long light, what is refused with a short one. Only UNBOUND, which blinks evenly all the time, stands outside of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Pattern(StrEnum):
    """What can be shown; what each looks like stands in PATTERNS. Sent to the cloud: never rename a value."""

    READY = "ready"
    ADMITTED_IN = "admitted_in"
    ADMITTED_OUT = "admitted_out"
    ADMITTED_WITHOUT_PERSON = "admitted_without_person"
    RECORDED_IN_OFFLINE = "recorded_in_offline"
    RECORDED_OUT_OFFLINE = "recorded_out_offline"
    RECORDED_WITHOUT_PERSON_OFFLINE = "recorded_without_person_offline"
    DOORS_EXPIRED = "doors_expired"
    BLOCKED = "blocked"
    NOT_ENROLLED = "not_enrolled"
    NO_RIGHT = "no_right"
    OUT_OF_HOURS = "out_of_hours"
    CLOCK_DENIED = "clock_denied"
    ANTI_PASSBACK = "anti_passback"
    OCCUPANCY_LIMIT = "occupancy_limit"
    PROJECT_ENDED = "project_ended"
    UNBOUND = "unbound"
    UNREAD = "unread"
    CARD_RANDOM = "card_random"
    CARD_EXPIRED = "card_expired"
    CARD_COPIED = "card_copied"
    CARD_MISMATCHED = "card_mismatched"
    CARD_FOREIGN = "card_foreign"
    CARD_UNPROVED = "card_unproved"
    DOOR_PRE_ALARM = "door_pre_alarm"
    DOOR_ALARM = "door_alarm"
    DOOR_FAULT = "door_fault"
    READER_FAULT = "reader_fault"
    READER_TAMPER = "reader_tamper"
    CLOCK_UNTRUSTED = "clock_untrusted"
    LEDGER_SALVAGED = "ledger_salvaged"
    LEDGER_FAULT = "ledger_fault"
    IDENTIFY = "identify"
    UPDATING = "updating"


@dataclass(frozen=True, slots=True)
class Step:
    """Which outputs are on, for how many milliseconds."""

    ms: int
    red: bool = False
    green: bool = False
    buzzer: bool = False

    @property
    def is_lit(self) -> bool:
        """Says whether any light is on: what somebody who cannot tell the colours apart sees."""
        return self.red or self.green


@dataclass(frozen=True, slots=True)
class Sequence:
    """A pattern: what it says and how it looks, in words for people; its steps, and how often an answer plays them.

    At rest a pattern is played for ever, and the buzzer stays silent unless it `sounds_at_rest`.
    """

    says: str
    words: str
    steps: tuple[Step, ...]
    times: int = 1
    sounds_at_rest: bool = False

    @property
    def ms(self) -> int:
        """How long one round of it lasts."""
        return sum(step.ms for step in self.steps)


SHORT: Final = 120
LONG: Final = 600
PAUSE: Final = 450
COUNT: Final = 380
"""Milliseconds between the flashes of a fault at rest: slow enough to be counted."""


def _green(ms: int, *, buzzer: bool = False) -> Step:
    return Step(ms, green=True, buzzer=buzzer)


def _red(ms: int, *, buzzer: bool = False) -> Step:
    return Step(ms, red=True, buzzer=buzzer)


def _dark(ms: int) -> Step:
    return Step(ms)


def _counted(flashes: int) -> tuple[Step, ...]:
    """So many short red flashes, then darkness: what a fault at rest looks like."""
    return (*((_red(SHORT), _dark(COUNT)) * flashes), _dark(2000 - COUNT - SHORT))


_IN: Final = (_green(SHORT, buzzer=True), _green(LONG * 2 - SHORT), _dark(SHORT))
_OUT: Final = (_green(SHORT, buzzer=True), _green(LONG - SHORT), _dark(SHORT)) * 2
_WITHOUT_PERSON: Final = (_green(LONG, buzzer=True), _dark(SHORT), _green(SHORT, buzzer=True), _dark(SHORT))
_OFFLINE: Final = (_dark(PAUSE), _green(SHORT), _dark(SHORT), _green(SHORT), _dark(SHORT))
_APART: Final = _dark(PAUSE)
_S: Final = (_red(SHORT, buzzer=True), _dark(SHORT))
_L: Final = (_red(LONG, buzzer=True), _dark(SHORT))

PATTERNS: Final[Mapping[Pattern, Sequence]] = {
    Pattern.READY: Sequence("waiting for a card", "dark", (_dark(0),)),
    Pattern.ADMITTED_IN: Sequence("in: admitted and recorded", "green: one long, one beep", _IN),
    Pattern.ADMITTED_OUT: Sequence("out: recorded", "green: two long, two beeps", _OUT),
    Pattern.ADMITTED_WITHOUT_PERSON: Sequence(
        "admitted and recorded; nobody is registered for this card yet",
        "green: one long and one short, with the buzzer",
        _WITHOUT_PERSON,
    ),
    Pattern.RECORDED_IN_OFFLINE: Sequence(
        "in: admitted and recorded here, the cloud is not reached",
        "green: one long, a pause, two short; one beep",
        _IN + _OFFLINE,
    ),
    Pattern.RECORDED_OUT_OFFLINE: Sequence(
        "out: recorded here, the cloud is not reached",
        "green: two long, a pause, two short; two beeps",
        _OUT + _OFFLINE,
    ),
    Pattern.RECORDED_WITHOUT_PERSON_OFFLINE: Sequence(
        "admitted and recorded here, nobody is registered for this card, the cloud is not reached",
        "green: one long and one short, with the buzzer, a pause, two short",
        _WITHOUT_PERSON + _OFFLINE,
    ),
    Pattern.DOORS_EXPIRED: Sequence(
        "recorded, but the door stays shut: the cloud has not been reached for too long",
        "green: one long; then red: three short, far apart, with the buzzer",
        (_green(SHORT, buzzer=True), _green(LONG - SHORT), *(_APART, _red(SHORT, buzzer=True)) * 3, _dark(SHORT)),
    ),
    Pattern.BLOCKED: Sequence("the card is blocked", "red: six short, with the buzzer", _S * 6),
    Pattern.NOT_ENROLLED: Sequence(
        "closed mode, and the card is not enrolled", "red: one short and one long, with the buzzer", _S + _L
    ),
    Pattern.NO_RIGHT: Sequence(
        "no right to go through here", "red: one short and two long, with the buzzer", _S + _L * 2
    ),
    Pattern.OUT_OF_HOURS: Sequence(
        "not at this hour or on this day", "red: two short and one long, with the buzzer", _S * 2 + _L
    ),
    Pattern.CLOCK_DENIED: Sequence(
        "the right has hours, and the terminal does not know the time",
        "red: two short, a pause, two long, with the buzzer",
        (*_S * 2, _APART, *_L * 2),
    ),
    Pattern.ANTI_PASSBACK: Sequence(
        "already in, or already out", "red: one short, one long, one short, with the buzzer", _S + _L + _S
    ),
    Pattern.OCCUPANCY_LIMIT: Sequence(
        "as many are inside as may be",
        "red: two short, a pause, one short, with the buzzer",
        (*_S * 2, _APART, *_S),
    ),
    Pattern.PROJECT_ENDED: Sequence(
        "the project has ended",
        "red: one short, a pause, one long, a pause, one long, with the buzzer",
        (*_S, _APART, *_L, _APART, *_L),
    ),
    Pattern.UNBOUND: Sequence(
        "the terminal is not bound to a project",
        "red: blinks evenly, half a second on and half a second off",
        (_red(500), _dark(500)),
        3,
    ),
    Pattern.UNREAD: Sequence("hold the card still and try again", "red: two short, with the buzzer", _S * 2),
    Pattern.CARD_RANDOM: Sequence(
        "a phone, or a card that gives another number each time", "red: three short, with the buzzer", _S * 3
    ),
    Pattern.CARD_EXPIRED: Sequence(
        "the card's time is over, or has not begun",
        "red: one short, a pause, one long, with the buzzer",
        (*_S, _APART, *_L),
    ),
    Pattern.CARD_COPIED: Sequence(
        "a copy: the card does not have the key of the one that was issued",
        "red: one short and three long, with the buzzer",
        _S + _L * 3,
    ),
    Pattern.CARD_MISMATCHED: Sequence(
        "the card's number belongs to another card",
        "red: one short, a pause, one long, one short, with the buzzer",
        (*_S, _APART, *_L, *_S),
    ),
    Pattern.CARD_FOREIGN: Sequence(
        "nobody whom this site trusts issued the card",
        "red: one short, one long, a pause, one long, with the buzzer",
        (*_S, *_L, _APART, *_L),
    ),
    Pattern.CARD_UNPROVED: Sequence(
        "only cards that prove themselves are admitted here, and this one cannot",
        "red: one short, a pause, one short, one long, with the buzzer",
        (*_S, _APART, *_S, *_L),
    ),
    Pattern.DOOR_PRE_ALARM: Sequence(
        "close the door: it has stood open, and the alarm comes soon",
        "red: one short each second, with the buzzer",
        (_red(SHORT, buzzer=True), _dark(1000 - SHORT)),
        3,
        sounds_at_rest=True,
    ),
    Pattern.DOOR_ALARM: Sequence(
        "a door was forced or is held open",
        "red: blinks evenly, a quarter of a second on and a quarter off, with the buzzer",
        (_red(250, buzzer=True), _dark(250)),
        4,
        sounds_at_rest=True,
    ),
    Pattern.DOOR_FAULT: Sequence(
        "a lock does not move as it should", "red: four short, to be counted, then dark", _counted(4)
    ),
    Pattern.READER_FAULT: Sequence("a reader does not answer", "red: one short every two seconds", _counted(1), 2),
    Pattern.READER_TAMPER: Sequence(
        "somebody opened a reader or took it off its wall",
        "red: one long and one short, to be counted, then dark",
        (_red(LONG), _dark(COUNT), _red(SHORT), _dark(1400)),
    ),
    Pattern.CLOCK_UNTRUSTED: Sequence(
        "taps are recorded, but the terminal does not know the time",
        "red: two short, to be counted, then dark",
        _counted(2),
    ),
    Pattern.LEDGER_SALVAGED: Sequence(
        "taps are recorded, but the disk has damaged older ones",
        "red: three short, to be counted, then dark",
        _counted(3),
    ),
    Pattern.LEDGER_FAULT: Sequence(
        "nothing can be recorded, so nobody is admitted",
        "red: steady, but for two blinks every three seconds; the buzzer when it answers a tap",
        (*_S, _red(3000 - 3 * SHORT, buzzer=True), _dark(SHORT)),
    ),
    Pattern.IDENTIFY: Sequence(
        "here I am: somebody looks for this terminal",
        "red: two short and two long, with the buzzer, again and again",
        _S * 2 + _L * 2,
        sounds_at_rest=True,
    ),
    Pattern.UPDATING: Sequence(
        "the terminal renews its software; wait a moment",
        "red: slowly, two and a half seconds on and one second off",
        (_red(2500), _dark(1000)),
    ),
}
