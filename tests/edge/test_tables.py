"""Tables are what the cloud said, whole, whatever order its changes come in, and lookups never wait for them."""

import asyncio
import random
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.errors import TablesUnusable
from edge.events import Event
from edge.storage import open_file
from edge.tables.schema import MIGRATIONS
from edge.tables.tables import Effect, Tables
from protocol.cards import CardId
from protocol.decision import BlockReason, Enrolment, TableName
from protocol.errors import MessageMalformed, MessageTooLarge, ProtocolError
from protocol.passes import Direction, Movement
from protocol.tables import BLOCK_REASONS, EVERYBODY, Presence, Table, block_key, encode_value
from tests.support.changes import (
    EPOCH,
    PROJECT,
    History,
    binding,
    binding_row,
    block_row,
    change,
    parts,
    roster_row,
)

TERMINAL = "gate-1"
OTHER = b"o" * 16
CARDS = [CardId.parse(f"uid:{number:08X}") for number in range(0x11111111, 0x11111119)]
ANNA, BORIS = CARDS[:2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables.db"


@pytest.fixture
def tables(path: Path) -> Iterator[Tables]:
    with closing(Tables.open(path)) as found:
        yield found


def bind(tables: Tables, *named: TableName, project: str = PROJECT) -> None:
    """Bind the terminal, whatever held before."""
    held = tables.versions.get(Table.BINDING, 0)
    row = binding_row(binding(*named, project=project))
    assert tables.apply(change(Table.BINDING, TERMINAL, (held, held + 1), [row])) is Effect.APPLIED


@pytest.fixture
def bound(tables: Tables) -> Tables:
    bind(tables)
    return tables


# --- what is held -----------------------------------------------------------------------------------------------------


def test_a_new_terminal_knows_nothing(tables: Tables) -> None:
    assert (tables.binding, tables.versions, tables.held(), tables.lacking) == (None, {}, (), False)
    assert (seen(tables, Table.ROSTER), seen(tables, Table.BLOCKLIST)) == ([None] * 8, [None] * 8)


def test_a_binding_names_what_else_counts(bound: Tables) -> None:
    assert bound.binding == binding()
    assert [(held.name, held.held) for held in bound.held()] == [("binding", 1), ("roster", 0), ("blocklist", 0)]
    assert bound.lacking
    assert bound.apply(change(Table.ROSTER, PROJECT, (0, 4), [roster_row(ANNA, "p1")])) is Effect.APPLIED
    assert bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 9), [block_row(BORIS)])) is Effect.APPLIED
    assert all(held.held for held in bound.held())
    assert bound.versions == {"binding": 1, "roster": 4, "blocklist": 9}
    assert bound.enrolment(ANNA) == Enrolment("p1", "00000000000000c1")
    assert bound.enrolment(BORIS) is None
    assert (bound.blocked(ANNA), bound.blocked(BORIS)) == (None, BlockReason.LOST)


def test_all_of_it_outlives_a_restart(bound: Tables, path: Path) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 4), [roster_row(ANNA, "p1")]))
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 9), [block_row(BORIS)]))
    with closing(Tables.open(path)) as again:
        assert (again.binding, again.versions, again.held()) == (bound.binding, bound.versions, bound.held())
        assert again.enrolment(ANNA) == bound.enrolment(ANNA)
        assert again.blocked(BORIS) is BlockReason.LOST


@pytest.mark.parametrize("reason", list(BlockReason))
def test_every_reason_of_a_block_is_kept(bound: Tables, reason: BlockReason) -> None:
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA, reason)]))
    assert bound.blocked(ANNA) is reason


def test_a_reason_not_known_here_yet_still_blocks(bound: Tables) -> None:
    key, _ = block_row(ANNA)
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [(key, b"\xee")]))
    assert bound.blocked(ANNA) is BlockReason.OTHER


def test_rows_of_tables_that_a_new_binding_does_not_name_go(bound: Tables, path: Path) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 4), [roster_row(ANNA, "p1")]))
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 9), [block_row(BORIS)]))
    bind(bound, TableName(Table.ROSTER, "another", OTHER), TableName(Table.BLOCKLIST, EVERYBODY, EPOCH))
    assert bound.enrolment(ANNA) is None
    assert bound.blocked(BORIS) is BlockReason.LOST
    assert bound.versions == {"binding": 2, "blocklist": 9}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM roster").fetchone() == (0,)


