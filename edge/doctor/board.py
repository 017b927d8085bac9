"""Reads what a Raspberry Pi tells of its supply and its temperature."""

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.words import _

POWER: Final = "power"
TEMPERATURE: Final = "temperature"
PLATFORM: Final = Path("/sys/devices/platform")
ZONES: Final = Path("/sys/class/thermal")
ASKED: Final = ("vcgencmd", "get_throttled")
PATIENCE: Final = 3.0

LOW_NOW: Final = 1 << 0  # Raspberry Pi documentation, vcgencmd get_throttled
SLOWED_NOW: Final = 1 << 2
LOW_BEFORE: Final = 1 << 16
SLOWED_BEFORE: Final = 1 << 18

WARM: Final = 80.0
"""Degrees Celsius from which a Pi slows itself down; at 85 it does so for certain (Raspberry Pi documentation)."""
HOT: Final = 85.0


@dataclass(frozen=True, slots=True)
class Supply:
    """`flags` of the firmware, and the warmest sensor in degrees Celsius; None where the computer does not tell."""

    flags: int | None = None
    celsius: float | None = None


def look_at_supply() -> Supply:
    """Ask /sys, and vcgencmd where that says nothing."""
    return Supply(_flags(), _celsius())


def judge_supply(seen: Supply) -> list[Finding]:
    """Supply and temperature."""
    return [_judge_power(seen.flags), _judge_temperature(seen.celsius)]


def _judge_power(flags: int | None) -> Finding:
    better = _("fit a supply of 5.1 V and 3 A (Pi 5: 5 A) with a short, thick cable; feed locks from another")
    if flags is None:
        return unknown(POWER, _("this computer does not tell how its supply is"))
    if flags & LOW_NOW:
        return bad(POWER, _("the supply's voltage is too low now"), better)
    if flags & LOW_BEFORE:
        return doubtful(POWER, _("the supply's voltage was too low since the computer was switched on"), better)
    if flags & (SLOWED_NOW | SLOWED_BEFORE):
        found = _("the computer slowed itself down since it was switched on")
        return doubtful(POWER, found, _("it was too warm: give it air, or a heat sink"))
    return good(POWER, _("the supply's voltage was right ever since it was switched on"))


def _judge_temperature(celsius: float | None) -> Finding:
    if celsius is None:
        return unknown(TEMPERATURE, _("this computer does not tell its temperature"))
    words = _("{degrees:.0f} °C").format(degrees=celsius)
    if celsius >= HOT:
        return bad(TEMPERATURE, words, _("too hot: take it out of the sun, give the box air"))
    if celsius >= WARM:
        return doubtful(TEMPERATURE, words, _("so warm that it slows itself down: give the box air, or a heat sink"))
    return good(TEMPERATURE, words)


def flags_in(text: str) -> int | None:
    """The flags in an answer: `throttled=0x50005` of vcgencmd, or the bare hexadecimal number of /sys."""
    found = re.fullmatch("(?:throttled=0x|0x)?([0-9a-f]{1,8})", text.strip().lower())
    return int(found[1], 16) if found else None


def _flags() -> int | None:
    for path in PLATFORM.glob("*/*firmware/get_throttled"):
        with suppress(OSError):
            return flags_in(path.read_text(encoding="ascii", errors="replace"))
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(ASKED, check=False, capture_output=True, text=True, timeout=PATIENCE)
        return flags_in(answer.stdout)
    return None


def _celsius() -> float | None:
    found: list[float] = []
    for path in ZONES.glob("thermal_zone*/temp"):
        with suppress(OSError, ValueError):
            found.append(int(path.read_text(encoding="ascii")) / 1000)
    return max(found, default=None)
