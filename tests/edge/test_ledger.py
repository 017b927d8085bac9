"""The ledger keeps what it returned a number for, and lets nobody change it unnoticed."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.errors import FileTooNew, LedgerDamaged, LedgerForeign, LedgerUnusable
from edge.events import Event
from edge.ledger.inspection import LedgerInspection
from edge.ledger.ledger import LARGEST_BATCH_BYTES, Ledger
from edge.ledger.opening import CHECKED_AT_START
from protocol.clock import ClockQuality
from protocol.entries import Fact, Tap, decode_payload, encode_payload, follow, genesis
from protocol.errors import ChainBroken, TerminalId
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import NOON, HandClock

TERMINAL = TerminalId("gate-1")
HOUR = 3_600_000_000
GUARDS = (
    "entry_never_changes",
    "entry_never_goes",
    "entry_only_follows",
    "payload_never_changes",
    "payload_goes_after_receipt",
    "payload_only_follows",
)


@contextmanager
def opened(path: Path, terminal: TerminalId = TERMINAL) -> Iterator[Ledger]:
    """A ledger, closed again at the end."""
    ledger = Ledger.open(path, terminal, HandClock())
    try:
        yield ledger
    finally:
        ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with opened(path) as found:
        yield found


def outsider(path: Path) -> "closing[sqlite3.Connection]":
    """Somebody with the sqlite3 shell: none of our settings, no recursive triggers."""
    return closing(sqlite3.connect(path, isolation_level=None))


def tampered(path: Path, *statements: str) -> None:
    """Change the file as somebody does who takes the guards away first."""
    with outsider(path) as connection:
        for guard in GUARDS:
            connection.execute(f"DROP TRIGGER {guard}")
        for statement in statements:
            connection.execute(statement)


def receipt(ledger: Ledger, upto: int) -> Receipt:
    """The cloud's word that it has entries up to this one."""
    return Receipt(VERSION, ledger.id, upto, ledger.hash_at(upto))


def silent(_checked: int, _every: int) -> None:
    """Nobody watches the progress."""


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_a_new_ledger_begins_with_its_opening_and_the_start(ledger: Ledger) -> None:
    facts = [payload for _, payload in ledger.tail(10)]
    assert [fact.subject for fact in facts if isinstance(fact, Fact)] == ["ledger.opened", "terminal.started"]
    assert ledger.last_seq == 2


def test_every_start_is_recorded_and_the_chain_goes_on(path: Path) -> None:
    with opened(path) as first:
        seq, hashed, name = first.append(tap()), first.last_hash, first.id
    with opened(path) as second:
        assert (second.id, second.hash_at(seq)) == (name, hashed)
        assert second.last_seq == seq + 1
        newest = second.tail(1)[0][1]
        assert isinstance(newest, Fact)
        assert newest.subject == "terminal.started"


def test_an_entry_is_kept_byte_by_byte(ledger: Ledger, path: Path) -> None:
    payload = tap(7)
    seq = ledger.append(payload)
    with outsider(path) as connection:
        (stored,) = connection.execute("SELECT bytes FROM payload WHERE seq = ?", (seq,)).fetchone()
    assert stored == encode_payload(payload)


