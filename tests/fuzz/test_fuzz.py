"""No parser of outside bytes raises what it should not, hangs, or takes more memory than its input justifies.

Each is fuzzed in a process of its own, with a fixed number of inputs and a fixed seed.
"""

import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import of_cards, of_cloud, of_edge, of_protocol, of_visits
from tests.fuzz.campaign import EVERY, Outcome, fuzz
from tests.fuzz.engines import ATHERIS, MUTATIONS, engine_here
from tests.fuzz.target import Target

RUNS: Final = 20_000
RUNS_OF_EACH: Final = 5_000
"""Enough to find what a change broke; `make fuzz` searches longer."""

SEED: Final = 1
TARGETS: Final = {
    name: target
    for home in (of_protocol, of_edge, of_cards, of_visits, of_cloud)
    for name, target in home.TARGETS.items()
}


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Callable[[str], Outcome]]:
    """Every target is fuzzed, as many at a time as there are cores; gives the outcome of one when it has ended."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        running: dict[str, Future[Outcome]] = {}
        for home, name in EVERY:
            running[name] = pool.submit(fuzz, home, name, RUNS_OF_EACH, SEED)
        yield lambda name: running[name].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", [name for _, name in EVERY])
def test_whatever_it_is_given_a_parser_answers_or_refuses_by_name(
    name: str, outcomes: Callable[[str], Outcome]
) -> None:
    outcome = outcomes(name)
    assert outcome.fault is None, f"{outcome.fault}\ninput (base64): {outcome.given}\n{outcome.told}"


def test_no_parser_is_fuzzed_twice_under_one_name() -> None:
    assert len(EVERY) == len(TARGETS) == len({name for _, name in EVERY})


def test_inputs_are_led_by_coverage_where_there_is_a_wheel_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere the same parsers meet seeded mutations, and this says so."""
    engine, why = engine_here()
    with capsys.disabled():
        print(f"\nfuzzed with {engine}, {why}")
    has_wheel = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
    assert engine == (ATHERIS if has_wheel else MUTATIONS)


# --- what is planted is found -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", sorted({engine_here()[0], MUTATIONS}))
@pytest.mark.parametrize(("name", "kind"), [("planted-byte", "KeyError"), ("planted-growth", "TooMuchMemory")])
def test_a_planted_fault_is_found(engine: str, name: str, kind: str) -> None:
    """A rig that cannot fail would prove nothing."""
    outcome = fuzz("planted", name, RUNS, SEED, engine)
    assert outcome.fault is not None
    assert outcome.fault.startswith(kind)
    assert outcome.given is not None


def test_a_parser_without_a_fault_passes() -> None:
    assert fuzz("planted", "planted-none", RUNS, SEED).fault is None


def test_being_led_by_coverage_finds_what_chance_does_not() -> None:
    if engine_here()[0] == ATHERIS:
        found = fuzz("planted", "planted-depth", 40 * RUNS, SEED).fault
        assert found is not None
        assert found.startswith("KeyError")
    assert fuzz("planted", "planted-depth", RUNS, SEED, MUTATIONS).fault is None


def test_memory_beyond_what_an_input_justifies_is_a_fault() -> None:
    with pytest.raises(Exception, match="bytes for an input of 2"):
        Target(lambda given: given * 5_000_000, (), ()).weigh(b"xx")
    Target(lambda given: given * 50, (), ()).weigh(b"xx")


# --- well-formed nonsense ---------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=40),
    st.sampled_from(["tap", "door", "fact", "in", "out", "open", "granted", "synchronised", "uid:04A1B2C3"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=18), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=40,
)
PACKED: Final = sorted(
    name for name, target in of_protocol.TARGETS.items() if name not in {"card", "terminal", "export"}
)


@pytest.mark.parametrize("name", PACKED)
@given(tree=trees, mark=st.sampled_from([b"", b"\x00"]))
def test_well_formed_packs_of_the_wrong_things_are_refused_by_name(name: str, tree: Any, mark: bytes) -> None:
    """What mutated bytes seldom are: right as a pack, and wrong in what it holds."""
    TARGETS[name].run(mark + msgspec.msgpack.encode(tree))


@pytest.mark.parametrize("name", ["request", "declared"])
@given(tree=trees)
def test_well_formed_json_of_the_wrong_things_is_refused_by_name(name: str, tree: Any) -> None:
    TARGETS[name].run(msgspec.json.encode(tree))


@given(
    tree=st.dictionaries(st.sampled_from(["format", "version", "terminal", "ledger", "seq", "end", "lost"]), scalars)
)
def test_an_export_with_the_wrong_things_in_its_fields_is_refused_by_name(tree: Any) -> None:
    line = msgspec.json.encode(tree) + b"\n"
    head = of_protocol.TARGETS["export"].seeds[0].split(b"\n")[0] + b"\n"
    TARGETS["export"].run(line)
    TARGETS["export"].run(head + line)
