"""A damaged ledger is never thrown away: it is put aside, a new one begins, and what is in one piece is read back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import LedgerDamaged, LedgerUnusable
from edge.ledger.aside import asides, condemn
from edge.ledger.check import LedgerCheck
from edge.ledger.drain import Drain
from edge.ledger.ledger import Ledger
from edge.ledger.salvage import RANGES_IN_A_FACT, READ, Salvaged, Stopped, salvage, stage_of
from edge.ledger.start import MOST_ASIDE, close_ledger, open_ledger
from protocol.entries import Fact, decode_payload, follow, genesis
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.wreck import (
    LEAF,
    TERMINAL,
    Wreck,
    cut,
    flip,
    killed_ledger,
    overwrite,
    regions,
)

ENTRIES = 500
REGIONS = ("header", "schema", "interior", "leaf", "log header", "log", "shared memory")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Wreck:
    """A ledger whose beginning is in the file and whose end is in the log; changed by nobody."""
    return killed_ledger(tmp_path_factory.mktemp("whole"), ENTRIES, checkpointed=300, receipted=100)


@pytest.fixture
def wreck(whole: Wreck, tmp_path: Path) -> Wreck:
    return whole.copied(tmp_path / "state")


def never() -> bool:
    """The daemon does not end."""
    return False


def started(folder: Path) -> Ledger:
    """As the daemon opens it."""
    return open_ledger(folder, TERMINAL, HandClock())


@contextmanager
def running(folder: Path) -> Iterator[Ledger]:
    """As the daemon has it, until it stops in order."""
    ledger = started(folder)
    try:
        yield ledger
    finally:
        close_ledger(ledger)


def settle(wreck: Wreck) -> None:
    """Move everything from the log into the file."""
    with closing(sqlite3.connect(wreck.file, isolation_level=None)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read_back(folder: Path) -> Salvaged:
    """What is read of the ledger that was put aside last."""
    return salvage(asides(folder)[-1], TERMINAL, never)


def drained(folder: Path) -> dict[int, tuple[bytes, bytes, bytes | None]]:
    """The rows of the drain that was read last."""
    with closing(sqlite3.connect(asides(folder)[-1].drain)) as drain:
        query = "SELECT entry.seq, digest, hash, bytes FROM entry LEFT JOIN payload USING (seq)"
        return {seq: (digest, entry_hash, raw) for seq, digest, entry_hash, raw in drain.execute(query)}


def damaged_file_comes_to_light(wreck: Wreck) -> bool:
    """Start on it, tap, let the check beside the taps run, and start again where that found something."""
    ledger = started(wreck.folder)
    seq = ledger.append(tap(5_000))
    if not asides(wreck.folder):
        try:
            LedgerCheck(ledger.path, TERMINAL, ledger.last_seq).run(never)
        except LedgerDamaged as damage:
            condemn(ledger.path, str(damage))
    is_damaged = bool(asides(wreck.folder)) or (wreck.folder / "ledger.condemned").exists()
    assert decode_payload(row_of(ledger, seq)).registered_at
    close_ledger(ledger)
    if is_damaged:
        close_ledger(started(wreck.folder))
    return is_damaged


def row_of(ledger: Ledger, seq: int) -> bytes:
    """The payload that was recorded."""
    raw: bytes = ledger._execute("SELECT bytes FROM payload WHERE seq = ?", (seq,)).fetchone()[0]
    return raw


def check_what_is_kept(wreck: Wreck, intact: set[int]) -> Salvaged:
    """Every row in the drain is one that was recorded, and none that is in one piece is missing."""
    salvaged = read_back(wreck.folder)
    rows = drained(wreck.folder)
    for seq, row in wreck.rows.items():
        if seq in intact:
            assert rows[seq] == row, f"entry {seq} is in one piece and was not read back"
        elif seq in rows and rows[seq][2] is not None:
            assert rows[seq] == row, f"entry {seq} is not what was recorded"
    check_what_is_sent(wreck, salvaged)
    return salvaged


def check_what_is_sent(wreck: Wreck, salvaged: Salvaged) -> None:
    """Batches are chained, are what was recorded, and together with what is declared lost have no gap."""
    if salvaged.ledger is None:
        return
    assert salvaged.ledger == wreck.ledger
    sent: set[int] = set()
    with closing(Drain(asides(wreck.folder)[-1].drain)) as drain:
        after = drain.receipted
        count = drain.unsent
        while (batch := drain.batch(after, 100)) is not None:
            if batch.first > 1 and batch.first - 1 in wreck.rows:
                assert batch.previous == wreck.rows[batch.first - 1][1]
            assert follow(batch.previous, batch.first, list(batch.payloads))[-1][1] == batch.last_hash
            for seq, payload in enumerate(batch.payloads, batch.first):
                assert seq not in wreck.rows or payload == wreck.rows[seq][2]
                sent.add(seq)
            after = batch.last
        assert count == len(sent)
        lost = {seq for first, last in salvaged.lost for seq in range(first, last + 1)}
        assert not lost & sent
        assert sent | lost == set(range(drain.receipted + 1, max(sent, default=drain.receipted) + 1))


# --- damage of every kind ---------------------------------------------------------------------------------------------


@pytest.mark.feature("F19")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("region", REGIONS)
def test_a_bit_that_turned_over_anywhere_loses_nothing_that_is_in_one_piece(
    wreck: Wreck, region: str, seed: int
) -> None:
    """Pitfall 7: the file is not thrown away. The ledger is whole, or put aside and read back."""
    dict(regions(wreck))[region](Random(f"{region} {seed}"))
    intact = wreck.intact(wreck.file, wreck.log)
    if damaged_file_comes_to_light(wreck):
        check_what_is_kept(wreck, intact)
    else:
        with running(wreck.folder) as ledger:
            assert ledger.id == wreck.ledger
            found = {seq: row_of(ledger, seq) for seq in wreck.rows}
        assert found == {seq: payload for seq, (_, _, payload) in wreck.rows.items()}


@pytest.mark.feature("F19")
@pytest.mark.parametrize("seed", range(3))
def test_a_bit_that_turned_over_in_the_list_of_unused_pages_is_found_before_much_is_written(
    tmp_path: Path, seed: int
) -> None:
    """A page that is in use may be given to the next entry: what one page holds is the most that this costs."""
    wreck = killed_ledger(tmp_path / "state", 300, checkpointed=299, receipted=200, purged=True)
    flip(wreck.file, Random(seed), wreck.trunk, 40)
    intact = wreck.intact(wreck.file, wreck.log)
    assert intact
    if damaged_file_comes_to_light(wreck):
        salvaged = read_back(wreck.folder)
        assert len(intact - drained(wreck.folder).keys()) <= wreck.page_size // 70
        assert salvaged.ledger == wreck.ledger


@pytest.mark.feature("F19")
@pytest.mark.parametrize("seed", range(3))
def test_many_damages_at_once_lose_only_what_they_hit(wreck: Wreck, seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        flip(random.choice((wreck.file, wreck.log)), random)
    for at in random.sample(wreck.pages(LEAF), 3):
        overwrite(wreck.file, at, random.randbytes(wreck.page_size))
    intact = wreck.intact(wreck.file, wreck.log)
    assert damaged_file_comes_to_light(wreck)
    salvaged = check_what_is_kept(wreck, intact)
    assert salvaged.kept >= len(intact)


@pytest.mark.feature("F19")
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1), in_log=st.booleans())
def test_a_file_cut_off_anywhere_loses_only_its_end(
    whole: Wreck, tmp_path_factory: pytest.TempPathFactory, share: float, in_log: bool
) -> None:
    wreck = whole.copied(tmp_path_factory.mktemp("cut") / "state")
    path = wreck.log if in_log else wreck.file
    cut(path, int(path.stat().st_size * share))
    intact = wreck.intact(wreck.file, wreck.log)
    if damaged_file_comes_to_light(wreck):
        check_what_is_kept(wreck, intact)
    else:
        with running(wreck.folder) as ledger:
            assert {seq for seq in wreck.rows if seq <= ledger.last_seq} >= intact
            assert all(row_of(ledger, seq) == wreck.rows[seq][2] for seq in intact)


def test_a_log_with_a_damaged_frame_loses_nothing_that_sqlite_no_longer_sees(wreck: Wreck) -> None:
    """SQLite silently forgets every commit after a damaged frame; the next entry would overwrite them."""
    overwrite(wreck.log, 32 + 24 + 100, b"damage")
    with closing(sqlite3.connect(f"{wreck.copied(wreck.folder / 'seen').file.as_uri()}?mode=ro", uri=True)) as seen:
        (last,) = seen.execute("SELECT max(seq) FROM entry").fetchone()
    assert last < max(wreck.rows), "the damage was not where it should be"
    with running(wreck.folder) as ledger:
        assert "write-ahead log" in opening(ledger)["why"]
    assert read_back(wreck.folder).lost == ()
    assert drained(wreck.folder) == wreck.rows


def test_the_entry_of_a_torn_commit_is_regained(wreck: Wreck) -> None:
    """The last frame is not whole, and all of the entry is there: nobody is to be asked to tap again for that."""
    size = wreck.log.stat().st_size
    overwrite(wreck.log, size - wreck.page_size - 8, b"torn")
    with running(wreck.folder) as ledger:
        assert (ledger.id, ledger.last_seq) == (wreck.ledger, max(wreck.rows) + 1)
        assert row_of(ledger, max(wreck.rows)) == wreck.rows[max(wreck.rows)][2]
        assert ledger.verify(lambda _done, _every: None).entries == ledger.last_seq


@pytest.mark.parametrize(
    "leave",
    [
        lambda wreck: wreck.file.write_bytes(b""),
        lambda wreck: wreck.file.write_bytes(b"garbage" * 5000),
        lambda wreck: wreck.file.unlink(),
        lambda wreck: overwrite(wreck.file, wreck.page_size, bytes(2 * wreck.page_size)),
    ],
    ids=["empty", "garbage", "gone", "no name"],
)
def test_a_log_that_is_left_alone_keeps_what_it_has(wreck: Wreck, leave: object) -> None:
    """SQLite would throw a write-ahead log without its file away at the first look."""
    assert callable(leave)
    leave(wreck)
    intact = wreck.intact(wreck.file, wreck.log)
    assert intact
    assert damaged_file_comes_to_light(wreck)
    check_what_is_kept(wreck, intact)


# --- beginning anew ---------------------------------------------------------------------------------------------------


def opening(ledger: Ledger) -> dict[str, str]:
    """What a ledger says first."""
    first = decode_payload(row_of(ledger, 1))
    assert isinstance(first, Fact)
    assert first.subject == "ledger.opened"
    return first.details


def test_a_new_ledger_says_what_it_follows(wreck: Wreck) -> None:
    settle(wreck)
    overwrite(wreck.file, 0, bytes(100))
    with running(wreck.folder) as ledger:
        said = opening(ledger)
        assert said["ledger"] == ledger.id.hex()
        assert said["after"] == wreck.ledger.hex()
        assert said["receipted"] == "100"
        assert said["receipted_hash"] == wreck.rows[100][1].hex()
        assert "not a database" in said["why"]


def test_an_unknown_ledger_is_followed_as_unknown(wreck: Wreck) -> None:
    wreck.log.unlink()
    wreck.file.write_bytes(b"garbage" * 5000)
    with running(wreck.folder) as ledger:
        assert opening(ledger)["after"] == "unknown"
    assert read_back(wreck.folder) == Salvaged(None, 0, 0, ())


@pytest.mark.parametrize("times", [3])
def test_what_is_put_aside_is_never_overwritten(wreck: Wreck, times: int) -> None:
    settle(wreck)
    kept: list[bytes] = []
    for _ in range(times):
        wreck.file.write_bytes(b"garbage %d" % len(kept) * 500)
        kept.append(wreck.file.read_bytes())
        close_ledger(started(wreck.folder))
    assert [aside.database.read_bytes() for aside in asides(wreck.folder)] == kept


def test_a_disk_that_damages_everything_is_not_filled_with_what_was_put_aside(wreck: Wreck) -> None:
    for number in range(1, MOST_ASIDE + 1):
        for kind in ("damaged", "why"):
            (wreck.folder / f"ledger-{number}.{kind}").touch()
    settle(wreck)
    overwrite(wreck.file, 0, bytes(100))
    before = wreck.file.read_bytes()
    with pytest.raises(LedgerUnusable, match=f"{MOST_ASIDE} damaged ones"):
        started(wreck.folder)
    assert wreck.file.read_bytes() == before


@pytest.mark.parametrize("steps", range(5))
def test_power_lost_while_a_ledger_is_put_aside_loses_nothing_of_it(wreck: Wreck, steps: int) -> None:
    """Each start ends what the one before began; file and log stay together."""
    before = {path.name: path.read_bytes() for path in (wreck.file, wreck.log)}
    condemn(wreck.file, "found by the check")
    moves = [
        (wreck.file, wreck.folder / "ledger-1.damaged"),
        (wreck.log, wreck.folder / "ledger-1.damaged-wal"),
        (wreck.folder / "ledger.db-shm", wreck.folder / "ledger-1.damaged-shm"),
        (wreck.folder / "ledger.condemned", wreck.folder / "ledger-1.why"),
    ]
    for source, target in moves[:steps]:
        source.rename(target)
    with running(wreck.folder) as ledger:
        assert opening(ledger)["after"] == wreck.ledger.hex()
        assert opening(ledger)["why"] == "found by the check"
    (aside,) = asides(wreck.folder)
    assert aside.database.read_bytes() == before["ledger.db"]
    assert aside.log.read_bytes() == before["ledger.db-wal"]
    assert not (wreck.folder / "ledger.condemned").exists()


def test_a_log_that_went_while_the_daemon_was_away_is_missed(tmp_path: Path) -> None:
    """Without its log a ledger is shorter and does not look so: its numbers would be given a second time."""
    ledger = started(tmp_path)
    ledger.append(tap(1))
    wreck = Wreck(tmp_path, ledger.id, {}, 0).copied(tmp_path / "killed")
    (wreck.folder / "ledger.running").touch()
    wreck.log.unlink()
    close_ledger(ledger)
    with running(wreck.folder) as new:
        assert new.id != ledger.id
        assert "log is gone" in opening(new)["why"]


def test_a_ledger_closed_in_order_needs_no_log(tmp_path: Path) -> None:
    ledger = started(tmp_path)
    close_ledger(ledger)
    assert not (tmp_path / "ledger.db-wal").exists()
    again = started(tmp_path)
    assert again.id == ledger.id
    close_ledger(again)
    assert asides(tmp_path) == []


def test_a_ledger_whose_end_the_cloud_has_and_we_do_not_is_put_aside(wreck: Wreck) -> None:
    """A card put back from an old copy: the numbers after its end are given already."""
    ledger = started(wreck.folder)
    told: list[LedgerDamaged] = []
    ledger.on_damage = told.append
    assert not ledger.note_receipt(Receipt(VERSION, ledger.id, ledger.last_seq + 50, b"x" * 32))
    assert len(told) == 1
    assert str(ledger.last_seq + 50) in told[0].reason
    close_ledger(ledger)


def test_a_file_taken_away_under_the_daemon_shows_no_green(wreck: Wreck) -> None:
    ledger = started(wreck.folder)
    wreck.file.rename(wreck.folder / "taken")
    with pytest.raises(LedgerDamaged, match="gone"):
        ledger.append(tap(1))
    (wreck.folder / "ledger.db").write_bytes(b"another")
    with pytest.raises(LedgerDamaged, match="another file"):
        ledger.append(tap(1))
    ledger._connection.close()


# --- reading ----------------------------------------------------------------------------------------------------------


def test_reading_goes_on_where_a_restart_interrupted_it(wreck: Wreck) -> None:
    condemn(wreck.file, "for the test")
    close_ledger(started(wreck.folder))
    (aside,) = asides(wreck.folder)
    restarts = 0
    random = Random(7)
    while True:
        patience = iter([False] * random.randrange(3 + restarts // 10))
        try:
            salvaged = salvage(aside, TERMINAL, partial(next, patience, True))
            break
        except Stopped:
            restarts += 1
            assert restarts < 200
    assert restarts > 2
    assert stage_of(aside) == READ
    assert salvaged.lost == ()
    assert drained(wreck.folder).keys() == wreck.rows.keys()
    assert salvage(aside, TERMINAL, never) == salvaged


def test_the_damaged_file_itself_is_only_read(wreck: Wreck) -> None:
    condemn(wreck.file, "for the test")
    close_ledger(started(wreck.folder))
    (aside,) = asides(wreck.folder)
    before = aside.database.read_bytes(), aside.log.read_bytes()
    read_back(wreck.folder)
    assert (aside.database.read_bytes(), aside.log.read_bytes()) == before


def test_an_entry_whose_hash_is_gone_is_proven_by_the_next(wreck: Wreck) -> None:
    """A leaf of the entries is lost: their payloads and the entries after it say what stood there."""
    settle(wreck)
    first = next(at for at in wreck.pages(LEAF)[5:] if b"\x04\x00\x4c\x4c" in page_at(wreck, at))
    overwrite(wreck.file, first, bytes(wreck.page_size))
    condemn(wreck.file, "for the test")
    close_ledger(started(wreck.folder))
    salvaged = read_back(wreck.folder)
    assert salvaged.lost == ()
    assert drained(wreck.folder) == wreck.rows


def page_at(wreck: Wreck, at: int) -> bytes:
    """One page of the file."""
    return wreck.file.read_bytes()[at : at + wreck.page_size]


def test_a_payload_that_was_changed_is_lost_and_said(wreck: Wreck) -> None:
    raw = wreck.file.read_bytes()
    payload = wreck.rows[250][2]
    assert payload is not None
    assert raw.count(payload) == 1
    overwrite(wreck.file, raw.index(payload) + 50, b"XX")
    condemn(wreck.file, "for the test")
    close_ledger(started(wreck.folder))
    salvaged = read_back(wreck.folder)
    assert salvaged.lost == ((250, 250),)
    assert salvaged.summary() == {
        "ledger": wreck.ledger.hex(),
        "kept": str(ENTRIES + 1),
        "lost": "1",
        "last": str(ENTRIES + 2),
    }
    assert salvaged.declarations() == [{"ledger": wreck.ledger.hex(), "numbers": "250"}]


def test_lost_numbers_are_declared_a_hundred_ranges_at_a_time() -> None:
    lost = ((501, 520), *((533 + 2 * number, 533 + 2 * number) for number in range(RANGES_IN_A_FACT)))
    first, second = Salvaged(b"l" * 16, 900, 1000, lost).declarations()
    assert first["numbers"].startswith("501-520 533 535 ")
    assert len(first["numbers"].split()) == RANGES_IN_A_FACT
    assert second["numbers"] == "611"


@pytest.fixture(autouse=True)
def nothing_is_deleted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does: the files of a wreck are all there in the end, under whatever name."""
    wreck = request.getfixturevalue("wreck") if "wreck" in request.fixturenames else None
    yield
    if isinstance(wreck, Wreck):
        for aside in asides(wreck.folder):
            assert aside.database.exists() or aside.log.exists()


def test_the_chain_begins_with_the_name(whole: Wreck) -> None:
    """What the tests of this page compare with is itself a whole chain."""
    payloads = [payload for _, (_, _, payload) in sorted(whole.rows.items())]
    chained = follow(genesis(TERMINAL, whole.ledger), 1, [payload for payload in payloads if payload is not None])
    assert [row[1] for _, row in sorted(whole.rows.items())] == [hashed for _, hashed in chained]
