"""A broker that is broken into opens nothing: what the cloud did not sign for this terminal and topic is not obeyed."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from cloud.joining.authority import signing_key
from protocol.errors import TerminalId
from protocol.messages import VERSION, Receipt, TableChange, encode
from protocol.signatures import LARGEST_ENVELOPE, Signer
from protocol.topics import ALL_BLOCKLIST, AUDIENCE_ALL, Down, down
from tests.journeys.conftest import Build
from tests.support.audit import edges
from tests.support.intruder import GRANTED, Intruder
from tests.support.site import Site, card
from tests.support.site_terminal import Plan, SiteTerminal
from tests.support.waiting import until

GATE: Final = TerminalId("gate-1")
SPARE: Final = TerminalId("gate-spare")
HASH: Final = bytes(32)

_cards = (card(number) for number in itertools.count(400_001))


@pytest.fixture(scope="module")
def site(build: Build) -> Iterator[Site]:
    """A gate that is bound, and a terminal that is not; in the end nothing is lost."""
    site = build([Plan(GATE), Plan(SPARE, bound=False)])
    yield site
    site.wait_until_sent()
    assert not site.faults()


@pytest.fixture
def gate(site: Site) -> Iterator[SiteTerminal]:
    """The gate; after each test it still answers, and what the cloud says of that has come back."""
    gate = site.terminal(GATE)
    yield gate
    assert gate.tap(next(_cards))["outcome"] == "granted"
    gate.wait_until_sent()
    until(lambda: gate.status()["tables"] == site.cloud.newest(GATE), what="presence has arrived")


@pytest.fixture
def broker(site: Site, gate: SiteTerminal) -> Iterator[Intruder]:
    """Somebody who has broken into the broker and may publish what the cloud may."""
    with Intruder(site.broker.port, site.authority.issue("cloud")) as intruder:
        yield intruder


def change(**changed: Any) -> bytes:
    """A binding's table without a row: obeyed, it would unbind the gate."""
    nothing = b"\x90"
    right = {
        "version": VERSION,
        "name": "binding",
        "scope": GATE,
        "epoch": bytes(16),
        "from_version": 0,
        "to_version": 99,
    }
    part = {"chunk": 0, "chunks": 1, "checksum": HASH, "rows": nothing, "drops": nothing}
    return encode(TableChange(**{**right, **part, **changed}))


Sealed = Callable[[Signer, Signer], tuple[Down, bytes]]
"""A topic and an envelope, made with the cloud's key and with a stranger's."""

