"""Writes every change of a door into the ledger."""

import secrets
from collections.abc import Callable
from typing import Final

import structlog

from edge.clock import Clock
from edge.doors import DoorState
from edge.errors import LedgerFault
from edge.events import Event
from edge.ledger import Ledger
from protocol.entries import SALT_BYTES, VERSION, DoorChange

RECENT: Final = 200
"""So many entries are looked through at start for the state that each door was left in."""

_log = structlog.get_logger()


class DoorLog:
    """What a door calls when it changed; `wake` tells the link that there is something to send."""

    def __init__(self, clock: Clock, ledger: Ledger, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._ledger = ledger
        self._wake = wake

    def last_states(self) -> dict[str, str]:
        """The state of each door that was written down last, if that is not long ago: as a killed daemon left it."""
        recent = [payload for _, payload in self._ledger.tail(RECENT) if isinstance(payload, DoorChange)]
        return {change.door: change.state for change in recent}

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
        _log.info(Event.DOOR_CHANGED, door=door, state=state, cause=cause)
        self._wake()
