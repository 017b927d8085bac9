"""The command that looks at the settings and needs no daemon."""

import time
from collections.abc import Mapping
from pathlib import Path

from edge.cli.ask import print_json
from edge.config import EXIT_CONFIG, load
from edge.doctor.cautions import cautions
from edge.errors import ConfigInvalid
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
    warnings = cautions(settings, time.time_ns() // 1000)
    if as_json:
        print_json({"problems": [], "warnings": warnings})
        return 0
    readers, doors = len(settings.readers), len(settings.doors)
    said = _("{path} is right: terminal {terminal}, readers: {readers}, doors: {doors}")
    print(said.format(path=path, terminal=settings.terminal.id, readers=readers, doors=doors))
    if warnings:
        print(_("\nno mistakes, and worth a look:"))
    for warning in warnings:
        print(f"  - {warning}")
    return 0