def test_commits_wait_for_the_disk(ledger: Ledger) -> None:
    """DESIGN 7: WAL with synchronous = FULL (2); a rollback journal loses commits when power goes."""
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_what_append_returned_is_there_after_a_kill(path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from edge.ledger.ledger import Ledger
from tests.support.entries import tap
from tests.support.gate import HandClock
ledger = Ledger.open(Path({str(path)!r}), "gate-1", HandClock())
for number in range(20):
    print(ledger.append(tap(number)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with opened(path) as ledger:
        kept = {seq for seq, payload in ledger.tail(100) if isinstance(payload, Tap)}
        assert kept == {int(seq) for seq in ended.stdout.split()}
        assert ledger.verify(silent).entries == ledger.last_seq


@settings(max_examples=25)
@given(cut=st.floats(min_value=0, max_value=1))
def test_power_lost_in_the_middle_of_a_write_leaves_a_whole_chain(
    tmp_path_factory: pytest.TempPathFactory, cut: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path, log = folder / "ledger.db", folder / "ledger.db-wal"
    with opened(path) as ledger:
        for number in range(5):
            ledger.append(tap(number))
        copy = folder / "copy.db"
        shutil.copy(path, copy)
        written = log.read_bytes()
        copy.with_name("copy.db-wal").write_bytes(written[: int(len(written) * cut)])
        hashes = {seq: ledger.hash_at(seq) for seq in range(1, ledger.last_seq + 1)}
    with opened(copy) as found:
        assert found.verify(silent).entries == found.last_seq
        kept = [seq for seq in range(1, found.last_seq + 1) if found.hash_at(seq) == hashes.get(seq)]
        assert kept == list(range(1, len(kept) + 1))
        assert found.last_seq - len(kept) <= 2, "it begins anew, or goes on with its start"


def test_only_the_owner_may_read_the_file(ledger: Ledger, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


# --- what cannot be changed -------------------------------------------------------------------------------------------


@pytest.mark.feature("F17")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET hash = zeroblob(32) WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 3",
        "INSERT OR REPLACE INTO entry VALUES (2, zeroblob(32), zeroblob(32))",
        "REPLACE INTO entry VALUES (3, zeroblob(32), zeroblob(32))",
        "INSERT INTO entry VALUES (2, x'', x'') ON CONFLICT DO UPDATE SET hash = x''",
        "UPDATE payload SET bytes = zeroblob(9) WHERE seq = 2",
        "DELETE FROM payload WHERE seq = 3",
        "INSERT OR REPLACE INTO payload VALUES (2, zeroblob(9))",
        "UPDATE ledger SET terminal = 'gate-2'",
        "DELETE FROM ledger",
    ],
)
def test_nobody_changes_or_removes_what_stands(ledger: Ledger, path: Path, statement: str) -> None:
    ledger.append(tap())
    for execute in (ledger._execute, None):
        with outsider(path) as connection, pytest.raises(sqlite3.IntegrityError):
            (execute or connection.execute)(statement)
    assert ledger.verify(silent).entries == 3


def test_a_payload_goes_only_after_a_saved_receipt_and_the_chain_still_holds(ledger: Ledger, path: Path) -> None:
    seq = ledger.append(tap())
    ledger.append(tap())
    assert ledger.note_receipt(receipt(ledger, seq))
    with outsider(path) as connection:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM payload WHERE seq = ?", (seq,))
        ledger.save_receipt()
        connection.execute("DELETE FROM payload WHERE seq = ?", (seq,))
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM payload WHERE seq = ?", (seq + 1,))
    verified = ledger.verify(silent)
    assert (verified.entries, verified.purged, verified.last_hash) == (seq + 1, 1, ledger.last_hash)


@pytest.mark.feature("F17")
@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE payload SET bytes = zeroblob(40) WHERE seq = 4", 4),
        ("UPDATE entry SET digest = zeroblob(32) WHERE seq = 4", 4),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 4", 4),
        ("DELETE FROM entry WHERE seq = 4", 4),
        ("DELETE FROM entry WHERE seq = 1", 1),
        ("DELETE FROM entry WHERE seq >= 6", 6),
    ],
)
def test_a_changed_or_missing_entry_is_found_by_its_number(path: Path, statement: str, broken: int) -> None:
    with opened(path) as ledger:
        for number in range(5):
            ledger.append(tap(number))
        ledger.note_receipt(receipt(ledger, 7))
        ledger.save_receipt()
    tampered(path, statement)
    with LedgerInspection(path) as inspection, pytest.raises(ChainBroken) as found:
        inspection.verify(silent)
    assert found.value.seq == broken


def test_a_payload_that_is_gone_without_a_receipt_is_found(path: Path) -> None:
    with opened(path) as ledger:
        seq = ledger.append(tap())
    assert seq == 3
    tampered(path, "DELETE FROM payload WHERE seq = 3")
    with LedgerInspection(path) as inspection, pytest.raises(ChainBroken) as found:
        inspection.verify(silent)
    assert found.value.seq == seq


@pytest.mark.parametrize("statement", ["UPDATE entry SET hash = zeroblob(32)", "UPDATE payload SET bytes = x'00'"])
def test_a_broken_end_is_found_at_start_before_anything_is_added(path: Path, statement: str) -> None:
    with opened(path) as ledger:
        for number in range(CHECKED_AT_START + 10):
            ledger.append(tap(number))
        broken = ledger.last_seq - CHECKED_AT_START + 1
    tampered(path, f"{statement} WHERE seq = {broken}")
    with outsider(path) as connection:
        before = connection.execute("SELECT count(*) FROM entry").fetchone()
        with pytest.raises(ChainBroken):
            Ledger.open(path, TERMINAL, HandClock())
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == before


@given(numbers=st.lists(st.integers(0, 2**32 - 1), max_size=12), most=st.integers(1, 5))
@settings(max_examples=25)
def test_batches_of_any_size_are_the_chain_itself(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], most: int
) -> None:
    with opened(tmp_path_factory.mktemp("chain") / "ledger.db") as ledger:
        for number in numbers:
            ledger.append(tap(number))
        payloads: list[bytes] = []
        previous = genesis(TERMINAL, ledger.id)
        while (batch := ledger.batch(len(payloads), most)) is not None:
            assert (batch.first, batch.previous) == (len(payloads) + 1, previous)
            assert len(batch.payloads) <= most
            payloads.extend(batch.payloads)
            previous = batch.last_hash
        assert len(payloads) == ledger.last_seq
        chained = follow(genesis(TERMINAL, ledger.id), 1, payloads)
        assert [hashed for _, hashed in chained] == [ledger.hash_at(seq) for seq in range(1, ledger.last_seq + 1)]
        cards = [found.card for found in map(decode_payload, payloads) if isinstance(found, Tap)]
        assert cards == [tap(number).card for number in numbers]
        assert ledger.verify(silent).last_hash == ledger.last_hash