def test_a_terminal_that_is_unbound_forgets_everything(bound: Tables) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 4), [roster_row(ANNA, "p1")]))
    assert bound.apply(change(Table.BINDING, TERMINAL, (1, 2), drops=[b""])) is Effect.APPLIED
    assert (bound.binding, bound.enrolment(ANNA), bound.versions) == (None, None, {"binding": 2})


def test_a_table_of_a_later_program_is_passed_over(tables: Tables) -> None:
    bind(tables, TableName("weather", PROJECT, EPOCH))
    later = msgspec.structs.replace(change(Table.ROSTER, PROJECT, (0, 1)), name="weather")
    assert tables.apply(later) is Effect.STALE
    assert [held.name for held in tables.held()] == ["binding"]


# --- the algebra ------------------------------------------------------------------------------------------------------

KEYS = [str(card).encode() for card in CARDS]
VALUES = st.one_of(st.none(), st.sampled_from(["p1", "p2", "p3"]))
STEPS = st.lists(st.dictionaries(st.sampled_from(range(len(CARDS))), VALUES, max_size=4), min_size=1, max_size=6)


def roster_history(steps: list[dict[int, str | None]]) -> History:
    """The roster's life as drawn by Hypothesis."""
    rows = [{KEYS[n]: roster_row(CARDS[n], who)[1] if who else None for n, who in step.items()} for step in steps]
    return History(Table.ROSTER, PROJECT, rows)


def block_history(steps: list[dict[int, str | None]]) -> History:
    """The same, as blocks."""
    rows = [
        {block_row(CARDS[n])[0]: bytes([int(who[1])]) if who else None for n, who in step.items()} for step in steps
    ]
    return History(Table.BLOCKLIST, EVERYBODY, rows)


def seen(tables: Tables, table: Table) -> list[object]:
    """What lookups find of each card."""
    if table is Table.ROSTER:
        return [found and found.person for found in map(tables.enrolment, CARDS)]
    return [tables.blocked(card) for card in CARDS]


def expected(history: History, version: int) -> list[object]:
    """What they should find at a version."""
    rows = history.at(version)
    if history.table is Table.ROSTER:
        found = [rows.get(key) for key in KEYS]
        return [value and msgspec.msgpack.decode(value)[0] for value in found]
    keys = [block_row(card)[0] for card in CARDS]
    return [BLOCK_REASONS[rows[key][0]] if key in rows else None for key in keys]


@settings(max_examples=60)
@pytest.mark.parametrize("make", [roster_history, block_history])
@given(steps=STEPS, draw=st.data())
def test_any_order_and_repetition_of_changes_gives_the_same_table_or_asks_for_a_pull(
    tmp_path_factory: pytest.TempPathFactory, make: object, steps: list[dict[int, str | None]], draw: st.DataObject
) -> None:
    assert callable(make)
    history: History = make(steps)
    every = st.tuples(st.integers(0, history.version), st.integers(0, history.version))
    sent = draw.draw(st.lists(every, max_size=12))
    with closing(Tables.open(tmp_path_factory.mktemp("tables") / "tables.db")) as tables:
        bind(tables)
        for start, end in sent:
            before = tables.versions.get(history.table, 0)
            effect = tables.apply(history.change(start, end))
            held = tables.versions.get(history.table, 0)
            if end <= before or end <= start:
                assert (effect, held) == (Effect.STALE, before)
            elif start > before:
                assert (effect, held) == (Effect.MISSING, before)
            else:
                assert (effect, held) == (Effect.APPLIED, end)
            assert seen(tables, history.table) == expected(history, held)
        held = tables.versions.get(history.table, 0)
        tables.apply(history.change(held, history.version))  # the answer to a pull
        assert seen(tables, history.table) == expected(history, history.version)


