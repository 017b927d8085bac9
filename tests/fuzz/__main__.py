"""Runs one target in this process: `python -m tests.fuzz payload --runs 20000 --seed 1 [--engine mutations]`."""

import argparse
import base64
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.fuzz.engines import ATHERIS, MUTATIONS, engine_here, instrumented, run_led, run_mutations
from tests.fuzz.target import Target

FOUND: Final = 3
"""The exit status when an input broke the target; what and how stands on standard output as JSON."""


class Trying:
    """Gives the target its inputs, and ends the process at the first that breaks it."""

    def __init__(self, name: str, target: Target) -> None:
        self._name = name
        self._target = target
        self._number = 0

    def begin(self) -> None:
        """What is tried before anything is made up."""
        self._try(self._target.begin, b"")

    def one_input(self, given: bytes) -> None:
        """The next input."""
        self._number += 1
        self._try(partial(self._target.try_on, given, self._number), given)

    def _try(self, act: Callable[[], None], given: bytes) -> None:
        try:
            act()
        except BaseException as exc:  # noqa: BLE001  # whatever it is, it is what is looked for
            found = {
                "target": self._name,
                "run": self._number,
                "fault": f"{type(exc).__name__}: {exc}"[:500],
                "input": base64.b64encode(given).decode(),
                "where": traceback.format_exc()[-3000:],
            }
            print(json.dumps(found), flush=True)
            sys.stderr.flush()
            os._exit(FOUND)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until so many inputs were tried; the exit status is 0 when none broke the target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("home", choices=("of_protocol", "of_edge", "of_cards", "of_visits", "of_cloud", "planted"))
    parser.add_argument("name")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=(ATHERIS, MUTATIONS), default=engine_here()[0])
    asked = parser.parse_args(arguments)
    with instrumented(asked.engine):
        target: Target = importlib.import_module(f"tests.fuzz.{asked.home}").TARGETS[asked.name]
    trying = Trying(asked.name, target)
    trying.begin()
    run = run_led if asked.engine == ATHERIS else run_mutations
    run(target, trying.one_input, max(asked.runs // target.share, 1), asked.seed)


if __name__ == "__main__":
    main()
