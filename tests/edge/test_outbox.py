"""Everything reaches the cloud once and in order, over a line that loses, doubles and reorders."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.events import Event
from edge.ledger.ledger import Ledger
from edge.link.outbox import Outbox
from edge.link.sending import LARGEST_BATCH, LONGEST_WAIT, OVERDUE, RECEIPT_WITHIN, WINDOW, WINDOW_BYTES
from protocol.entries import encode_payload
from protocol.errors import TerminalId
from protocol.messages import VERSION, Entries, Receipt, pack_up
from tests.support.entries import ModelCloud, tap
from tests.support.gate import HandClock

TERMINAL = TerminalId("gate-1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.db", TERMINAL, HandClock())) as found:
        yield found


@pytest.fixture
def outbox(ledger: Ledger) -> Outbox:
    return Outbox(ledger)


@pytest.fixture
def cloud(ledger: Ledger) -> ModelCloud:
    return ModelCloud(TERMINAL, ledger.id)


def record(ledger: Ledger, count: int) -> None:
    """So many taps."""
    for number in range(count):
        ledger.append(tap(number))


def everything(outbox: Outbox, now: float) -> list[Entries]:
    """All batches that go at once."""
    batches = []
    while (entries := outbox.next(now)) is not None:
        batches.append(entries)
    return batches


def stored(ledger: Ledger) -> list[bytes]:
    """All payloads of the ledger."""
    return [encode_payload(payload) for _, payload in ledger.tail(10_000)]


# --- the whole --------------------------------------------------------------------------------------------------------


class Line:
    """Carries batches up and receipts down as Hypothesis wants it."""

    def __init__(self, outbox: Outbox, cloud: ModelCloud) -> None:
        self.outbox = outbox
        self.cloud = cloud
        self.up: list[Entries] = []
        self.down: list[Receipt] = []
        self.now = 0.0

    def send(self) -> None:
        """Put on the line what the outbox gives."""
        batches = everything(self.outbox, self.now)
        assert len(batches) <= WINDOW
        self.up.extend(batches)

    def carry(self, which: int, *, again: bool) -> None:
        """Deliver one of what is on the line, in any order; `again` leaves a double of it there."""
        if which % 2 and self.down:
            at = which % len(self.down)
            self.outbox.receipt(self.down[at] if again else self.down.pop(at), self.now)
        elif self.up:
            at = which % len(self.up)
            self.down.append(self.cloud.take(self.up[at] if again else self.up.pop(at)))

    def lose(self, which: int) -> None:
        """Lose something."""
        if which % 2 and self.down:
            self.down.pop(which % len(self.down))
        elif self.up:
            self.up.pop(which % len(self.up))

    def act(self, what: str, number: int) -> None:
        """One of the things that happen."""
        match what:
            case "tap":
                record(self.outbox.ledger, number % 3 + 1)
            case "carry" | "double":
                self.carry(number, again=what == "double")
            case "lose":
                self.lose(number)
            case "wait":
                self.now += number
            case "connect":
                self.up.clear()
                self.down.clear()
                self.outbox.reset()
            case "restart":
                self.outbox = Outbox(self.outbox.ledger)
            case "restore":
                self.cloud.restore(min(number, len(self.cloud.payloads)))

    def second_of_good_weather(self) -> None:
        """Everything on the line arrives."""
        self.send()
        for _ in range(len(self.up)):
            self.carry(0, again=False)
        for _ in range(len(self.down)):
            self.carry(1, again=False)
        self.now += 1
        if not self.outbox.depth:
            self.outbox.receipt(self.cloud.receipt(), self.now)  # a status makes a restored cloud say what it has


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["tap", "carry", "carry", "double", "lose", "wait", "connect", "restart", "restore"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


@pytest.mark.feature("F30")
@settings(max_examples=150)
@given(acts=ACTS)
def test_everything_arrives_once_and_in_order_over_any_line(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    with closing(Ledger.open(folder / "ledger.db", TERMINAL, HandClock())) as ledger:
        line = Line(Outbox(ledger), ModelCloud(TERMINAL, ledger.id))
        for what, number in acts:
            line.act(what, number)
            line.send()
            assert line.cloud.payloads == stored(ledger)[: len(line.cloud.payloads)]
        seconds = 0
        while line.cloud.payloads != stored(ledger) or line.outbox.depth:
            line.second_of_good_weather()
            seconds += 1
            assert seconds < 3 * LONGEST_WAIT
        assert line.cloud.payloads == stored(ledger)


# --- how it goes ------------------------------------------------------------------------------------------------------


def test_a_live_tap_goes_alone_and_at_once(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    for batch in everything(outbox, 0.0):
        outbox.receipt(cloud.take(batch), 0.0)
    seq = ledger.append(tap())
    (batch,) = everything(outbox, 1.0)
    assert (batch.first, batch.last) == (seq, seq)
    ledger.append(tap(1))
    (batch,) = everything(outbox, 1.1)  # the receipt of the first is not waited for
    assert (batch.first, batch.last) == (seq + 1, seq + 1)


def test_the_window_is_bounded_in_batches_and_bytes(ledger: Ledger, outbox: Outbox) -> None:
    record(ledger, (WINDOW + 2) * LARGEST_BATCH)
    batches = everything(outbox, 0.0)
    assert [len(batch.payloads) for batch in batches] == [LARGEST_BATCH] * WINDOW
    assert sum(len(payload) for batch in batches for payload in batch.payloads) < 2 * WINDOW_BYTES
    assert all(len(pack_up(batch)) < 256 * 1024 for batch in batches)


def test_entries_without_a_receipt_are_sent_again(ledger: Ledger, outbox: Outbox) -> None:
    record(ledger, 3)
    (first,) = everything(outbox, 100.0)
    assert outbox.due_in(100.0) == RECEIPT_WITHIN
    assert everything(outbox, 100.0 + RECEIPT_WITHIN - 0.01) == []
    with capture_logs() as lines:
        assert everything(outbox, 100.0 + RECEIPT_WITHIN) == [first]
    assert [line["event"] for line in lines] == [Event.BATCH_REPEATED]


def test_a_cloud_that_is_away_is_asked_less_and_less_with_one_batch(ledger: Ledger, outbox: Outbox) -> None:
    record(ledger, 3 * LARGEST_BATCH)
    assert len(everything(outbox, 0.0)) == WINDOW
    now, waits = 0.0, []
    for _ in range(8):
        due = outbox.due_in(now)
        assert due is not None
        waits.append(due)
        now += due
        assert [batch.first for batch in everything(outbox, now)] == [1]
    assert waits == [5.0, 10.0, 20.0, 40.0, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_a_cloud_that_is_back_gets_the_whole_window_again(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    record(ledger, 6 * LARGEST_BATCH)
    everything(outbox, 0.0)
    (batch,) = everything(outbox, RECEIPT_WITHIN)
    outbox.receipt(cloud.take(batch), RECEIPT_WITHIN + 1)
    assert len(everything(outbox, RECEIPT_WITHIN + 1)) == WINDOW
    assert outbox.due_in(RECEIPT_WITHIN + 1) == RECEIPT_WITHIN


def test_receipts_of_batches_on_their_way_send_nothing_again(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    record(ledger, 3 * LARGEST_BATCH)
    first, second, *_ = everything(outbox, 0.0)
    outbox.receipt(cloud.take(first), 3.0)
    assert everything(outbox, 3.0) == []
    assert outbox.due_in(3.0) == RECEIPT_WITHIN, "a cloud that answers is waited for anew"
    outbox.receipt(cloud.take(second), 4.0)
    assert everything(outbox, 4.0) == []


def test_a_receipt_that_says_no_more_than_before_sends_the_rest_again(ledger: Ledger, outbox: Outbox) -> None:
    """The cloud asks again: it missed the first batch and got a later one."""
    record(ledger, 2 * LARGEST_BATCH)
    sent = everything(outbox, 0.0)
    nothing = Receipt(VERSION, ledger.id, 0, ledger.hash_at(0))
    outbox.receipt(nothing, OVERDUE / 2)  # the first batch may still be on its way
    assert everything(outbox, OVERDUE / 2) == []
    assert outbox.due_in(OVERDUE / 2) == OVERDUE / 2
    assert everything(outbox, OVERDUE) == sent
    outbox.receipt(nothing, OVERDUE * 2)  # what was sent twice is answered twice
    assert everything(outbox, OVERDUE * 3) == []


def test_a_receipt_for_part_of_a_batch_sends_the_rest_again(ledger: Ledger, outbox: Outbox) -> None:
    """A terminal that forgot its newest receipt in a power cut, and a cloud that was away when it sent."""
    record(ledger, 9)
    everything(outbox, 0.0)
    outbox.receipt(Receipt(VERSION, ledger.id, 4, ledger.hash_at(4)), 0.1)
    assert everything(outbox, 0.1) == []
    (batch,) = everything(outbox, OVERDUE)
    assert (batch.first, batch.last) == (5, ledger.last_seq)


def test_a_restored_cloud_gets_again_what_it_lost(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    record(ledger, 5)
    for batch in everything(outbox, 0.0):
        outbox.receipt(cloud.take(batch), 0.0)
    cloud.restore(3)
    with capture_logs() as lines:
        assert outbox.receipt(cloud.receipt(), 1.0)
    assert [line["event"] for line in lines] == [Event.RECEIPT_LOWERED]
    (batch,) = everything(outbox, 1.0)
    assert (batch.first, batch.last) == (4, ledger.last_seq)


def test_a_receipt_of_another_ledger_is_no_receipt(ledger: Ledger, outbox: Outbox) -> None:
    record(ledger, 1)
    everything(outbox, 0.0)
    assert not outbox.receipt(Receipt(VERSION, b"x" * 16, 3, b"x" * 32), 1.0)
    assert outbox.depth == 3
    assert outbox.due_in(1.0) == RECEIPT_WITHIN - 1.0


def test_a_new_connection_begins_after_the_last_receipt(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    record(ledger, 2 * LARGEST_BATCH)
    first, *_ = everything(outbox, 0.0)
    outbox.receipt(cloud.take(first), 0.0)
    outbox.reset()
    assert everything(outbox, 0.0)[0].first == LARGEST_BATCH + 1


def test_depth_counts_what_has_no_receipt(ledger: Ledger, outbox: Outbox, cloud: ModelCloud) -> None:
    record(ledger, 2)
    assert outbox.depth == 4
    assert outbox.oldest_unsent is not None
    for batch in everything(outbox, 0.0):
        outbox.receipt(cloud.take(batch), 0.0)
    assert outbox.depth == 0
    assert outbox.due_in(0.0) is None
