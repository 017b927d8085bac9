"""The command that looks at the settings and needs no daemon."""

from collections.abc import Mapping
from pathlib import Path

from edge.cli.ask import print_json
from edge.config import EXIT_CONFIG, load
from edge.doors.contradictions import pulled_at_boot
from edge.errors import ConfigInvalid
from edge.settings import Settings
from edge.words import _


def check_config(path: Path, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Say every mistake in the settings, and what is not a mistake but not there yet."""
    try:
        settings = load(path, environment, thorough=True)
    except ConfigInvalid as fault:
        if not as_json:
            raise
        print_json({"problems": fault.problems, "warnings": []})
        return EXIT_CONFIG
    warnings = [*absences(settings), *pulls(settings)]
    if as_json:
        print_json({"problems": [], "warnings": warnings})
        return 0
    readers, doors = len(settings.readers), len(settings.doors)
    said = _("{path} is right: terminal {terminal}, {readers} readers, {doors} doors")
    print(said.format(path=path, terminal=settings.terminal.id, readers=readers, doors=doors))
    for warning in warnings:
        print(f"  - {warning}")
    return 0


def absences(settings: Settings) -> list[str]:
    """What the settings name and is not there now; the daemon runs without it, and says so."""
    link = settings.link
    files = [link.ca, link.certificate, link.key, *link.signing_key_files]
    missing = [
        _("{path} is not there yet: no link until it is").format(path=path) for path in files if not path.exists()
    ]
    for reader in settings.readers:
        if reader.device is not None and not reader.device.exists():
            said = _("{device} is not there now: reader {name} waits for it")
            missing.append(said.format(device=reader.device, name=reader.name))
    return missing


def pulls(settings: Settings) -> list[str]:
    """Which locks may move while the board boots."""
    if settings.signals.kind == "simulated":
        return []
    return [warning for door in settings.doors for warning in pulled_at_boot(door)]
