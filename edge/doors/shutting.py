"""Sees that every door is locked before a program that drives them ends."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

import structlog

from edge.doors.door import Door
from edge.errors import PinsFault
from edge.events import Event

LONGEST: Final = 20.0
"""Seconds that all motors together are given; the unit's TimeoutStopSec leaves more."""

LOOK_EVERY: Final = 0.05

_log = structlog.get_logger()


async def shut(doors: Collection[Door], cause: str) -> None:
    """Lock them all at once, and wait until each lock holds or has its reasons not to."""
    for door in doors:
        try:
            door.shut(cause)
        except PinsFault as fault:
            _log.error(Event.DOOR_FAILED, door=door.name, why=str(fault), then="its guard goes on trying")
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST):
            while not all(door.is_at_rest for door in doors):  # noqa: ASYNC110  # nothing tells when a bolt gives up
                await asyncio.sleep(LOOK_EVERY)