def test_a_batch_of_large_entries_is_cut_to_its_bound(ledger: Ledger) -> None:
    clock = HandClock().read()
    large = Fact(
        1, clock.utc, clock.quality, clock.boot_id, clock.monotonic, clock.utc, "large", {"text": "x" * 4000}, b"s" * 16
    )
    for _ in range(300):
        ledger.append(large)
    batch = ledger.batch(0, 500)
    assert batch is not None
    assert LARGEST_BATCH_BYTES - 5000 < sum(map(len, batch.payloads)) <= LARGEST_BATCH_BYTES


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_a_receipt_for_this_chain_is_taken_and_kept_only_once_saved(path: Path) -> None:
    """A tap costs one fsync: what a receipt says may be forgotten, entries only travel twice then."""
    with opened(path) as ledger:
        seq = ledger.append(tap())
        assert ledger.note_receipt(receipt(ledger, seq))
        assert ledger.receipted == seq
        with outsider(path) as connection:
            assert connection.execute("SELECT count(*) FROM receipt").fetchone() == (0,)
            ledger.save_receipt()
            assert connection.execute("SELECT upto FROM receipt").fetchone() == (seq,)
    with opened(path) as again:
        assert again.receipted == seq


def test_a_ledger_that_closes_saves_its_receipt(path: Path) -> None:
    with opened(path) as ledger:
        ledger.note_receipt(receipt(ledger, 2))
    with opened(path) as again:
        assert again.receipted == 2


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda ledger: Receipt(VERSION, b"x" * 16, 2, ledger.hash_at(2)), "another ledger"),
        (lambda ledger: Receipt(VERSION, ledger.id, 2, b"x" * 32), "its hash"),
        (lambda ledger: Receipt(VERSION, ledger.id, 99, ledger.hash_at(2)), "not here"),
        (lambda ledger: Receipt(VERSION, ledger.id, 0, ledger.hash_at(1)), "its hash"),
    ],
)
def test_a_receipt_that_is_not_about_this_chain_is_refused_by_name(ledger: Ledger, wrong: object, why: str) -> None:
    ledger.append(tap())
    ledger.note_receipt(receipt(ledger, 1))
    assert callable(wrong)
    with capture_logs() as lines:
        assert not ledger.note_receipt(wrong(ledger))
    assert ledger.receipted == 1
    assert [line["event"] for line in lines] == [Event.RECEIPT_REFUSED]
    assert why in lines[0]["why"]


def test_a_lower_receipt_of_a_restored_cloud_counts(ledger: Ledger) -> None:
    ledger.note_receipt(receipt(ledger, 2))
    assert ledger.note_receipt(receipt(ledger, 0))
    assert ledger.receipted == 0


def test_the_oldest_unsent_entry_tells_when_it_was_registered(ledger: Ledger) -> None:
    ledger.note_receipt(receipt(ledger, ledger.last_seq))
    assert ledger.oldest_unsent is None
    ledger.append(tap(at=NOON + HOUR))
    ledger.append(tap(at=NOON + 2 * HOUR))
    assert ledger.oldest_unsent == NOON + HOUR


