"""Runs the measurements, shows the table and keeps the figures: `python -m tests.bench [--only NAME]`."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

import edge.log
from tests.bench import capacity, daemon, drain, osdp, sealing, taps
from tests.bench.figures import Measurement
from tests.bench.report import Report

ROOT: Final = Path(__file__).resolve().parents[2]
LATEST: Final = ROOT / "build" / "bench" / "latest.json"
LOG: Final = LATEST.with_name("log")
MEASUREMENTS: Final[Mapping[str, Measurement]] = {
    "tap": taps.tap_to_green,
    "blocklist": taps.blocked_cards,
    "drain": drain.drain,
    "start": daemon.start,
    "idle": daemon.idle,
    "osdp": osdp.osdp_cost,
    "sealing": sealing.sealing,
    "capacity": capacity.capacity,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; 1 when something could not be measured. A target that is missed is no failure."""
    asked = _parser().parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start of a process pays for compiling
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    edge.log.configure(os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640))
    console, report = Console(), Report()
    for name in asked.only or MEASUREMENTS:
        measure(name, report, console)
    report.show(console)
    report.save(LATEST)
    console.print(f"kept in {LATEST.relative_to(ROOT)}")
    return 1 if report.failures else 0


def measure(name: str, report: Report, console: Console) -> None:
    """Make one measurement in a folder of its own, on the disk where the report is kept."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=LATEST.parent))
    try:
        with console.status(name) as status:
            report.figures += MEASUREMENTS[name](folder, lambda words: status.update(f"{name}: {words}"))
    except Exception as exc:  # noqa: BLE001  # the others are still worth measuring
        report.failures[name] = f"{type(exc).__name__}: {exc}"
    finally:
        shutil.rmtree(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=list(MEASUREMENTS),
        metavar="NAME",
        help=f"one of {', '.join(MEASUREMENTS)}; may be given more than once",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
