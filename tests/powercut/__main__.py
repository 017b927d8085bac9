"""`python -m tests.powercut --rounds N [--seed S]`: cuts the power; exits with 1 when something was lost."""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.powercut.rounds import PowerCuts, Tally, Trial, power_cuts
from tests.support.planted import BUGS

WRONG: Final = 1
ENDED: Final = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds, a line for each, and a table at the end; or one cut again."""
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))  # so that all programs end with us
    folder = Path(tempfile.mkdtemp(prefix="grindvakt-powercut-"))
    began = time.monotonic()
    with power_cuts(folder, asked.seed, Trial(plant=asked.plant)) as cuts:
        wrong: Sequence[str]
        if asked.again is not None:
            wrong, kept = cuts.again(asked.again), asked.again
            print("that cut, once more:" if wrong else "that cut, once more: all there")
        else:
            print(f"seed {asked.seed}; the journal is kept in {folder} if something is lost", flush=True)
            wrong, kept = _run(cuts, asked.rounds)
            _print_table(cuts.tally, time.monotonic() - began)
    if wrong:
        print("\nLOST")
        for violation in wrong:
            print(f"  - {violation}")
        print(f"the same cut again: python -m tests.powercut --again {kept}")
        return WRONG
    shutil.rmtree(folder)
    return 0


def _run(cuts: PowerCuts, rounds: int) -> tuple[Sequence[str], Path | None]:
    for done in cuts.run(rounds):
        tally = cuts.tally
        print(
            f"round {done.number:>{len(str(rounds))}}/{rounds}  {tally.cuts:>6} cuts  {tally.greens:>6} green  "
            f"{tally.fate.lost:>7} writes lost  {'LOST' if done.violations else 'all there'}",
            flush=True,
        )
        if done.violations:
            return done.violations, done.folder
    return [], None


def _print_table(tally: Tally, seconds: float) -> None:
    fate = tally.fate
    rows = [
        ("rounds", str(tally.rounds)),
        ("of them on a new terminal", str(tally.new)),
        ("cuts", str(tally.cuts)),
        ("lives of a daemon", str(tally.lives)),
        ("green taps", str(tally.greens)),
        ("logs begun anew", str(tally.begun_logs)),
        ("unsynced writes lost", str(fate.lost)),
        ("torn", str(fate.torn)),
        ("survived", str(fate.survived)),
        ("names and renames lost", str(fate.names_lost)),
        *((act, str(number)) for act, number in sorted(tally.acts.items())),
        ("took", f"{seconds:.0f} s"),
    ]
    print()
    for name, value in rows:
        print(f"{name:<34}{value:>10}")


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how many; default: 20")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="draws the same events and cuts")
    parser.add_argument(
        "--again", type=Path, help="the folder that a round with a loss has named: only that cut, again"
    )
    parser.add_argument(
        "--plant", choices=sorted(BUGS), default="", help="a bug in the daemon, to see that it is found"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
