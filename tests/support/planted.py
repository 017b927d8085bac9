"""The daemon with a bug planted in it, to prove that a test finds it: `python -m tests.support.planted BUG run …`."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.answers import Answer
from edge.cli.__main__ import main
from edge.ledger.ledger import Ledger
from edge.link.sending import Sending
from edge.readers import CardSeen
from edge.signals.patterns import Pattern
from edge.terminal import Terminal
from protocol.entries import Outcome, Payload, Tap

MOMENT: Final = 0.25
"""Seconds between the wrong green and the commit: what a slow SD card takes, and enough for a kill to hit."""
LEAKED: Final = 1024
"""Bytes of each tap that a leak keeps."""


def green_before_commit() -> None:
    """Shows green before the entry is recorded."""
    tap, append = Terminal.tap, Ledger.append
    answering: list[Terminal] = []

    def tap_noted(terminal: Terminal, seen: CardSeen) -> Answer:
        answering[:] = [terminal]
        return tap(terminal, seen)

    def append_after_green(ledger: Ledger, payload: Payload) -> int:
        if isinstance(payload, Tap) and payload.outcome is Outcome.GRANTED:
            answering[0].signals.show(Pattern.ADMITTED_IN)
            time.sleep(MOMENT)
        return append(ledger, payload)

    _replace(Terminal, "tap", tap_noted)
    _replace(Ledger, "append", append_after_green)


def no_sync() -> None:
    """Records entries without waiting for the disk."""
    _open_with("OFF")


def normal_sync() -> None:
    """Records entries as durably as SQLite recommends for a log: it is synced before a checkpoint, and only then."""
    _open_with("NORMAL")


def _open_with(synchronous: str) -> None:
    opened = Ledger.open

    def opened_carelessly(*parts: Any) -> Ledger:
        ledger = opened(*parts)
        ledger._connection.execute(f"PRAGMA synchronous = {synchronous}")
        return ledger

    _replace(Ledger, "open", opened_carelessly)


def no_resend() -> None:
    """Takes what was sent once for received."""
    _replace(Sending, "_begin_again", lambda _sending: None)
    _replace(Sending, "_due_at", lambda _sending: math.inf)


def leak() -> None:
    """Keeps a little of every tap for ever."""
    tap = Terminal.tap
    kept: list[bytearray] = []

    def tap_kept(terminal: Terminal, seen: CardSeen) -> Answer:
        kept.append(bytearray(LEAKED))
        return tap(terminal, seen)

    _replace(Terminal, "tap", tap_kept)


def _replace(owner: type, name: str, planted: Callable[..., Any]) -> None:
    assert hasattr(owner, name), f"{owner.__name__} has no {name} any more: plant the bug elsewhere"
    setattr(owner, name, planted)


BUGS: Final[Mapping[str, Callable[[], None]]] = {
    "green-before-commit": green_before_commit,
    "no-sync": no_sync,
    "normal-sync": normal_sync,
    "no-resend": no_resend,
    "leak": leak,
}


if __name__ == "__main__":
    BUGS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