@pytest.mark.parametrize(
    "foreign",
    [
        change(Table.ROSTER, PROJECT, (0, 9), [roster_row(BORIS, "p2")], epoch=OTHER),
        change(Table.ROSTER, PROJECT, (1, 9), [roster_row(BORIS, "p2")], epoch=OTHER),
        change(Table.ROSTER, "another", (1, 9), [roster_row(BORIS, "p2")]),
        change(Table.BLOCKLIST, "gate-1", (0, 9), [block_row(ANNA)]),
        change(Table.BLOCKLIST, EVERYBODY, (0, 9), [block_row(ANNA, salt=OTHER)], epoch=OTHER),
        change(Table.ROSTER, PROJECT, (0, 1), [roster_row(BORIS, "p2")]),
        change(Table.ROSTER, PROJECT, (5, 5), [roster_row(BORIS, "p2")]),
        change(Table.ROSTER, PROJECT, (9, 2), [roster_row(BORIS, "p2")]),
    ],
    ids=lambda each: f"{each.name} {each.scope} {each.from_version}-{each.to_version}",
)
def test_a_stale_or_foreign_change_changes_nothing(bound: Tables, foreign: object) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")]))
    before = (bound.held(), seen(bound, Table.ROSTER), seen(bound, Table.BLOCKLIST))
    assert bound.apply(foreign) is Effect.STALE  # type: ignore[arg-type]
    assert (bound.held(), seen(bound, Table.ROSTER), seen(bound, Table.BLOCKLIST)) == before


def test_nothing_but_a_binding_counts_for_an_unbound_terminal(tables: Tables) -> None:
    assert tables.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")])) is Effect.STALE
    assert tables.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA)])) is Effect.STALE


def test_a_restored_cloud_begins_a_new_epoch_and_is_believed(bound: Tables) -> None:
    bind(bound)
    bind(bound)
    anew = change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(project="another"))], epoch=OTHER)
    assert bound.apply(anew) is Effect.APPLIED
    assert bound.binding is not None
    assert bound.binding.project == "another"


@pytest.mark.feature("F32")
def test_a_binding_of_an_epoch_that_was_left_is_never_believed_again(bound: Tables, path: Path) -> None:
    """Signed as it once was, somebody at the broker may have kept it."""
    anew = change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(project="another"))], epoch=OTHER)
    assert bound.apply(anew) is Effect.APPLIED
    played_back = change(Table.BINDING, TERMINAL, (0, 99), [binding_row(binding())])
    assert bound.apply(played_back) is Effect.STALE
    with closing(Tables.open(path)) as again:
        assert again.apply(played_back) is Effect.STALE
        assert again.binding == bound.binding


# --- snapshots in parts -----------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    count=st.integers(2, 6),
    cards=st.sets(st.integers(0, 2**32 - 1), max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_parts_in_any_order_and_number_give_the_snapshot(
    tmp_path_factory: pytest.TempPathFactory, count: int, cards: set[int], order: random.Random
) -> None:
    known = [CardId.parse(f"uid:{number:08X}") for number in cards]
    sent = parts(Table.BLOCKLIST, EVERYBODY, 7, [block_row(card) for card in known], count)
    shuffled = [*sent, *order.choices(sent, k=3)]
    order.shuffle(shuffled)
    with closing(Tables.open(tmp_path_factory.mktemp("parts") / "tables.db")) as tables:
        bind(tables)
        tables.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA)]))
        arrived: set[int] = set()
        for part in shuffled:
            arrived.add(part.chunk)
            complete = len(arrived) == count
            before = tables.versions["blocklist"]
            effect = tables.apply(part)
            assert effect is (Effect.STALE if before == 7 else Effect.APPLIED if complete else Effect.WAITING)
            assert tables.versions["blocklist"] == (7 if complete else 1)
        assert all(tables.blocked(card) is BlockReason.LOST for card in known)
        assert (tables.blocked(ANNA) is None) == (ANNA not in known)


def test_a_wrong_checksum_is_refused_and_changes_nothing(bound: Tables) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")]))
    before = (bound.held(), seen(bound, Table.ROSTER))
    whole = change(Table.ROSTER, PROJECT, (1, 2), [roster_row(BORIS, "p2")])
    with pytest.raises(MessageMalformed, match="checksum"):
        bound.apply(msgspec.structs.replace(whole, checksum=b"x" * 32))
    first, second = parts(Table.ROSTER, PROJECT, 2, [roster_row(BORIS, "p2"), roster_row(ANNA, "p2")], 2)
    changed = msgspec.structs.replace(
        second, rows=parts(Table.ROSTER, PROJECT, 2, [roster_row(BORIS, "p2")], 1)[0].rows
    )
    assert bound.apply(first) is Effect.WAITING
    with pytest.raises(MessageMalformed, match="checksum"):
        bound.apply(changed)
    assert (bound.held(), seen(bound, Table.ROSTER)) == before
    assert [bound.apply(part) for part in (second, first)] == [Effect.WAITING, Effect.APPLIED]


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk": 3},
        {"from_version": 1},
        {"rows": b"\xc1"},
        {"drops": b"\xc1"},
    ],
)
def test_parts_and_rows_that_are_not_what_they_should_be_are_refused(bound: Tables, wrong: dict[str, object]) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")]))
    if "rows" in wrong or "drops" in wrong:
        message = change(Table.ROSTER, PROJECT, (1, 2), [roster_row(BORIS, "p2")])
    else:
        message = parts(Table.ROSTER, PROJECT, 2, [roster_row(BORIS, "p2")], 3)[0]
    with pytest.raises(ProtocolError):
        bound.apply(msgspec.structs.replace(message, **wrong))
    assert seen(bound, Table.ROSTER)[:2] == ["p1", None]
    assert bound.versions["roster"] == 1


