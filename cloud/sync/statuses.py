"""Keeps what terminals last said about themselves, and says who of them is online."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from cloud.clock import microseconds
from cloud.sync.decoding import LATEST, is_storable
from cloud.units.models import Unit, UnitStatus
from cloud.wakeups import Topic, announce
from protocol.errors import MessageMalformed, TerminalId
from protocol.messages import Status, TableVersion

SILENT_AFTER: Final = timedelta(seconds=45)  # two statuses of 20 s missed
MOST_OFFSET_MS: Final = 2**62


def is_online(online: bool | None, seen_at: datetime | None, now: datetime) -> bool:
    """Says whether a terminal is connected: its will did not speak, and it was heard within 45 s. None: never heard."""
    return bool(online) and seen_at is not None and now - seen_at < SILENT_AFTER


def store(session: Session, terminal: TerminalId, status: Status, now: datetime) -> bool:
    """Write a status down; False for a terminal nobody has.

    The will of an earlier connection may come late: it does not put the present one offline.
    """
    if session.get(Unit, terminal) is None:
        return False
    held = session.get(UnitStatus, terminal, with_for_update=True)
    if held is not None and not status.online and held.nonce != status.nonce:
        return True
    row = held or UnitStatus(unit_id=terminal)
    if status.online or held is None:
        row.seen_at = now
        _fill(row, status, now)
    row.online = status.online
    session.add(row)
    announce(session, Topic.UNITS)
    return True


def _fill(row: UnitStatus, status: Status, now: datetime) -> None:
    offset = (status.at - microseconds(now)) // 1000
    row.nonce = status.nonce
    row.queue_depth = status.queue_depth
    row.oldest_unsent = status.oldest_unsent
    row.clock_quality = status.clock_quality.value
    row.clock_offset_ms = max(-MOST_OFFSET_MS, min(MOST_OFFSET_MS, offset))
    row.software = status.software
    row.ledger = status.ledger
    row.last_seq = status.last_seq
    row.readers = dict(status.readers)
    row.doors = dict(status.doors)
    row.conditions = list(status.conditions)
    row.tables = [
        {"name": each.name, "scope": each.scope, "epoch": each.epoch.hex(), "held": each.held} for each in status.tables
    ]


def tables_held(status: UnitStatus | None) -> tuple[TableVersion, ...]:
    """Which tables a terminal last said it has."""
    if status is None:
        return ()
    return tuple(
        TableVersion(each["name"], each["scope"], bytes.fromhex(each["epoch"]), each["held"]) for each in status.tables
    )


def check(status: Status) -> None:
    """Raises MessageMalformed for what no column can hold."""
    tables = (word for each in status.tables for word in (each.name, each.scope))
    words = (status.software, *status.conditions, *status.readers, *status.doors, *status.doors.values(), *tables)
    if not all(map(is_storable, words)):
        raise MessageMalformed("a message Status", "a text in it cannot be stored")
    if status.oldest_unsent is not None and not 0 <= status.oldest_unsent <= LATEST:
        raise MessageMalformed("a message Status", "the age of its oldest entry is no time")
