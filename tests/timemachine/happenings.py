"""What can happen at a gate, in plain words and numbers: the common input of the terminal and of its replay.

`at` is the true time in microseconds since the month began; nobody at the gate knows it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ZONE: Final = "Europe/Stockholm"
BEGINS: Final = int(datetime(2026, 3, 15, tzinfo=UTC).timestamp()) * SECOND
"""A Sunday; with the change to summer time on 29 March, and Easter from 3 to 6 April."""
DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Held:
    """A card is held against a reader, whether or not that is alive.

    `also` are its other numbers, `proof` what it answers to a challenge, `ends` when it is valid no longer.
    """

    at: int
    card: str
    reader: str
    also: tuple[str, ...] = ()
    proof: str = "not_asked"
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A card is put on the roster."""

    at: int
    card: str
    person: str
    company: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A card is put on the blocklist."""

    at: int
    card: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The project's rules change: whether unknown cards may come in, when presence is reset, what a card must prove."""

    at: int
    closed: bool
    reset: str | None
    asks: str = "off"


@dataclass(frozen=True, slots=True)
class ReaderDied:
    """A reader is unplugged."""

    at: int
    reader: str


@dataclass(frozen=True, slots=True)
class ReaderCame:
    """It is plugged in again."""

    at: int
    reader: str


@dataclass(frozen=True, slots=True)
class CloudWent:
    """Nothing goes up or down any more."""

    at: int


@dataclass(frozen=True, slots=True)
class CloudCame:
    """The cloud answers again."""

    at: int


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """The machine is shut down."""

    at: int


@dataclass(frozen=True, slots=True)
class SwitchedOn:
    """The machine boots; its wall clock shows `shows` (microseconds UTC), None: what it showed when it went off."""

    at: int
    shows: int | None


@dataclass(frozen=True, slots=True)
class Restarted:
    """The daemon ends and begins again in the same boot."""

    at: int


@dataclass(frozen=True, slots=True)
class TimeArrived:
    """The kernel vouches for the wall clock from now on, which is wrong by so many microseconds all the same."""

    at: int
    wrong_by: int


@dataclass(frozen=True, slots=True)
class ClockDeserted:
    """Nobody has vouched for the clock for so long that the kernel does not either."""

    at: int


@dataclass(frozen=True, slots=True)
class ClockSet:
    """Somebody sets the wall clock by so many microseconds, and nobody vouches for it."""

    at: int
    by: int


@dataclass(frozen=True, slots=True)
class Looked:
    """The watcher of the clock looks, as it does each second; only those looks that may matter are played."""

    at: int


Happening = (
    Held
    | Enrolled
    | Blocked
    | Bound
    | ReaderDied
    | ReaderCame
    | CloudWent
    | CloudCame
    | SwitchedOff
    | SwitchedOn
    | Restarted
    | TimeArrived
    | ClockDeserted
    | ClockSet
    | Looked
)
