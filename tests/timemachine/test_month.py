"""A month at the gate, and an independent replay that agrees with the ledger entry by entry."""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
import structlog

from protocol.entries import DoorChange, Fact, Payload, Tap
from tests.timemachine.happenings import BEGINS, Happening, Held
from tests.timemachine.machine import Machine
from tests.timemachine.replay import Entry, Replay
from tests.timemachine.troubles import a_month

TAPS: Final = 50_000
SEED: Final = 20_260_315


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A month of log lines is read by nobody."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: what a disk does is other tests' matter."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def found(payload: Payload) -> tuple[object, ...]:
    """An entry of the ledger as far as the replay speaks of it."""
    assert payload.registered_at == payload.occurred_at
    return (payload.occurred_at, payload.clock_quality.value, payload.boot_id, payload.monotonic, words(payload))


def words(payload: Payload) -> tuple[object, ...]:
    """What it says beside its time."""
    match payload:
        case Tap() as tap:
            who = (tap.card, tap.person, tap.company, tap.reader, tap.also, tap.proof.value)
            answer = (tap.direction, tap.outcome, tap.reason, tap.project, tuple(sorted(tap.tables.items())))
            return ("tap", *who, *answer)
        case DoorChange(door=door, state=state, cause=cause):
            return ("door", door, state, cause)
        case Fact(subject="clock.set", details=details):
            assert details["quality"] == "synchronised"
            return ("clock.set", ("began_at", int(details["began_at"])), ("boot", details["boot"]))
        case Fact(subject=subject):
            return (subject,)


def expected(entry: Entry) -> tuple[object, ...]:
    """The same of the replay."""
    return (entry.shown, entry.quality, entry.boot, entry.since_boot, entry.words)


def compare(ledger: list[Payload], predicted: list[Entry]) -> None:
    """Entry by entry; the first that differs is shown with what came before."""
    for number, (is_there, should) in enumerate(zip(ledger, predicted, strict=False)):
        if found(is_there) != expected(should):
            before = "\n".join(str(found(each)) for each in ledger[max(0, number - 3) : number])
            pytest.fail(
                f"entry {number + 1} differs, after\n{before}\nit is {found(is_there)}\nnot   {expected(should)}"
            )
    assert len(ledger) == len(predicted)


def repaired(ledger: list[Payload]) -> Iterator[tuple[int, int]]:
    """The number of each untrusted entry whose boot has learnt the time, and its true time by the newest fact."""
    began = {
        fact.details["boot"]: int(fact.details["began_at"])
        for fact in ledger
        if isinstance(fact, Fact) and fact.subject == "clock.set"
    }
    for number, entry in enumerate(ledger):
        if entry.clock_quality == "untrusted" and entry.boot_id.hex() in began:
            yield number, began[entry.boot_id.hex()] + entry.monotonic // 1000


def lived(memory: Path, seed: int, taps: int) -> tuple[list[Happening], list[Payload], list[Entry]]:
    """A month, what the cloud has of it, and what the replay says it should have."""
    happenings = a_month(seed, taps)
    return happenings, Machine(memory).play(happenings), Replay().of(happenings)


@pytest.mark.feature("F16", "F01")
def test_a_replay_of_a_months_fifty_thousand_taps_agrees_with_the_ledger(memory: Path) -> None:
    happenings, ledger, predicted = lived(memory, SEED, TAPS)
    assert sum(isinstance(each, Held) for each in happenings) >= TAPS
    compare(ledger, predicted)

    taps = [entry for entry in ledger if isinstance(entry, Tap)]
    told = Counter((tap.outcome.value, tap.direction, tap.reason) for tap in taps)
    assert len(told) == 19, f"a month that tries every way of answering: {told}"
    assert {entry.clock_quality.value for entry in ledger} == {"synchronised", "held", "untrusted"}
    assert any(later.occurred_at < earlier.occurred_at for earlier, later in pairwise(ledger)), "clocks went back"

    right = list(repaired(ledger))
    assert len(right) > 500
    for number, true_time in right:
        assert true_time == BEGINS + predicted[number].truly


@pytest.mark.parametrize("seed", range(3))
def test_other_months_agree_too(memory: Path, seed: int) -> None:
    _, ledger, predicted = lived(memory, seed, 1000)
    compare(ledger, predicted)
