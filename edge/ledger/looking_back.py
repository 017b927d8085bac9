"""Looks back in a ledger from its end: who went which way last, without reading more than can still count."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from protocol.clock import ClockQuality
from protocol.entries import Payload, Tap, decode_payload
from protocol.errors import ProtocolError

LOOKED_BACK: Final = 100_000  # entries: more than a busy gate's day, its doors included
PAGE: Final = 500

Pages = Callable[[int, int], list[tuple[int, bytes]]]
"""So many of the entries below a number, the newest first, or from a number on, the oldest first."""


def first_since(below: Pages, seq: int, utc: int) -> int:
    """The number after the newest entry before `seq` that a trusted clock places before a time.

    What an untrusted clock says ends nothing; what this program cannot read is passed over.
    """
    for _ in range(LOOKED_BACK // PAGE):
        rows = below(seq, PAGE)
        if not rows:
            return seq
        for found, raw in rows:
            with suppress(ProtocolError):
                payload = decode_payload(raw)
                if _is_placed(payload) and payload.registered_at < utc:
                    return found + 1
        seq = rows[-1][0]
    return seq


def taps_from(onward: Pages, seq: int, utc: int) -> Iterator[Tap]:
    """The taps from an entry on that are at or after a time, or that no clock can place, oldest first.

    Reading twice costs less than keeping: a busy day's taps would take 13 MiB that the program never gives back.
    """
    while rows := onward(seq, PAGE):
        for _, raw in rows:
            with suppress(ProtocolError):
                payload = decode_payload(raw)
                if isinstance(payload, Tap) and (payload.occurred_at >= utc or not _is_placed(payload)):
                    yield payload
        seq = rows[-1][0] + 1


def _is_placed(payload: Payload) -> bool:
    return payload.clock_quality is not ClockQuality.UNTRUSTED
