"""Two ways to make up inputs: led by coverage where atheris has a wheel, and by seeded mutations elsewhere."""

import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.target import Target

ATHERIS: Final = "atheris"
MUTATIONS: Final = "mutations"
HANGS_AFTER: Final = 20
"""Seconds for one input."""

MOST_MEMORY: Final = 1024
"""MiB of the whole process."""

_INTERESTING: Final = (0, 1, 0x7F, 0x80, 0x90, 0x91, 0xC0, 0xC4, 0xDC, 0xDD, 0xFF)

OneInput = Callable[[bytes], None]


def engine_here() -> tuple[str, str]:
    """Which engine this machine has, and why."""
    if find_spec("atheris") is not None:
        return ATHERIS, "led by coverage"
    where = f"{platform.machine()} with Python {'.'.join(map(str, sys.version_info[:2]))}"
    return MUTATIONS, f"seeded mutations without coverage: atheris has no wheel for {where}"


def instrumented(engine: str) -> AbstractContextManager[object]:
    """While this holds, what is imported of ours counts its branches, where the engine is led by them."""
    if engine != ATHERIS:
        return nullcontext()
    import atheris

    context: AbstractContextManager[object] = atheris.instrument_imports(
        include=["protocol", "edge", "cloud", "tests.fuzz.planted"]
    )
    return context


def run_led(target: Target, one_input: OneInput, runs: int, seed: int) -> None:
    """Let libFuzzer make up the inputs; it ends the process itself, with 0 when nothing was found."""
    import atheris

    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, given in enumerate(target.seeds):
        (corpus / f"{number}").write_bytes(given)
    words = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={target.longest}",
        f"-timeout={HANGS_AFTER}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-artifact_prefix={corpus}/found-",
    ]
    atheris.Setup(["fuzz", *words, str(corpus)], one_input)
    atheris.Fuzz()


def run_mutations(target: Target, one_input: OneInput, runs: int, seed: int) -> None:
    """Change the seeds in small ways, the same ones for the same seed."""
    chance = Random(seed)
    for given in target.seeds:
        one_input(given)
    for _ in range(runs - len(target.seeds)):
        one_input(mutated(chance, target.seeds)[: target.longest])


def mutated(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after a few changes."""
    given = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4, 8))):
        at, size = chance.randint(0, len(given)), chance.choice((1, 1, 2, 4, 16, 64))
        match chance.randrange(7):
            case 0 if given:
                given[at % len(given)] ^= 1 << chance.randrange(8)
            case 1 if given:
                given[at % len(given)] = chance.choice(_INTERESTING)
            case 2 if given:
                given[at % len(given)] = chance.randrange(256)
            case 3:
                del given[at : at + size]
            case 4:
                given[at:at] = chance.randbytes(size)
            case 5:
                given[at:at] = given[at : at + size] * chance.choice((1, 2, 50))
            case _:
                other = chance.choice(seeds)
                begin = chance.randint(0, len(other))
                given[at : at + size] = other[begin : begin + size]
    return bytes(given)
