"""Asks systemd how it sees the daemon, and reads its answer."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNIT: Final = "grindvakt.service"
BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
ASKED: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "ExecMainStatus",
    "NRestarts",
    "StatusText",
)
PATIENCE: Final = 4.0
LONGEST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd knows of the daemon (systemctl(1), `show`)."""

    load: str = ""
    active: str = ""
    sub: str = ""
    enabled: str = ""
    status: int = 0
    restarts: int = 0
    text: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether systemd has such a unit."""
        return self.load == "loaded"


def ask_systemd() -> Unit | None:
    """What it says; None where systemd does not run, or does not answer."""
    if not BOOTED.is_dir():
        return None
    asked = ["systemctl", "show", UNIT, f"--property={','.join(ASKED)}"]
    try:
        answer = subprocess.run(asked, check=False, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return unit_in(answer.stdout.decode(errors="replace")) if answer.returncode == 0 else None


def unit_in(text: str) -> Unit:
    """The unit in an answer of `systemctl show`: a line KEY=VALUE for each property; what lacks is empty."""
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return Unit(
        load=told.get("LoadState", ""),
        active=told.get("ActiveState", ""),
        sub=told.get("SubState", ""),
        enabled=told.get("UnitFileState", ""),
        status=_number(told.get("ExecMainStatus", "")),
        restarts=_number(told.get("NRestarts", "")),
        text=told.get("StatusText", "")[:LONGEST_TEXT],
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