def test_one_bad_row_refuses_the_whole_change(bound: Tables) -> None:
    rows = [roster_row(ANNA, "p1"), (b"uid:00000001", b"\x93\x01\x02\x03")]
    with pytest.raises(MessageMalformed):
        bound.apply(change(Table.ROSTER, PROJECT, (0, 1), rows))
    assert (bound.enrolment(ANNA), "roster" in bound.versions) == (None, False)


def test_a_binding_with_a_zone_that_does_not_exist_is_refused(tables: Tables) -> None:
    nowhere = msgspec.structs.replace(binding(), zone="Europe/Nowhere")
    with pytest.raises(MessageMalformed):
        tables.apply(change(Table.BINDING, TERMINAL, (0, 1), [binding_row(nowhere)]))
    assert tables.binding is None


def test_a_snapshot_without_end_is_refused(bound: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.tables.snapshots.LARGEST_SNAPSHOT", 20)
    first, second, *_ = parts(Table.BLOCKLIST, EVERYBODY, 1, [block_row(card) for card in CARDS], 4)
    assert bound.apply(first) is Effect.WAITING
    with pytest.raises(MessageTooLarge):
        bound.apply(second)


def test_a_newer_snapshot_takes_the_place_of_one_still_coming(bound: Tables) -> None:
    older = parts(Table.BLOCKLIST, EVERYBODY, 5, [block_row(ANNA)], 2)
    newer = parts(Table.BLOCKLIST, EVERYBODY, 6, [block_row(BORIS)], 2)
    sent = [older[0], newer[0], older[1], newer[1]]
    effects = [bound.apply(part) for part in sent]
    assert effects == [Effect.WAITING, Effect.WAITING, Effect.WAITING, Effect.APPLIED]
    assert (bound.blocked(ANNA), bound.blocked(BORIS)) == (None, BlockReason.LOST)


def test_a_change_beyond_the_snapshot_that_is_coming_asks_for_no_second_one(bound: Tables) -> None:
    first, second = parts(Table.BLOCKLIST, EVERYBODY, 5, [block_row(ANNA)], 2)
    live = change(Table.BLOCKLIST, EVERYBODY, (5, 6), [block_row(BORIS)])
    assert [bound.apply(each) for each in (live, first, live, second, live)] == [
        Effect.MISSING,
        Effect.WAITING,
        Effect.WAITING,
        Effect.APPLIED,
        Effect.APPLIED,
    ]


# --- lookups go on ----------------------------------------------------------------------------------------------------


def test_a_card_blocked_before_and_after_a_switch_is_never_let_through_in_between(bound: Tables) -> None:
    """The new list has another epoch, so every key in it differs; taps go on while it is switched."""
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA)]))
    let_through, done = [], threading.Event()

    def switch() -> None:
        for number in range(1, 30):
            salt = number.to_bytes(16, "big")
            bind(bound, TableName(Table.ROSTER, PROJECT, EPOCH), TableName(Table.BLOCKLIST, EVERYBODY, salt))
            rows = [block_row(card, salt=salt) for card in CARDS]
            assert bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), rows, epoch=salt)) is Effect.APPLIED
        done.set()

    thread = threading.Thread(target=switch)
    thread.start()
    looks = 0
    while not done.is_set():
        looks += 1
        if bound.blocked(ANNA) is None:
            let_through.append(looks)
    thread.join()
    assert looks > 0
    assert not let_through
    assert bound.versions["binding"] == 30


