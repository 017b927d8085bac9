"""Judges the clock: how far it can be trusted, and what could make it better."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.clock.clock import SystemClock, boot_id
from edge.clock.timekeeping import remembered
from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.link.tls import begins
from edge.settings import Settings
from edge.words import _
from protocol.clock import MICROSECONDS, ClockQuality

PART: Final = "clock"
CLOCKS: Final = Path("/sys/class/rtc")
ASKED: Final = ("timedatectl", "show", "--property=NTP", "--property=NTPSynchronized")
PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Time:
    """The clock as it stands: times as ISO 8601 in UTC. `asks`: whether a time service is on, None: not known.

    `battery`: a clock of its own is fitted; `believed`: the settings say that it has a battery.
    `is_blind`: we may not look when it was last right.
    """

    shows: str
    quality: ClockQuality
    floor: str
    asks: bool | None = None
    battery: bool = False
    believed: bool = False
    is_blind: bool = False


def clock_of(settings: Settings) -> SystemClock:
    """The clock as the daemon would begin with it now: as far as the ledger can be read, with its floor."""
    path, certified = settings.terminal.state_dir / "ledger.db", begins(settings.link.certificate)
    if not _may_look(path.parent):
        return SystemClock()
    return SystemClock(remembered(path, boot_id(), battery=settings.terminal.battery_clock, certified=certified))


def look_at_clock(settings: Settings, told: Mapping[str, Any] | None) -> Time:
    """`told` is what the daemon says of its clock; without it the clock is judged as a daemon would at its start."""
    asks, battery = _time_service(), any(CLOCKS.glob("rtc*"))
    believed = settings.terminal.battery_clock
    if told is not None:
        return Time(told["utc"], ClockQuality(told["quality"]), told["floor"], asks, battery, believed)
    clock = clock_of(settings)
    now = clock.read()
    blind = not _may_look(settings.terminal.state_dir)
    return Time(_moment(now.utc), now.quality, _moment(clock.floor), asks, battery, believed, blind)


def _may_look(folder: Path) -> bool:
    return os.access(folder, os.X_OK) or not os.access(folder, os.F_OK)


def judge_clock(seen: Time) -> Finding:
    """Whether entries get a time that counts, also after the next power cut without network."""
    words = _("{time} UTC ({quality})").format(time=seen.shows[:19].replace("T", " "), quality=_(seen.quality))
    if seen.quality is ClockQuality.UNTRUSTED and seen.is_blind:
        found = _("{time} UTC, and no time server vouches for it").format(time=seen.shows[:19].replace("T", " "))
        return unknown(PART, found, _("ask as root, who may see when it was last right"))
    if seen.quality is ClockQuality.UNTRUSTED:
        found = _("{words}; it was last right at {floor}").format(words=words, floor=seen.floor[:16].replace("T", " "))
        return bad(PART, found, _how_to_set(seen))
    if seen.believed and not seen.battery:
        found = _("{words}; battery_clock = true, and no clock with a battery is there").format(words=words)
        return doubtful(PART, found, _("fit one (docs/clock.md), or set battery_clock = false"))
    if seen.quality is ClockQuality.HELD and not seen.believed:
        found = _("{words}: right earlier, and no time server vouches for it now").format(words=words)
        return doubtful(PART, found, _how_to_set(seen))
    return good(PART, words)


def _how_to_set(seen: Time) -> str:
    if seen.asks is False:
        return _("no time service is on: `timedatectl set-ntp true`")
    return _("let it reach a time server: UDP port 123 must be open; `timedatectl timesync-status` says which it asks")


def _time_service() -> bool | None:
    """Whether systemd's own time service is on (timedatectl(1)); None where nobody can say."""
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(ASKED, check=False, capture_output=True, text=True, timeout=PATIENCE)
        if answer.returncode == 0 and "NTP=" in answer.stdout:
            return "NTP=yes" in answer.stdout.split()
    return None


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // MICROSECONDS, UTC).isoformat()
