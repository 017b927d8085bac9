"""Looks back in a ledger from its end: who went which way last, without reading more than can still count."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from protocol.clock import ClockQuality
from protocol.entries import Payload, Tap, decode_payload
from protocol.errors import ProtocolError

LOOKED_BACK: Final = 20_000  # entries; only reached where no clock was ever trusted
PAGE: Final = 500

Below = Callable[[int, int], list[tuple[int, bytes]]]
"""So many of the entries below a number, the newest first."""


def backwards(below: Below, seq: int) -> Iterator[tuple[bytes, Payload]]:
    """What was recorded before an entry, with its bytes, newest first; what this program cannot read is passed over."""
    for _ in range(LOOKED_BACK // PAGE):
        rows = below(seq, PAGE)
        if not rows:
            return
        for _, raw in rows:
            with suppress(ProtocolError):
                yield raw, decode_payload(raw)
        seq = rows[-1][0]


def taps_since(found: Iterable[tuple[bytes, Payload]], utc: int) -> Iterator[Tap]:
    """The taps at or after a time, and those between them that no clock can place, oldest first.

    Looking back ends at an older entry whose clock was trusted: what an untrusted one says ends nothing.
    They are decoded once more on the way back: kept as they are, a busy day's would take 13 MiB for ever.
    """
    taps: list[bytes] = []
    for raw, payload in found:
        is_placed = payload.clock_quality is not ClockQuality.UNTRUSTED
        if is_placed and payload.registered_at < utc:
            break
        if isinstance(payload, Tap) and (payload.occurred_at >= utc or not is_placed):
            taps.append(raw)
    return (tap for raw in reversed(taps) if isinstance(tap := decode_payload(raw), Tap))
