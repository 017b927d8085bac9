"""Fuzzes every parser, each in a process of its own: `python -m tests.fuzz.campaign --runs 100000 [--only payload]`."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.fuzz import of_cards, of_cloud, of_edge, of_protocol, of_visits
from tests.fuzz.engines import HANGS_AFTER, engine_here

ROOT: Final = Path(__file__).resolve().parents[2]
EVERY: Final = [
    (home.__name__.rpartition(".")[2], name)
    for home in (of_protocol, of_edge, of_cards, of_visits, of_cloud)
    for name in home.TARGETS
]
PATIENCE: Final = 60.0
RUNS_A_SECOND: Final = 200
"""The slowest a target may be."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target: `fault` is None where nothing broke it; `steps` of the code were reached."""

    name: str
    runs: int
    seconds: float
    steps: int | None
    fault: str | None
    given: str | None = None
    told: str = ""


def fuzz(home: str, name: str, runs: int, seed: int, engine: str | None = None) -> Outcome:
    """Fuzz one target in a process of its own, and wait for the end."""
    words = [sys.executable, "-m", "tests.fuzz", home, name, "--runs", str(runs), "--seed", str(seed)]
    words += ["--engine", engine or engine_here()[0]]
    begun = time.monotonic()
    patience = PATIENCE + HANGS_AFTER + runs / RUNS_A_SECOND
    ended = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=patience)
    seconds = time.monotonic() - begun
    steps = [int(found) for found in re.findall(r"cov: (\d+)", ended.stderr)]
    if ended.returncode == 0:
        return Outcome(name, runs, seconds, steps[-1] if steps else None, None)
    last = (ended.stdout.strip().splitlines() or [""])[-1]
    found: dict[str, Any] = json.loads(last) if last.startswith("{") else {}
    fault = found.get("fault", f"it ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return Outcome(name, found.get("run", runs), seconds, None, fault, found.get("input"), found.get("where", ""))


def fuzz_all(targets: Sequence[tuple[str, str]], runs: int, seed: int) -> Iterator[Outcome]:
    """Fuzz several, as many at a time as there are cores; the outcomes in the order of the targets."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda each: fuzz(each[0], each[1], runs, seed), targets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Say a line for each target; 1 where one broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each target; default: 100000")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same for the same inputs")
    parser.add_argument("--only", action="append", choices=[name for _, name in EVERY], metavar="NAME")
    asked = parser.parse_args(arguments)
    engine, why = engine_here()
    print(f"engine {engine}, {why}; seed {asked.seed}", flush=True)
    broken = 0
    targets = [each for each in EVERY if not asked.only or each[1] in asked.only]
    for outcome in fuzz_all(targets, asked.runs, asked.seed):
        rate = outcome.runs / outcome.seconds
        reached = "" if outcome.steps is None else f", {outcome.steps} steps of the code reached"
        print(f"{outcome.name:<16} {outcome.runs:>10,} runs, {rate:>8,.0f}/s{reached}", flush=True)
        if outcome.fault is not None:
            broken += 1
            print(f"  BROKEN: {outcome.fault}\n  input (base64): {outcome.given}\n{outcome.told}", flush=True)
    print(f"{len(targets) - broken} of {len(targets)} parsers held", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
