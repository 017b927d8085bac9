"""What was read of a damaged ledger reaches the cloud under its own numbers, behind the ledger that is written now."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.errors import LedgerUnusable
from edge.events import Event
from edge.ledger.aside import asides, condemn
from edge.ledger.drain import Drain
from edge.ledger.facts import fact
from edge.ledger.ledger import Ledger
from edge.ledger.salvage import Salvaged, salvage
from edge.ledger.start import close_ledger, open_ledger, taps_before
from edge.link.outbox import Outbox
from edge.link.sending import RECEIPT_WITHIN
from protocol.entries import Fact, decode_payload, follow, genesis
from protocol.messages import VERSION, Entries, Receipt
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.wreck import TERMINAL, Wreck, killed_ledger, overwrite

RECEIPTED = 20
LOST = ((30, 30), (41, 43))


@dataclass
class GapCloud:
    """A cloud that takes a batch beyond a gap once every number of the gap was declared lost, and not before."""

    held: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    ends: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    lost: dict[bytes, set[int]] = field(default_factory=dict)
    asked_again: int = 0

    def take(self, entries: Entries) -> Receipt:
        """Keep what follows, and say up to where everything is here or lost."""
        upto, end = self.ends.setdefault(entries.ledger, (0, genesis(TERMINAL, entries.ledger)))
        missing = set(range(upto + 1, entries.first)) - self.lost.get(entries.ledger, set())
        if missing:
            self.asked_again += 1
            return Receipt(VERSION, entries.ledger, upto, end)
        if entries.first == upto + 1:
            assert entries.previous == end
        chained = follow(entries.previous, entries.first, list(entries.payloads))
        assert chained[-1][1] == entries.last_hash
        rows = self.held.setdefault(entries.ledger, {})
        for seq, payload in enumerate(entries.payloads, entries.first):
            assert rows.setdefault(seq, payload) == payload
            self._hear(payload)
        if entries.last > upto:
            self.ends[entries.ledger] = (entries.last, entries.last_hash)
        upto, end = self.ends[entries.ledger]
        return Receipt(VERSION, entries.ledger, upto, end)

    def _hear(self, payload: bytes) -> None:
        said = decode_payload(payload)
        if isinstance(said, Fact) and said.subject == "ledger.lost":
            lost = self.lost.setdefault(bytes.fromhex(said.details["ledger"]), set())
            for numbers in said.details["numbers"].split():
                first, _, last = numbers.partition("-")
                lost |= set(range(int(first), int(last or first) + 1))


@dataclass
class Gate:
    """A terminal after a salvage: the new ledger, and what was read of the old one."""

    wreck: Wreck
    ledger: Ledger
    salvaged: Salvaged
    cloud: GapCloud

    @property
    def drain(self) -> Drain:
        """Opened anew."""
        return Drain(asides(self.wreck.folder)[-1].drain)

    def tell(self) -> None:
        """Write down what is lost."""
        for details in self.salvaged.declarations():
            self.ledger.append(fact(HandClock(), "ledger.lost", details))
        self.ledger.append(fact(HandClock(), "ledger.salvaged", self.salvaged.summary()))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    wreck = killed_ledger(tmp_path / "state", 60, checkpointed=50, receipted=RECEIPTED)
    raw = wreck.file.read_bytes()
    for seq in (30, 41, 42, 43):
        payload = wreck.rows[seq][2]
        assert payload is not None
        overwrite(wreck.file, raw.index(payload) + 60, b"XX")
    condemn(wreck.file, "for the test")
    ledger = open_ledger(wreck.folder, TERMINAL, HandClock())
    salvaged = salvage(asides(wreck.folder)[-1], TERMINAL, lambda: False)
    assert salvaged.lost == LOST
    cloud = GapCloud(ends={wreck.ledger: (RECEIPTED, wreck.rows[RECEIPTED][1])})
    yield Gate(wreck, ledger, salvaged, cloud)
    close_ledger(ledger)


def test_batches_stop_at_gaps_and_begin_again_with_the_hash_before(gate: Gate) -> None:
    with closing(gate.drain) as drain:
        batches = []
        after = drain.receipted
        while (batch := drain.batch(after, 15)) is not None:
            batches.append(batch)
            after = batch.last
    assert [(batch.first, batch.last) for batch in batches] == [(21, 29), (31, 40), (44, 58), (59, 62)]
    assert [batch.previous for batch in batches] == [gate.wreck.rows[batch.first - 1][1] for batch in batches]
    assert {batch.ledger for batch in batches} == {gate.wreck.ledger}


@pytest.mark.feature("F19")
def test_everything_that_was_read_reaches_the_cloud_and_a_new_tap_goes_first(gate: Gate) -> None:
    gate.tell()
    outbox = Outbox(gate.ledger)
    outbox.take_up(gate.drain)
    seq = gate.ledger.append(tap(1))
    order, now = [], 0.0
    while outbox.depth:
        sent = []
        while (entries := outbox.next(now)) is not None:
            sent.append(entries)
        order += [entries.ledger for entries in sent]
        for entries in sent:
            assert outbox.receipt(gate.cloud.take(entries), now)
        now += 1
    assert order[0] == gate.ledger.id
    assert seq in gate.cloud.held[gate.ledger.id]
    sent_numbers = set(gate.cloud.held[gate.wreck.ledger])
    assert sent_numbers == set(range(RECEIPTED + 1, 63)) - {30, 41, 42, 43}
    assert gate.cloud.asked_again == 0, "the gaps were declared before what lies beyond them came"
    outbox.close()
    with closing(gate.drain) as again:
        assert again.unsent == 0, "a receipt outlives the daemon"


def test_a_drain_waits_until_the_cloud_has_heard_of_its_gaps(gate: Gate) -> None:
    gate.tell()
    outbox = Outbox(gate.ledger)
    outbox.take_up(gate.drain)
    (first,) = everything(outbox, 0.0)
    assert first.ledger == gate.ledger.id
    assert everything(outbox, 0.5) == []
    outbox.receipt(gate.cloud.take(first), 1.0)
    assert {entries.ledger for entries in everything(outbox, 1.0)} == {gate.wreck.ledger}
    outbox.close()


def everything(outbox: Outbox, now: float) -> list[Entries]:
    """All that goes at once."""
    batches = []
    while (entries := outbox.next(now)) is not None:
        batches.append(entries)
    return batches


def test_a_cloud_that_asks_again_for_a_gap_is_not_shouted_at(gate: Gate) -> None:
    """A cloud that knows nothing of the gap gives the same receipt over and over; each answer costs seconds."""
    outbox = Outbox(gate.ledger)
    outbox.take_up(gate.drain)
    sent = 0
    now = 0.0
    for _ in range(60):
        for entries in everything(outbox, now):
            sent += len(entries.payloads)
            outbox.receipt(gate.cloud.take(entries), now)
        due = outbox.due_in(now)
        assert due is None or due > 0 or everything(outbox, now) == []
        now += 1.0
    assert gate.cloud.asked_again > 0
    assert sent < 62 * (2 + 60 / RECEIPT_WITHIN)
    outbox.close()


def test_the_queue_counts_what_is_left_of_every_ledger(gate: Gate) -> None:
    outbox = Outbox(gate.ledger)
    before = outbox.depth
    outbox.take_up(gate.drain)
    assert outbox.depth_behind == 62 - RECEIPTED - 4
    assert outbox.depth == before + outbox.depth_behind
    assert outbox.oldest_unsent is not None
    outbox.close()


def test_the_cloud_may_know_more_of_a_lost_entry_than_we_do(gate: Gate) -> None:
    with closing(gate.drain) as drain:
        assert drain.note_receipt(Receipt(VERSION, drain.id, 42, gate.wreck.rows[42][1]))
        assert drain.unsent == 62 - 43
        assert drain.note_receipt(Receipt(VERSION, drain.id, 100, b"h" * 32)), "its end was lost here"
        assert drain.unsent == 0


def test_a_receipt_that_is_not_about_the_drain_is_refused_by_name(gate: Gate) -> None:
    with closing(gate.drain) as drain, capture_logs() as lines:
        assert not drain.note_receipt(Receipt(VERSION, b"o" * 16, 30, b"h" * 32))
        assert not drain.note_receipt(Receipt(VERSION, drain.id, 25, b"h" * 32))
        assert drain.receipted == RECEIPTED
    assert [line["event"] for line in lines] == [Event.RECEIPT_REFUSED] * 2


def test_a_drain_that_fails_does_not_keep_the_ledger_from_being_sent(gate: Gate) -> None:
    gate.tell()
    outbox = Outbox(gate.ledger)
    drain = gate.drain
    outbox.take_up(drain)
    for entries in everything(outbox, 0.0):
        outbox.receipt(gate.cloud.take(entries), 0.0)
    drain._connection.execute("DROP TABLE payload")
    seq = gate.ledger.append(tap(2))
    with capture_logs() as lines:
        assert [entries.last for entries in everything(outbox, 60.0)] == [seq]
    assert Event.LEDGER_FAILED in [line["event"] for line in lines]
    assert outbox.depth_behind == 0
    drain._connection.close()


def test_a_drain_that_was_never_read_cannot_be_sent(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="which ledger"):
        Drain(tmp_path / "ledger-1.drain")


def test_who_is_inside_is_known_after_the_ledger_was_put_aside(gate: Gate) -> None:
    taps = list(taps_before(gate.wreck.folder, gate.ledger))
    assert [found.card for found in taps][-3:] == [tap(57).card, tap(58).card, tap(59).card]
    assert len(taps) == 60 - 4
