"""Tables reach whom they concern, signed and most urgent first; whoever missed something converges all the same."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from cloud.blocklist.service import block, unblock
from cloud.database import Database, new_id
from cloud.people.service import enrol, withdraw
from cloud.projects import service as projects
from cloud.sync.models import TableHead
from cloud.sync.publish import Publisher
from cloud.sync.tables import changes, drop, put
from cloud.units.service import Placement, bind, unbind
from protocol.cards import CardId
from protocol.decision import BlockReason, Enrolment
from protocol.errors import TerminalId
from protocol.messages import VERSION, Receipt, TableVersion
from protocol.tables import EVERYBODY, Table, block_key, encode_value
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.cloud.wire import SIGNER, Listening, Wire
from tests.support.moved_clock import START, MovedClock

ONE, TWO = TerminalId("kvarnen-1"), TerminalId("kvarnen-2")
UID, PIV = "uid:04A1B2C3D4E5F6", "piv:00112233445566778899AABBCCDDEEFF"


@pytest.fixture
def site(database: Database) -> Site:
    with database.transaction() as session:
        return make_site(session, ONE, TWO)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def publisher(database: Database, wire: Wire, clock: MovedClock) -> Publisher:
    return Publisher(database, SIGNER, wire.send, clock)


def bound(database: Database, site: Site, terminal: str, place: str = "Norra grinden") -> None:
    with database.transaction() as session:
        bind(session, site.scope, START, terminal, Placement(site.project, place, ("grind",)))


def blocked(terminal: Listening, card: str) -> BlockReason | None:
    """What the terminal would find in its blocklist."""
    held = terminal.tables["blocklist"]
    key = block_key(held.epoch, CardId.parse(card)).to_bytes(8, "big", signed=True)
    return tuple(BlockReason)[held.rows[key][0]] if key in held.rows else None


def test_binding_a_terminal_gives_it_everything_it_needs_at_once(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    terminal = Listening(ONE)
    with database.transaction() as session:
        card = make_card(session, site, UID, PIV)
        enrol(session, STAFF, START, site.project, card.id)
        block(session, STAFF, START, CardId.parse("em:0102030405"), BlockReason.LOST)
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.tables["binding"].rows == {}
    bound(database, site, ONE)
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.binding is not None
    assert (terminal.binding.project, terminal.binding.place) == (site.project, "Norra grinden")
    assert (terminal.binding.doors, terminal.binding.ended) == (("grind",), False)
    assert terminal.tables["roster"].rows == dict.fromkeys(
        (UID.encode(), PIV.encode()), encode_value(Enrolment(card.person_id, card.company_id))
    )
    assert blocked(terminal, "em:0102030405") is BlockReason.LOST
    assert {(each.name, each.scope, each.epoch) for each in terminal.binding.tables} == {
        (name, held.scope, held.epoch) for name, held in terminal.tables.items() if name != "binding"
    }
    assert terminal.misfits == 0


def test_nothing_is_sent_twice(database: Database, site: Site, wire: Wire, publisher: Publisher) -> None:
    bound(database, site, ONE)
    assert publisher.changed() > 0
    wire.taken()
    assert publisher.changed() == 0
    assert wire.taken() == []


def test_without_a_connection_a_change_waits(database: Database, site: Site, wire: Wire, publisher: Publisher) -> None:
    wire.is_up = False
    bound(database, site, ONE)
    publisher.changed()
    wire.is_up = True
    terminal = Listening(ONE)
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.binding is not None


def test_blocks_go_before_bindings_and_bindings_before_rosters(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    bound(database, site, ONE)
    publisher.changed()
    wire.taken()
    with database.transaction() as session:
        enrol(session, STAFF, START, site.project, make_card(session, site, UID).id)
    bound(database, site, ONE, "Södra grinden")
    with database.transaction() as session:
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
    publisher.changed()
    sent = wire.taken()
    assert sent[0][0] == "gv1/all/blocklist"
    terminal = Listening(ONE)
    terminal.hear(*sent)
    assert [change.name for change in terminal.heard][:2] == ["blocklist", "binding"]
    assert "roster" in [change.name for change in terminal.heard][2:]


def test_a_roster_goes_to_the_terminals_of_its_project_only(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    bound(database, site, ONE)
    publisher.changed()
    wire.taken()
    with database.transaction() as session:
        enrol(session, STAFF, START, site.project, make_card(session, site, UID).id)
    publisher.changed()
    assert {topic for topic, _ in wire.taken()} == {f"gv1/down/{ONE}/table"}


def test_a_block_reaches_everybody_in_one_message(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    terminals = [Listening(ONE), Listening(TWO)]
    for terminal in terminals:
        bound(database, site, terminal.terminal)
    publisher.changed()
    heard = wire.taken()
    with database.transaction() as session:
        make_card(session, site, UID, PIV)
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
    publisher.changed()
    live = wire.taken()
    assert [topic for topic, _ in live] == ["gv1/all/blocklist"]
    for terminal in terminals:
        terminal.hear(*heard, *live)
        assert [blocked(terminal, card) for card in (UID, PIV)] == [BlockReason.LOST, BlockReason.LOST]
    with database.transaction() as session:
        unblock(session, STAFF, START, CardId.parse(UID))
    publisher.changed()
    terminals[0].hear(*wire.taken())
    assert [blocked(terminals[0], card) for card in (UID, PIV)] == [None, None]


def test_who_missed_everything_catches_up_by_asking(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    bound(database, site, ONE)
    with database.transaction() as session:
        enrol(session, STAFF, START, site.project, make_card(session, site, UID).id)
    publisher.changed()
    wire.taken()
    terminal = Listening(ONE)
    publisher.catch_up(ONE, terminal.held(), asked=True)
    terminal.hear(*wire.taken())
    assert set(terminal.tables) == {"binding", "roster", "blocklist", "presence"}
    assert [change.name for change in terminal.heard] == ["binding", "blocklist", "roster", "presence"]
    publisher.catch_up(ONE, terminal.held(), asked=True)
    assert wire.taken() == []


def test_a_missed_change_is_noticed_by_the_next_status(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    terminal = Listening(ONE)
    bound(database, site, ONE)
    publisher.changed()
    terminal.hear(*wire.taken())
    with database.transaction() as session:
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
    publisher.changed()
    wire.taken()
    publisher.catch_up(ONE, terminal.held(), asked=False)
    terminal.hear(*wire.taken())
    assert blocked(terminal, UID) is BlockReason.LOST


def test_a_status_does_not_bring_the_same_large_snapshot_again_and_again(
    database: Database, site: Site, wire: Wire, publisher: Publisher, clock: MovedClock
) -> None:
    """A slow link would never finish the first one; who asks gets it, and a minute later everybody."""
    bound(database, site, ONE)
    with database.transaction() as session:
        put(session, Table.BLOCKLIST, EVERYBODY, {number.to_bytes(8, "big"): b"\0" for number in range(20_000)})
    came = []
    for asked, later in ((False, 0), (False, 20), (True, 0), (False, 50), (False, 0)):
        clock.move(later)
        publisher.catch_up(ONE, (), asked)
        terminal = Listening(ONE)
        terminal.hear(*wire.taken())
        came.append("blocklist" in terminal.tables)
        assert {"binding", "roster"} <= terminal.tables.keys()
    assert came == [True, False, True, True, False]


def test_an_unbound_terminal_converges_to_nothing(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    missed, fresh = Listening(ONE), Listening(ONE)
    bound(database, site, ONE)
    publisher.changed()
    missed.hear(*wire.taken())
    with database.transaction() as session:
        unbind(session, site.scope, START, ONE)
    publisher.changed()
    wire.taken()
    for terminal in (missed, fresh):
        publisher.catch_up(ONE, terminal.held(), asked=True)
        terminal.hear(*wire.taken())
        assert terminal.binding is None
        publisher.catch_up(ONE, terminal.held(), asked=True)
        assert wire.taken() == []
    assert set(fresh.tables) == {"binding"}


def test_binding_anew_leads_to_the_new_project(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    terminal = Listening(ONE)
    bound(database, site, ONE)
    with database.transaction() as session:
        draft = projects.ProjectDraft(site.customer, "Skolan", "B2EX4MP3L2026")
        school = projects.create(session, STAFF, START, draft)
        enrol(session, STAFF, START, school.id, make_card(session, site, UID).id)
    publisher.changed()
    with database.transaction() as session:
        bind(session, site.scope, START, ONE, Placement(school.id, "Entrén", ()))
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.binding is not None
    assert terminal.binding.project == school.id
    assert terminal.tables["roster"].scope == school.id
    assert list(terminal.tables["roster"].rows) == [UID.encode()]


def test_an_ended_project_is_said_to_its_terminals(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    terminal = Listening(ONE)
    bound(database, site, ONE)
    with database.transaction() as session:
        projects.end(session, site.scope, START, site.project)
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.binding is not None
    assert terminal.binding.ended


def test_a_terminal_from_before_a_restored_backup_is_not_left_with_higher_versions(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    """A new epoch makes old versions incomparable, and one that never was here gives a snapshot."""
    terminal = Listening(ONE)
    bound(database, site, ONE)
    publisher.changed()
    terminal.hear(*wire.taken())
    ahead = [TableVersion(each.name, each.scope, each.epoch, each.held + 100) for each in terminal.held()]
    other = [TableVersion(each.name, each.scope, bytes(16), each.held) for each in terminal.held()]
    for claimed in (ahead, other):
        publisher.catch_up(ONE, claimed, asked=True)
        restored = Listening(ONE)
        restored.hear(*wire.taken())
        assert {change.from_version for change in restored.heard} == {0}
        assert restored.tables == terminal.tables


def test_a_terminal_nobody_knows_gets_nothing(database: Database, wire: Wire, publisher: Publisher) -> None:
    publisher.catch_up(TerminalId("stranger"), (), asked=True)
    assert wire.taken() == []


def test_a_terminal_whose_table_is_lost_here_is_told_so(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    with database.transaction() as session:
        session.execute(delete(TableHead))
    terminal = Listening(ONE)
    publisher.catch_up(ONE, (TableVersion("binding", ONE, bytes(16), 7),), asked=True)
    terminal.hear(*wire.taken())
    assert terminal.tables["binding"].rows == {}


def test_a_receipt_is_signed_for_its_terminal(wire: Wire, publisher: Publisher) -> None:
    receipt = Receipt(VERSION, bytes(16), 5, bytes(32))
    assert publisher.receipt(ONE, receipt)
    one, two = Listening(ONE), Listening(TWO)
    messages = wire.taken()
    one.hear(*messages)
    two.hear(*messages)
    assert (one.receipts, two.receipts) == ([receipt], [])


def test_a_large_blocklist_goes_in_parts_and_is_read_once_for_many(
    database: Database, site: Site, wire: Wire, publisher: Publisher
) -> None:
    rows = {number.to_bytes(8, "big", signed=True): b"\0" for number in range(-20_000, 20_000)}
    with database.transaction() as session:
        put(session, Table.BLOCKLIST, "global", rows)
    for name in (ONE, TWO):
        bound(database, site, name)
        terminal = Listening(name)
        publisher.catch_up(name, (), asked=True)
        terminal.hear(*wire.taken())
        assert terminal.tables["blocklist"].rows == rows
        assert max(change.chunks for change in terminal.heard) > 3


KEYS = st.integers(0, 30).map(lambda number: f"uid:{number:08X}".encode())
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(KEYS, min_size=1, max_size=8), st.integers(0, 3)),
        st.tuples(st.just("drop"), st.lists(KEYS, min_size=1, max_size=8), st.just(0)),
        st.tuples(st.just("look"), st.just([]), st.integers(0, 2)),
    ),
    max_size=25,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_from_any_version_the_changes_lead_to_the_same_rows(
    database: Database, steps: list[tuple[str, list[bytes], int]]
) -> None:
    """Terminals that look at different times, and one that never did, end with the rows that were put."""
    scope = new_id()
    wanted: dict[bytes, bytes] = {}
    terminals = [Listening(ONE) for _ in range(4)]
    for act, keys, number in steps:
        value = encode_value(Enrolment(f"person-{number}", "company"))
        with database.transaction() as session:
            if act == "put":
                put(session, Table.ROSTER, scope, dict.fromkeys(keys, value))
                wanted |= dict.fromkeys(keys, value)
            elif act == "drop":
                drop(session, Table.ROSTER, scope, keys)
                wanted = {key: held for key, held in wanted.items() if key not in keys}
            else:
                look(terminals[number], lambda held: changes(session, Table.ROSTER, scope, held))
    with database.transaction() as session:
        put(session, Table.ROSTER, scope, {b"uid:FFFFFFFF": encode_value(Enrolment("last", "company"))})
        for terminal in terminals:
            look(terminal, lambda held: changes(session, Table.ROSTER, scope, held))
            assert terminal.tables["roster"].rows == wanted | {
                b"uid:FFFFFFFF": encode_value(Enrolment("last", "company"))
            }
            assert terminal.misfits == 0


def look(terminal: Listening, asked: Callable[[TableVersion | None], list]) -> None:  # type: ignore[type-arg]
    held = next(iter(terminal.held()), None)
    for change in asked(held):
        terminal.apply(change)


def test_a_long_way_is_told_in_messages_that_follow_each_other(database: Database) -> None:
    value = encode_value(Enrolment("x" * 60, "y" * 60))
    terminal = Listening(ONE)
    with database.transaction() as session:
        put(session, Table.ROSTER, "p", {b"uid:00000000": value})
        look(terminal, lambda held: changes(session, Table.ROSTER, "p", held))
        put(session, Table.ROSTER, "p", {f"uid:{number:08X}".encode(): value for number in range(3_000)})
        told = changes(session, Table.ROSTER, "p", terminal.held()[0])
    assert len(told) > 2
    for before, after in pairwise(told):
        assert before.to_version == after.from_version
    for change in told:
        terminal.apply(change)
    assert len(terminal.tables["roster"].rows) == 3_000


def test_what_stands_so_already_is_no_change(database: Database) -> None:
    with database.transaction() as session:
        first = put(session, Table.ROSTER, "p", {b"k": b"v"}).version
        assert put(session, Table.ROSTER, "p", {b"k": b"v"}).version == first
        assert drop(session, Table.ROSTER, "p", [b"other"]).version == first
        assert drop(session, Table.ROSTER, "p", [b"k"]).version == first + 1
        assert drop(session, Table.ROSTER, "p", [b"k"]).version == first + 1


def test_a_withdrawn_card_leaves_the_roster(database: Database, site: Site, wire: Wire, publisher: Publisher) -> None:
    terminal = Listening(ONE)
    with database.transaction() as session:
        card = make_card(session, site, UID, PIV)
        enrol(session, STAFF, START, site.project, card.id)
    bound(database, site, ONE)
    publisher.changed()
    with database.transaction() as session:
        withdraw(session, STAFF, START, site.project, card.id)
    publisher.changed()
    terminal.hear(*wire.taken())
    assert terminal.tables["roster"].rows == {}
