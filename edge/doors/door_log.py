"""Writes every change of a door into the ledger."""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from edge.clock.clock import Clock
from edge.doors.door import STARTED, Door, DoorState
from edge.errors import LedgerFault
from edge.events import Event
from edge.ledger.ledger import Ledger
from protocol.entries import SALT_BYTES, VERSION, DoorChange
from protocol.errors import ProtocolError

RECENT: Final = 200
"""So many entries are looked through at start for the state that each door was left in."""

_log = structlog.get_logger()


class DoorLog:
    """What a door calls when it changed; `wake` tells the link that there is something to send."""

    def __init__(self, clock: Clock, ledger: Ledger | None = None, wake: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._ledger = ledger
        self._wake = wake

    def begin(self, ledger: Ledger, wake: Callable[[], None], doors: Mapping[str, Door]) -> None:
        """Write into this ledger from now on, first what each door is where that is not what stands there last.

        So it is told how a killed daemon's doors were found, and what a ledger missed that could not be opened at once.
        """
        self._ledger, self._wake = ledger, wake
        left = _left(ledger)
        for name, door in doors.items():
            if door.state != left.get(name, DoorState.LOCKED):
                self.note(name, door.state, STARTED)

    def note(self, door: str, state: DoorState, cause: str) -> None:
        """Record a change that has happened; a ledger that fails takes nothing back, and the log has it then."""
        _log.info(Event.DOOR_CHANGED, door=door, state=state, cause=cause)
        if self._ledger is None:
            return
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


def _left(ledger: Ledger) -> dict[str, str]:
    """The state of each door as it was written down last."""
    try:
        recent = ledger.tail(RECENT)
    except (LedgerFault, ProtocolError) as fault:
        _log.error(Event.LEDGER_FAILED, why=str(fault), then="each door that is not locked is written down anew")
        return {}
    return {payload.door: payload.state for _, payload in recent if isinstance(payload, DoorChange)}