# --- trouble ----------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file may grow: what a full disk does to a write, without filling one."""
    largest = max(each.stat().st_size for each in path.parent.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def record_until_it_fails(ledger: Ledger, recorded: list[int]) -> None:
    """As many as go."""
    for number in range(1000):
        recorded.append(ledger.append(tap(number)))


def test_a_full_disk_is_said_and_the_next_entry_after_it_is_recorded(path: Path) -> None:
    with opened(path) as ledger:
        recorded = [ledger.append(tap(number)) for number in range(3)]
        with full_disk(path), pytest.raises(LedgerUnusable, match="look for a full"):
            record_until_it_fails(ledger, recorded)
        recorded.append(ledger.append(tap(99)))
        assert recorded == list(range(3, ledger.last_seq + 1))
        assert ledger.verify(silent).entries == ledger.last_seq


def test_a_ledger_locked_by_somebody_is_said_and_usable_afterwards(ledger: Ledger, path: Path) -> None:
    with outsider(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnusable):
            ledger.append(tap(1))
        connection.execute("ROLLBACK")
    before = ledger.last_seq
    assert ledger.append(tap(2)) == before + 1
    assert ledger.verify(silent).entries == before + 1


def test_a_file_of_a_later_version_is_refused_and_left_as_it_is(path: Path) -> None:
    with opened(path):
        pass
    with outsider(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(FileTooNew, match="version 99"):
        Ledger.open(path, TERMINAL, HandClock())
    assert path.read_bytes() == before


def test_another_terminals_ledger_is_refused(path: Path) -> None:
    with opened(path):
        pass
    with pytest.raises(LedgerForeign, match="gate-1"):
        Ledger.open(path, TerminalId("gate-2"), HandClock())


def test_a_file_that_is_no_ledger_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"not a database, whatever it is called" * 100)
    with pytest.raises(LedgerDamaged):
        Ledger.open(path, TERMINAL, HandClock())
    with pytest.raises(LedgerUnusable):
        LedgerInspection(path)
    with pytest.raises(LedgerUnusable):
        LedgerInspection(tmp_path / "absent.db")


def test_inspection_reads_while_the_daemon_writes(ledger: Ledger, path: Path) -> None:
    with LedgerInspection(path) as inspection:
        seq = ledger.append(tap(5))
        assert inspection.tail(1) == ledger.tail(1)
        told: list[tuple[int, int]] = []
        assert inspection.verify(lambda checked, every: told.append((checked, every))).entries == seq
        assert told[-1] == (seq, seq)
        ledger.append(tap(6))
        with pytest.raises(sqlite3.OperationalError):
            inspection._connection.execute("INSERT INTO entry VALUES (99, x'', x'')")


# --- looking back -----------------------------------------------------------------------------------------------------


def test_taps_since_a_time_come_in_the_order_of_the_ledger(ledger: Ledger) -> None:
    for number, at in enumerate((NOON - 5 * HOUR, NOON - 2 * HOUR, NOON - HOUR)):
        ledger.append(tap(number, at=at))
    assert [found.card for found in ledger.taps_since(NOON - 3 * HOUR)] == [tap(1).card, tap(2).card]


def test_an_untrusted_clock_does_not_end_the_look_back(ledger: Ledger) -> None:
    for number, at in enumerate((NOON - 3 * HOUR, NOON - HOUR)):
        ledger.append(tap(number, at=at))
    ledger.append(tap(2, at=0, quality=ClockQuality.UNTRUSTED))
    ledger.append(tap(3, at=NOON))
    assert [found.card for found in ledger.taps_since(NOON - 2 * HOUR)] == [tap(each).card for each in (1, 2, 3)]


def test_a_busy_day_does_not_hide_who_came_in_before_it(ledger: Ledger) -> None:
    """With five entries of a motor door beside each tap thirty thousand are a morning of a large site."""
    ledger.append(tap(1, at=NOON - HOUR))
    later = encode_payload(tap(2, at=NOON))
    for _ in range(30_000):
        ledger.record(later)
    assert next(ledger.taps_since(NOON - 2 * HOUR)).card == tap(1).card


def test_the_tail_is_the_newest_oldest_first(ledger: Ledger) -> None:
    for number in range(5):
        ledger.append(tap(number))
    assert [seq for seq, _ in ledger.tail(3)] == [5, 6, 7]


def test_the_repository_gives_the_daemon_no_reason_to_load_sqlite_utils(path: Path) -> None:
    """A start with a file of the right version does without its 49 ms (facts.md)."""
    with opened(path):
        pass
    program = f"""
import sys
from pathlib import Path
from edge.clock.clock import SystemClock
from edge.ledger.ledger import Ledger
Ledger.open(Path({str(path)!r}), "gate-1", SystemClock()).close()
assert "sqlite_utils" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ})
