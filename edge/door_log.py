"""Writes every change of a door into the ledger."""

import secrets
from collections.abc import Callable

import structlog

from edge.clock import Clock
from edge.doors import DoorState
from edge.errors import LedgerFault
from edge.events import Event
from edge.ledger import Ledger
from protocol.entries import SALT_BYTES, VERSION, DoorChange

_log = structlog.get_logger()


class DoorLog:
    """What a door calls when it changed; `wake` tells the link that there is something to send."""

    def __init__(self, clock: Clock, ledger: Ledger, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._ledger = ledger
        self._wake = wake

    def note(self, door: str, state: DoorState, cause: str) -> None:
        """Record a change that has happened; a ledger that fails takes nothing back, and the log has it then."""
        now = self._clock.read()
        change = DoorChange(
            version=VERSION,
            occurred_at=now.utc,
            clock_quality=now.quality,
            boot_id=now.boot_id,
            monotonic=now.monotonic,
            registered_at=now.utc,
            door=door,
            state=state,
            cause=cause,
            salt=secrets.token_bytes(SALT_BYTES),
        )
        try:
            self._ledger.append(change)
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, door=door, state=state, cause=cause, why=str(fault), then="only said here")
            return
        self._wake()
