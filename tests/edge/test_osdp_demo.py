"""Somebody without hardware drives simulated OSDP readers by typing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.readers import CardSeen, ReaderLost
from edge.readers.osdp.demo import LINES, obey
from edge.readers.osdp.requests import Outcome
from protocol.cards import CardId
from tests.support.osdp_gate import IN, OsdpGate, osdp_gate


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[OsdpGate]:
    with osdp_gate(tmp_path) as started:
        yield started


def test_what_is_typed_happens_to_the_readers(gate: OsdpGate) -> None:
    said: list[str] = []

    def typed(line: str) -> None:
        obey(gate.simulator, line, said.append)

    typed("tap 0 04A1B2C3")
    assert gate.next() == CardSeen(CardId.parse("uid:04A1B2C3"), "in")
    typed("show 0")
    assert said == ["dark; with a key of its own; in a Secure Channel"]
    typed("reset 0")
    assert gate.provision(IN) is Outcome.KEYED
    typed("power 5 off")
    gate.until(lambda seen: isinstance(seen, ReaderLost) and seen.reader == "out")
    typed("power 5 on")
    typed("wire 0 off")
    typed("wire 0 on")
    typed("unplug")
    typed("plug")
    gate.wait_for(0, 5)


@pytest.mark.parametrize("line", ["tap 7 04A1B2C3", "tap 0 nothing", "power 0 maybe", "open x", "explode"])
def test_what_cannot_be_done_is_answered_with_what_can(gate: OsdpGate, line: str) -> None:
    said: list[str] = []
    obey(gate.simulator, line, said.append)
    assert LINES in said[0]
