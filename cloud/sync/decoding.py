"""Turns a payload into the columns of an entry, or names why it cannot be one."""

from enum import StrEnum
from typing import Any, Final, assert_never

from cloud.sync.rows import COLUMNS
from protocol.clock import ClockQuality
from protocol.decision import Proof
from protocol.entries import DoorChange, Fact, Payload, Tap, decode_payload
from protocol.errors import MessageFromFuture, MessageMalformed, MessageTooLarge

LATEST: Final = 253_402_300_799_999_999  # the last microsecond of year 9999, after which datetime ends
LONGEST_TEXT: Final = 200

Columns = tuple[Any, ...]
"""The values of the columns from `kind` on, in the order of `cloud.sync.rows.COLUMNS`."""

NO_TAP: Final = (None,) * 8
"""What a door's change and a fact have in the columns that only a tap fills."""


def place(column: Any) -> int:
    """Where a column of the table of entries stands among them."""
    names = tuple(COLUMNS)
    return names.index(column.key) - names.index("kind")


class RefusedBecause(StrEnum):
    """Why an entry is kept aside. Stored: never rename a value."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    FROM_FUTURE = "from_future"
    OUT_OF_RANGE = "out_of_range"
    FORK = "fork"


def columns_of(raw: bytes, received_at: int) -> Columns | RefusedBecause:
    """Decode once; what a database could not hold or a page not show is refused by name."""
    try:
        payload = decode_payload(raw)
    except MessageFromFuture:
        return RefusedBecause.FROM_FUTURE
    except MessageTooLarge:
        return RefusedBecause.TOO_LARGE
    except MessageMalformed:
        return RefusedBecause.MALFORMED
    if not (0 <= payload.occurred_at <= LATEST and 0 <= payload.registered_at <= LATEST):
        return RefusedBecause.OUT_OF_RANGE
    return _columns(payload, received_at)


def sorted_at(payload: Payload, received_at: int) -> int:
    """Where an entry stands among others: nothing occurred after it arrived, and a clock nobody trusts says nothing."""
    if payload.clock_quality is ClockQuality.UNTRUSTED:
        return received_at
    return min(payload.occurred_at, received_at)


def _columns(payload: Payload, received_at: int) -> Columns | RefusedBecause:
    at = sorted_at(payload, received_at)
    match payload:
        case Tap():
            return _tap(payload, at)
        case DoorChange():
            times = (payload.occurred_at, payload.registered_at, payload.clock_quality.value)
            return "door", *times, *NO_TAP, at, None, None, None
        case Fact():
            if not is_storable(payload.subject):
                return RefusedBecause.OUT_OF_RANGE
            times = (payload.occurred_at, payload.registered_at, payload.clock_quality.value)
            return "fact", *times, *NO_TAP, at, payload.subject, None, None
        case _:
            assert_never(payload)


def _tap(tap: Tap, at: int) -> Columns | RefusedBecause:
    texts = (tap.card, tap.person, tap.company, tap.project, tap.reader)
    also = " ".join(tap.also) or None
    for text in (*texts, also):
        if text is not None and not is_storable(text):
            return RefusedBecause.OUT_OF_RANGE
    direction, reason = tap.direction, tap.reason
    return (
        "tap",
        tap.occurred_at,
        tap.registered_at,
        tap.clock_quality.value,
        *texts,
        None if direction is None else direction.value,
        tap.outcome.value,
        None if reason is None else reason.value,
        at,
        None,
        also,
        None if tap.proof is Proof.NOT_ASKED else tap.proof.value,
    )


def is_storable(text: str) -> bool:
    """Says whether a text fits a column and an index: PostgreSQL takes no NUL, and nobody sends a novel."""
    return len(text) <= LONGEST_TEXT and "\0" not in text
