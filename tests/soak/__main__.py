"""`python -m tests.soak --hours H [--rate N]`: lives with a daemon for long; exits with 1 when it takes ever more."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.soak.life import life
from tests.soak.samples import LEAK, Sample, complaints, growth, warm

WRONG: Final = 1
TOLD_EVERY: Final = 60.0
KEPT: Final = 20_000  # samples; of a longer run every second one is dropped, again and again


def main(arguments: Sequence[str] | None = None) -> int:
    """A line each minute, and at the end what grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long; default: 1")
    parser.add_argument("--rate", type=float, default=50.0, help="at most so many taps a second; default: 50")
    parser.add_argument("--plant", choices=["leak"], default="", help="a bug in the daemon, to see that it is found")
    asked = parser.parse_args(arguments)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="grindvakt-soak-") as folder, life(Path(folder), asked.plant) as daemon:
        told = 0.0
        for sample in daemon.live(asked.hours * 3600, asked.rate):
            samples = (samples if len(samples) < KEPT else samples[::2]) + [sample]
            if sample.seconds >= told:
                told += TOLD_EVERY
                print(_line(sample), flush=True)
    slope, grown = growth(warm(samples))
    print(f"memory: {slope:+.3f} KiB a tap, {grown:+.0f} KiB since it was warm; a leak begins at {LEAK} KiB a tap")
    for complaint in complaints(samples):
        print(f"WRONG: {complaint}")
    return WRONG if complaints(samples) else 0


def _line(sample: Sample) -> str:
    return (
        f"{sample.seconds / 60:7.0f} min  {sample.taps:>9} taps  {sample.entries:>9} entries  "
        f"{sample.rss / 1024:6.1f} MiB  {sample.files:>3} files  {sample.threads:>2} threads  "
        f"ledger {sample.ledger_bytes / 1024**2:8.1f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
