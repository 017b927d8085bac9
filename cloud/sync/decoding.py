"""Turns a payload into the columns of an entry, or names why it cannot be one."""

from enum import StrEnum
from typing import Any, Final, assert_never

from protocol.entries import DoorChange, Fact, Payload, Tap, decode_payload
from protocol.errors import MessageFromFuture, MessageMalformed, MessageTooLarge

LATEST: Final = 253_402_300_799_999_999  # the last microsecond of year 9999, after which datetime ends
LONGEST_TEXT: Final = 200

Columns = dict[str, Any]
"""Kind, times, clock quality and what only a tap has, by column name."""


class RefusedBecause(StrEnum):
    """Why an entry is kept aside. Stored: never rename a value."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    FROM_FUTURE = "from_future"
    OUT_OF_RANGE = "out_of_range"
    FORK = "fork"


def columns_of(raw: bytes) -> Columns | RefusedBecause:
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
    return _columns(payload)


def _columns(payload: Payload) -> Columns | RefusedBecause:
    match payload:
        case Tap():
            return _tap(payload)
        case DoorChange():
            return _row("door", payload)
        case Fact():
            return _row("fact", payload)
        case _:
            assert_never(payload)


def _tap(tap: Tap) -> Columns | RefusedBecause:
    columns = _row("tap", tap)
    for name in ("card", "person", "company", "project", "reader"):
        text = getattr(tap, name)
        if text is not None and not is_storable(text):
            return RefusedBecause.OUT_OF_RANGE
        columns[name] = text
    columns["direction"] = tap.direction
    columns["outcome"] = tap.outcome
    columns["reason"] = tap.reason
    return columns


def _row(kind: str, payload: Payload) -> Columns:
    return {
        "kind": kind,
        "occurred_at": payload.occurred_at,
        "registered_at": payload.registered_at,
        "clock_quality": payload.clock_quality,
        "card": None,
        "person": None,
        "company": None,
        "project": None,
        "reader": None,
        "direction": None,
        "outcome": None,
        "reason": None,
    }


def is_storable(text: str) -> bool:
    """Says whether a text fits a column and an index: PostgreSQL takes no NUL, and nobody sends a novel."""
    return len(text) <= LONGEST_TEXT and "\0" not in text