BAD_DOWN: Final[dict[str, tuple[Sealed, str]]] = {
    "malformed": (lambda _own, _forged: (Down.TABLE, b"\xc1 what is this"), "cannot be read"),
    "oversized": (lambda _own, _forged: (Down.TABLE, bytes(LARGEST_ENVELOPE + 1)), "larger than"),
    "unsigned": (
        lambda own, _forged: (Down.TABLE, own.seal(GATE, Down.TABLE, change())[:-64] + bytes(64)),
        "its signature does not hold",
    ),
    "changed": (
        lambda own, _forged: (Down.TABLE, own.seal(GATE, Down.TABLE, change()).replace(b"binding", b"bindinG")),
        "its signature does not hold",
    ),
    "signed by a stranger": (lambda _own, forged: (Down.TABLE, forged.seal(GATE, Down.TABLE, change())), "not pinned"),
    "meant for another": (lambda own, _forged: (Down.TABLE, own.seal(SPARE, Down.TABLE, change())), "somebody else"),
    "meant for another topic": (
        lambda own, _forged: (Down.RECEIPT, own.seal(GATE, Down.TABLE, change())),
        "its signature does not hold",
    ),
    "of a future version": (
        lambda own, _forged: (Down.TABLE, own.seal(GATE, Down.TABLE, change(version=99))),
        "version 99",
    ),
    "signed nonsense": (lambda own, _forged: (Down.TABLE, own.seal(GATE, Down.TABLE, b"\x00")), "cannot be read"),
    "rows that are none": (
        lambda own, _forged: (Down.TABLE, own.seal(GATE, Down.TABLE, change(rows=b"\x91\x01"))),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("what", BAD_DOWN)
def test_a_bad_message_down_is_refused_by_name_and_changes_nothing(
    site: Site, gate: SiteTerminal, broker: Intruder, what: str
) -> None:
    sealed, why = BAD_DOWN[what]
    held, seen = gate.status()["tables"], len(gate.events)
    own, forged = Signer(signing_key(site.signing_key)), Signer(signing_key(site.signing_key.with_name("forged.key")))
    topic, envelope = sealed(own, forged)
    assert broker.say(down(GATE, topic), envelope) == GRANTED, "the broker lets the cloud's certificate publish"
    refusal = until(lambda: refusals(gate.events[seen:]), what=f"{what} is refused")[0]
    assert why in refusal["why"]
    assert gate.status()["tables"] == held
    assert gate.status()["binding"] is not None


def test_a_receipt_for_another_chain_is_refused(site: Site, gate: SiteTerminal, broker: Intruder) -> None:
    """Even signed by the cloud itself: a receipt speaks of this chain or counts for nothing."""
    gate.wait_until_sent()
    ledger, seen = gate.status()["ledger"], len(gate.events)
    receipt = Receipt(VERSION, bytes.fromhex(ledger["id"]), ledger["last_seq"], HASH)
    sealed = Signer(signing_key(site.signing_key)).seal(GATE, Down.RECEIPT, encode(receipt))
    broker.say(down(GATE, Down.RECEIPT), sealed)
    assert until(lambda: [event for event in gate.events[seen:] if event.get("event") == "receipt.refused"])
    assert gate.status()["ledger"]["receipted"] == ledger["receipted"]


@pytest.mark.feature("F32")
def test_a_hostile_broker_cannot_bind_a_terminal_or_unblock_a_card_or_open_a_door(
    site: Site, gate: SiteTerminal, broker: Intruder
) -> None:
    """Promise 4, and pitfall 23: what was signed once does not count again."""
    spare, lost = site.terminal(SPARE), next(_cards)
    with Intruder(site.broker.port, site.authority.issue(GATE)) as listener:
        listener.listen(ALL_BLOCKLIST)
        site.cloud.block(lost)
        listener.wait_for(ALL_BLOCKLIST)
        site.cloud.unblock(lost)
        unblocking = listener.wait_for(ALL_BLOCKLIST)
        site.cloud.block(lost)
        listener.wait_for(ALL_BLOCKLIST)
    until(lambda: gate.status()["tables"] == site.cloud.newest(GATE), what="the block has arrived")
    opened, seen = len(openings(gate)), len(gate.events)

    forged = Signer(signing_key(site.signing_key.with_name("forged.key")))
    broker.say(ALL_BLOCKLIST, unblocking)
    broker.say(ALL_BLOCKLIST, forged.seal(AUDIENCE_ALL, Down.BLOCKLIST, change(name="blocklist", scope="global")))
    for terminal in (GATE, SPARE):
        broker.say(down(terminal, Down.TABLE), forged.seal(terminal, Down.TABLE, change(scope=terminal)))
        broker.say(f"gv1/down/{terminal}/open", forged.seal(terminal, Down.TABLE, b"\x01"))
    until(lambda: len(refusals(gate.events[seen:])) == 3, what="the forged ones are refused")

    assert gate.tap(lost)["reason"] == "blocked"
    assert spare.tap(lost)["reason"] == "unbound"
    assert len(openings(gate)) == opened
    assert not openings(spare)


def openings(terminal: SiteTerminal) -> list[int]:
    """When the lock was opened."""
    return [edge.at_ns for edge in edges(terminal.pins_file) if edge.pin == "lock-gate" and edge.level]


def refusals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the gate did not obey."""
    return [event for event in events if event.get("event") == "message.refused"]
