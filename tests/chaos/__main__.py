"""`python -m tests.chaos --rounds N [--seed S]`: kills things for a while; exits with 1 when something was lost."""

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

from tests.chaos.rounds import Blow, Chaos, Round, Tally, chaos
from tests.support.planted import BUGS

WRONG: Final = 1
ENDED: Final = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds, a line for each, and a table at the end."""
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))  # so that all programs end with us
    folder = Path(tempfile.mkdtemp(prefix="grindvakt-chaos-"))
    print(f"seed {asked.seed}; everything is kept in {folder} if something is lost", flush=True)
    began = time.monotonic()
    with chaos(folder / "site", asked.seed, asked.plant) as trial:
        last = _run(trial, asked.rounds)
    _print_table(trial.tally, time.monotonic() - began)
    if last is not None and last.violations:
        print(f"\nLOST in round {last.number}; python -m tests.chaos --rounds {asked.rounds} --seed {asked.seed}")
        for violation in last.violations:
            print(f"  - {violation}")
        print(f"the files are in {folder}")
        return WRONG
    shutil.rmtree(folder)
    return 0


def _run(trial: Chaos, rounds: int) -> Round | None:
    done = None
    for done in trial.run(rounds):
        tally = trial.tally
        verdict = "LOST" if done.violations else f"caught up in {done.caught_up:4.1f} s"
        print(
            f"round {done.number:>{len(str(rounds))}}/{rounds}  {tally.taps:>6} taps  {tally.greens:>6} green  "
            f"{verdict}  killed {_named(done.blows)}",
            flush=True,
        )
    return done


def _named(blows: Sequence[Blow]) -> str:
    return ", ".join(f"{blow.part} at {blow.at:.2f} s" for blow in blows)


def _print_table(tally: Tally, seconds: float) -> None:
    rows = [
        ("rounds", str(tally.rounds)),
        ("taps", str(tally.taps)),
        ("green", str(tally.greens)),
        *((f"kills of {part}", str(number)) for part, number in sorted(tally.kills.items())),
        ("longest catch-up", f"{tally.longest_catch_up:.1f} s"),
        ("took", f"{seconds:.0f} s"),
    ]
    print()
    for name, value in rows:
        print(f"{name:<24}{value:>10}")


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how many; default: 20")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="draws the same blows again")
    parser.add_argument(
        "--plant", choices=sorted(BUGS), default="", help="a bug in the daemons, to see that it is found"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