def test_a_list_of_an_earlier_epoch_serves_until_the_new_one_is_here(bound: Tables) -> None:
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 7), [block_row(ANNA)]))
    bind(bound, TableName(Table.BLOCKLIST, EVERYBODY, OTHER))
    assert bound.blocked(ANNA) is BlockReason.LOST
    assert [(held.name, held.epoch, held.held) for held in bound.held()][1:] == [("blocklist", OTHER, 0)]
    anew = change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(BORIS, salt=OTHER)], epoch=OTHER)
    assert bound.apply(anew) is Effect.APPLIED
    assert (bound.blocked(ANNA), bound.blocked(BORIS)) == (None, BlockReason.LOST)


def test_a_snapshot_is_seen_whole_or_not_at_all(bound: Tables) -> None:
    def everybody(person: str) -> list[tuple[bytes, bytes]]:
        return [roster_row(CardId.parse(f"uid:{number:08X}"), person) for number in range(2000)]

    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), everybody("p1")))
    thread = threading.Thread(target=bound.apply, args=(change(Table.ROSTER, PROJECT, (0, 2), everybody("p2")),))
    thread.start()
    people = []
    first, last = CardId.parse("uid:00000000"), CardId.parse("uid:000007CF")
    while thread.is_alive():
        people.append((bound.enrolment(first), bound.enrolment(last)))
    thread.join()
    order = [[who.person if who else "nobody" for who in pair] for pair in people]
    assert all("nobody" not in pair for pair in order)
    assert all(pair in (["p1", "p1"], ["p1", "p2"], ["p2", "p2"]) for pair in order)
    assert order == sorted(order)


def test_a_full_blocklist_is_looked_up_by_the_same_key(bound: Tables) -> None:
    bound.apply(change(Table.BLOCKLIST, EVERYBODY, (0, 1), [block_row(ANNA)]))
    bound.load_blocks((number * 7919, 1) for number in range(20_000))
    bound.load_blocks([(block_key(EPOCH, BORIS), BLOCK_REASONS.index(BlockReason.EXPIRED))])
    assert (bound.blocked(ANNA), bound.blocked(BORIS)) == (BlockReason.LOST, BlockReason.EXPIRED)
    plan = bound._file._reader.execute("EXPLAIN QUERY PLAN SELECT reason FROM blocklist WHERE key = 1").fetchall()
    assert "INTEGER PRIMARY KEY" in plan[0][3]


# --- presence ---------------------------------------------------------------------------------------------------------


def presence_row(key: bytes, direction: Direction, at: int) -> tuple[bytes, bytes]:
    return key, encode_value(Presence(direction, at, "gate-2"))


@pytest.fixture
def shared(tables: Tables) -> Tables:
    """Bound to a project that has more gates."""
    bind(tables, TableName(Table.ROSTER, PROJECT, EPOCH), TableName(Table.PRESENCE, PROJECT, EPOCH))
    return tables


def test_presence_is_looked_up_by_key_and_told_of_who_came_in(shared: Tables) -> None:
    assert shared.presence(b"anna") is None
    rows = [presence_row(b"anna", Direction.IN, 5), presence_row(b"boris", Direction.OUT, 6)]
    assert shared.apply(change(Table.PRESENCE, PROJECT, (0, 1), rows)) is Effect.APPLIED
    assert shared.presence(b"anna") == Movement(Direction.IN, 5)
    assert shared.presence(b"boris") == Movement(Direction.OUT, 6)
    assert list(shared.came_in()) == [(b"anna", Movement(Direction.IN, 5))]
    shared.apply(change(Table.PRESENCE, PROJECT, (1, 2), [presence_row(b"anna", Direction.OUT, 7)], drops=[b"boris"]))
    assert (shared.presence(b"anna"), shared.presence(b"boris")) == (Movement(Direction.OUT, 7), None)
    assert list(shared.came_in()) == []


def test_where_the_cloud_tells_of_nobody_presence_costs_no_lookup(shared: Tables) -> None:
    """A tap's cost is measured: a project with one gate pays nothing for the others it does not have."""
    looked: list[str] = []
    shared._file._reader.set_trace_callback(looked.append)
    assert shared.presence(b"anna") is None
    assert list(shared.came_in()) == []
    assert looked == []


