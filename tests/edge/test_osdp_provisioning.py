"""A reader gets a key of its own, or says why not; a power cut at any moment leaves a reader that is found again."""

import asyncio
from pathlib import Path

import pytest

from edge.cli.provision import WORDS
from edge.errors import ReaderKeysUnusable, RequestRefused
from edge.readers import CardSeen
from edge.readers.osdp.keys import Keys
from edge.readers.osdp.library import Act
from edge.readers.osdp.requests import Outcome, provision
from edge.readers.simulated import SimulatedReader
from protocol.cards import CardId
from tests.support.osdp_gate import IN, KEYS, OUT, PATIENCE, OsdpGate, osdp_gate
from tests.support.waiting import until

UID = bytes.fromhex("04A1B2C3")
SEEN = CardSeen(CardId.parse("uid:04A1B2C3"), "in")


def reads_cards(gate: OsdpGate) -> bool:
    """Hold a card against the reader, again if it says so, and see whether it is read."""
    return gate.hold(IN, UID) == SEEN


@pytest.mark.feature("F08")
def test_a_reader_in_install_mode_gets_a_key_that_nobody_else_has(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        for address in (IN, OUT):
            gate.simulator.reset(address)
            assert gate.provision(address) is Outcome.KEYED
        assert reads_cards(gate)
        keys = [gate.box(address).key for address in (IN, OUT)]
        assert [Keys(key) for key in keys] == [gate.store.of("in"), gate.store.of("out")]
        assert len({*keys, *KEYS.values()}) == 4


@pytest.mark.feature("F08")
def test_a_reader_that_has_a_key_gets_another_one(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        for _ in range(2):
            before = gate.box(IN).key
            assert gate.provision(IN) is Outcome.REPLACED
            assert gate.store.of("in") == Keys(gate.box(IN).key)
            assert gate.box(IN).key != before
        assert reads_cards(gate)
        gate.restart_terminal()
        assert reads_cards(gate)


def test_the_other_reader_goes_on_while_one_is_given_a_key(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        gate.simulator.reset(OUT)
        outcome = gate[OUT].provision()
        assert reads_cards(gate)
        assert outcome.result(PATIENCE) is Outcome.KEYED


@pytest.mark.feature("F08")
@pytest.mark.parametrize("takes_key_first", [True, False])
@pytest.mark.parametrize("has_key", [True, False])
def test_a_reader_that_loses_power_while_it_is_given_a_key_is_found_again(
    tmp_path: Path, has_key: bool, takes_key_first: bool
) -> None:
    """It may have stored the key or not, and never answered: asking once more mends what is left."""
    with osdp_gate(tmp_path) as gate:
        if not has_key:
            gate.simulator.reset(IN)
        box = gate.box(IN)
        box.dies_at, box.takes_key_first = Act.SET_KEY, takes_key_first
        assert gate.provision(IN) in {Outcome.SILENT, Outcome.UNPROVED}
        assert len(gate.store.of("in").all) == 2
        gate.simulator.power(IN, True)
        if not has_key and not takes_key_first:
            assert gate.provision(IN) is Outcome.KEYED
        assert reads_cards(gate)
        until(lambda: gate.store.of("in") == Keys(box.key), PATIENCE, "one key left")


@pytest.mark.feature("F08")
@pytest.mark.parametrize("takes_key_first", [True, False])
def test_a_terminal_that_loses_power_meanwhile_finds_the_reader_under_either_key(
    tmp_path: Path, takes_key_first: bool
) -> None:
    with osdp_gate(tmp_path) as gate:
        box = gate.box(IN)
        box.dies_at, box.takes_key_first = Act.SET_KEY, takes_key_first
        gate[IN].provision()
        until(lambda: not box.is_on, PATIENCE, "the reader given a key")
        gate.simulator.power(IN, True)
        gate.restart_terminal()
        assert reads_cards(gate)
        until(lambda: gate.store.of("in") == Keys(box.key), PATIENCE, "one key left")


def test_a_reader_with_a_key_of_somebody_else_says_so(tmp_path: Path) -> None:
    with osdp_gate(tmp_path, keyed=False) as gate:
        assert gate.provision(IN) is Outcome.FOREIGN_KEY
        assert gate.box(IN).key == KEYS[IN]
        gate.simulator.tap(IN, UID)
        gate.simulator.reset(IN)
        assert gate.provision(IN) is Outcome.KEYED


def test_a_reader_that_does_not_answer_says_so(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        gate.simulator.wire(IN, False)
        assert gate.provision(IN) is Outcome.SILENT
        gate.simulator.wire(IN, True)
        assert reads_cards(gate)


def test_a_bus_that_is_not_there_says_so(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        gate.simulator.unplug()
        assert gate.provision(IN) is Outcome.PORT_GONE


def test_a_store_that_cannot_be_used_gives_nobody_a_key(tmp_path: Path) -> None:
    with osdp_gate(tmp_path) as gate:
        gate.store.path.write_bytes(b"damaged")
        with pytest.raises(ReaderKeysUnusable):
            gate.provision(IN)
        assert gate.box(IN).key == KEYS[IN]
        gate.simulator.tap(IN, UID)
        assert gate.next() == SEEN


async def _refused(gate: OsdpGate | None, name: str) -> str:
    readers = [SimulatedReader("panel"), *(gate.readers.values() if gate else ())]
    with pytest.raises(RequestRefused) as refusal:
        await provision(readers, name)
    return str(refusal.value)


def test_only_readers_with_a_key_are_given_one(tmp_path: Path) -> None:
    gate = OsdpGate(tmp_path)
    assert asyncio.run(_refused(gate, "panel")) == "no reader with a key is called 'panel'; there are in, out"
    assert asyncio.run(_refused(None, "panel")).startswith("no reader here has a key")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_words_that_name_the_reader(outcome: Outcome) -> None:
    assert "north-gate-in" in WORDS[outcome].format(name="north-gate-in").splitlines()[0]
