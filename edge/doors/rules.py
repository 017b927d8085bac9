"""What follows when something happens at a door: a pure table, without pins and timers."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class LockState(StrEnum):
    """What a lock does with its door; the same words as a closed door's states."""

    LOCKED = "locked"
    UNLOCKING = "unlocking"
    UNLOCKED = "unlocked"
    LOCKING = "locking"
    JAMMED = "jammed"


class Leaf(StrEnum):
    """Where the door's leaf is; without a contact it is taken to be closed."""

    CLOSED = "closed"
    OPEN = "open"
    HELD_OPEN = "held_open"
    FORCED = "forced"


class Relock(StrEnum):
    """When a door that is opened within its access time is locked again."""

    TIME = "time"
    """When the access time is over, and not before."""
    CLOSED = "closed"
    """When it has closed again (relock on close), or when the access time is over."""
    OPENED = "opened"
    """As soon as it is open (cancel access when opened): nobody follows on the same tap."""


class Happening(Enum):
    """What can happen at a door."""

    STARTED = "started"
    ASKED = "asked"
    OPENED = "opened"
    CLOSED = "closed"
    ACCESS_OVER = "access over"
    OPEN_TOO_LONG = "open too long"
    STOPPING = "stopping"


class Order(Enum):
    """What the lock is told."""

    NOTHING = "nothing"
    UNLOCK = "unlock"
    LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a door stands at the moment when something happens.

    `access`: somebody may still come in. `owed`: somebody asked while it was open, and may open it once more.
    `exit_pressed`: somebody holds the exit button. `waits`: the lock has a bolt, which needs a closed door.
    """

    leaf: Leaf
    lock: LockState
    relock: Relock
    waits: bool
    access: bool
    owed: bool
    exit_pressed: bool


def follows(what: Happening, now: Standing) -> tuple[Leaf, Order]:
    """How the leaf stands then, and what the lock is told."""
    shut_in = Order.NOTHING if now.waits and now.leaf is not Leaf.CLOSED else Order.LOCK
    match what:
        case Happening.ASKED:
            return (Leaf.CLOSED if now.leaf is Leaf.CLOSED else Leaf.OPEN), Order.UNLOCK
        case Happening.OPENED if now.lock is LockState.LOCKED and not now.exit_pressed:
            return Leaf.FORCED, Order.NOTHING
        case Happening.OPENED if now.lock is LockState.LOCKING:  # the bolt would come out beside its hole
            return Leaf.OPEN, Order.UNLOCK
        case Happening.OPENED:
            cancels = now.relock is Relock.OPENED and not now.waits
            return Leaf.OPEN, Order.LOCK if cancels else Order.NOTHING
        case Happening.CLOSED:
            stays = now.access and (now.owed or now.relock is Relock.TIME)
            return Leaf.CLOSED, Order.NOTHING if stays else Order.LOCK
        case Happening.OPEN_TOO_LONG:
            return (Leaf.HELD_OPEN if now.leaf is Leaf.OPEN else now.leaf), Order.NOTHING
        case Happening.ACCESS_OVER | Happening.STARTED | Happening.STOPPING:
            return now.leaf, shut_in