def test_a_tap_at_another_gate_is_no_news_for_the_lights(shared: Tables) -> None:
    """A binding and a roster are: who was refused may be let in now."""
    told: list[str] = []
    shared.on_change = lambda: told.append("changed")
    shared.apply(change(Table.PRESENCE, PROJECT, (0, 1), [presence_row(b"anna", Direction.IN, 5)]))
    assert told == []
    shared.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")]))
    assert told == ["changed"]


@pytest.mark.parametrize("at", [-1, 2**63])
def test_presence_at_no_time_is_refused(shared: Tables, at: int) -> None:
    with pytest.raises(MessageMalformed):
        shared.apply(change(Table.PRESENCE, PROJECT, (0, 1), [presence_row(b"anna", Direction.IN, at)]))
    assert shared.presence(b"anna") is None


def test_a_file_of_the_first_version_is_brought_up_to_date_and_keeps_what_it_held(path: Path) -> None:
    """What an earlier release left: the same tables without presence and silence."""
    with closing(open_file(path, MIGRATIONS[:1], "NORMAL")) as old:
        old.execute("INSERT INTO binding VALUES (x'', ?)", (encode_value(binding()),))
        old.execute("INSERT INTO held VALUES ('binding', ?, ?, 4)", (TERMINAL, EPOCH))
        assert old.execute("SELECT count(*) FROM sqlite_schema WHERE name IN ('presence', 'silence')").fetchone() == (
            0,
        )
    with closing(Tables.open(path)) as tables:
        assert (tables.binding, tables.versions) == (binding(), {"binding": 4})
        bind(tables, TableName(Table.PRESENCE, PROJECT, EPOCH))
        tables.apply(change(Table.PRESENCE, PROJECT, (0, 1), [presence_row(b"anna", Direction.IN, 5)]))
        assert tables.presence(b"anna") == Movement(Direction.IN, 5)


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_damaged_file_is_put_aside_and_begun_anew(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with capture_logs() as lines, closing(Tables.open(path)) as tables:
        assert tables.binding is None
        bind(tables)
    assert lines[0]["event"] == Event.TABLES_DISCARDED
    assert path.with_name("tables.db.damaged").read_bytes() == damage


def test_a_page_that_went_bad_is_found_soon_after_the_start(bound: Tables, path: Path) -> None:
    rows = [roster_row(CardId.parse(f"uid:{number:08X}"), "p1") for number in range(2000)]
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), rows))
    bound.close()
    content = bytearray(path.read_bytes())
    content[-8192:-4096] = b"\xff" * 4096
    path.write_bytes(content)
    with closing(Tables.open(path)) as again:
        asyncio.run(again.check())
        assert again.binding is None
        asyncio.run(again.check())
        bind(again)


def test_a_whole_file_stays_as_it_is(bound: Tables) -> None:
    before = bound.held()
    asyncio.run(bound.check())
    assert bound.held() == before
    assert bound.binding is not None


def test_a_file_that_goes_bad_while_in_use_is_begun_anew(bound: Tables, path: Path) -> None:
    rows = [roster_row(CardId.parse(f"uid:{number:08X}"), "p1") for number in range(2000)]
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), rows))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with capture_logs() as lines:
        found = [bound.enrolment(CardId.parse(f"uid:{number:08X}")) for number in range(0, 2000, 100)]
    assert None in found
    assert Event.TABLES_DISCARDED in [line["event"] for line in lines]
    assert (bound.binding, bound.held()) == (None, ())
    bind(bound)
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), rows))
    assert bound.enrolment(CardId.parse("uid:00000001")) == Enrolment("p1", "00000000000000c1")


def test_a_file_of_a_later_version_is_put_aside(path: Path) -> None:
    with closing(Tables.open(path)) as tables:
        bind(tables)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with closing(Tables.open(path)) as again:
        assert again.binding is None


def test_a_full_disk_refuses_the_change_and_what_counted_still_does(bound: Tables, path: Path) -> None:
    bound.apply(change(Table.ROSTER, PROJECT, (0, 1), [roster_row(ANNA, "p1")]))
    rows = [roster_row(CardId.parse(f"uid:{number:08X}"), "p2") for number in range(20_000)]
    big = change(Table.ROSTER, PROJECT, (0, 2), rows)
    largest = max(each.stat().st_size for each in path.parent.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        with pytest.raises(TablesUnusable):
            bound.apply(big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert bound.enrolment(ANNA) == Enrolment("p1", "00000000000000c1")
    assert bound.versions["roster"] == 1
    assert bound.apply(big) is Effect.APPLIED
