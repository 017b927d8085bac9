"""Remembers the right time over a start, watches the clock, and writes down when time arrives."""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from edge.clock.clock import Clock
from edge.clock.trust import FIRST_POSSIBLE, STEPPED, Trust
from edge.errors import LedgerFault
from edge.events import Event
from edge.signals.patterns import Pattern
from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.entries import SALT_BYTES, VERSION, Fact, Payload, decode_payload
from protocol.errors import ProtocolError

LOOKED_BACK: Final = 20_000  # entries; so many since the clock was last trusted are a rarity
LOOK_EVERY: Final = 1.0
CLOCK_SET: Final = "clock.set"

_log = structlog.get_logger()


def remembered(path: Path, boot: bytes, *, battery: bool, certified: int | None) -> Trust:
    """What is known of the right time at a start in a boot: from the ledger's newest trusted entry, and `certified`.

    `certified` is when the terminal's own certificate begins, in microseconds UTC: no right clock shows less.
    """
    newest = newest_trusted(path)
    trust = Trust(battery, max(FIRST_POSSIBLE, certified or 0))
    if newest is not None:
        trust.floor = max(trust.floor, newest.registered_at)
        if newest.boot_id == boot:
            trust.began_at = newest.occurred_at - newest.monotonic // 1000
    return trust


def newest_trusted(path: Path) -> Payload | None:
    """The newest entry whose clock was trusted, read before the ledger is opened; of a damaged file, what can be.

    Looking changes nothing: without a write-ahead log the file is read as it lies, so that none is made beside it, and
    the log of an empty file, which SQLite would throw away at the first look, is left to whoever opens it for good.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    asked = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{asked}", uri=True)) as connection:
            for (raw,) in connection.execute("SELECT bytes FROM payload ORDER BY seq DESC LIMIT ?", (LOOKED_BACK,)):
                with suppress(ProtocolError):  # what a later version wrote is passed over
                    payload = decode_payload(raw)
                    if payload.clock_quality is not ClockQuality.UNTRUSTED:
                        return payload
    except sqlite3.Error:  # it is not there yet, or opening it for good will say what is wrong
        return None
    return None


class Recorder(Protocol):
    """The part of the ledger that takes entries."""

    def append(self, payload: Payload, /) -> int:
        """Record it durably. Raises LedgerFault."""


class Timekeeping:
    """Looks at the clock each second, in the loop and never for a tap.

    When the clock becomes synchronised in a boot, and when it was set by more than a second since, a fact says when
    the boot began by the clock that now counts: with it every entry of the boot has its true time.
    """

    def __init__(
        self, clock: Clock, ledger: Recorder, hold: Callable[[Pattern, bool], None], wake: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._hold = hold
        self._wake = wake
        self._written: int | None = None
        self._trusted: bool | None = None

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """See whether the clock is trusted and whether it moved; say so on the lights, in the log and in the ledger."""
        now = self._clock.read()
        trusted = now.quality is not ClockQuality.UNTRUSTED
        if trusted is not self._trusted:
            self._trusted = trusted
            self._say(now)
            self._hold(Pattern.CLOCK_UNTRUSTED, not trusted)
        if now.quality is ClockQuality.SYNCHRONISED:
            self._write_down(now)

    def _say(self, now: ClockReading) -> None:
        if now.quality is ClockQuality.UNTRUSTED:
            known = datetime.fromtimestamp(self._clock.floor / MICROSECONDS, UTC)
            shows, floor = (each.isoformat(timespec="seconds") for each in (now.moment, known))
            _log.warning(Event.CLOCK_DOUBTED, shows=shows, floor=floor, then="entries are marked untrusted")
        else:
            _log.info(Event.CLOCK_TRUSTED, quality=now.quality)

    def _write_down(self, now: ClockReading) -> None:
        began_at = now.utc - now.monotonic // 1000
        moved = None if self._written is None else began_at - self._written
        if moved is not None and abs(moved) <= STEPPED:
            return
        try:
            self._ledger.append(_clock_set(now, began_at))
        except LedgerFault as fault:
            _log.error(Event.LEDGER_FAILED, why=str(fault), then="it is tried again in a second")
            return
        self._written = began_at
        _log.info(Event.CLOCK_SET, moved_seconds=None if moved is None else moved / MICROSECONDS)
        self._wake()


def _clock_set(now: ClockReading, began_at: int) -> Fact:
    """The true time of an entry of this boot is `began_at` + its monotonic time."""
    details = {"boot": now.boot_id.hex(), "began_at": str(began_at), "quality": now.quality.value}
    salt = secrets.token_bytes(SALT_BYTES)
    return Fact(VERSION, now.utc, now.quality, now.boot_id, now.monotonic, now.utc, CLOCK_SET, details, salt)
