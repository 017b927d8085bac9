"""Every gate of a project knows who is inside: the newest movement counts, by when it happened, not when it came."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cloud.clock import microseconds
from cloud.database import Database
from cloud.sync import presence
from cloud.sync.batches import Batch
from cloud.sync.ingest import Ingest
from cloud.sync.models import TableHead, TableRow
from cloud.sync.presence import DROPS_REMEMBERED
from cloud.sync.publish import Publisher
from cloud.sync.tables import put
from cloud.units.models import UnitStatus
from cloud.units.service import Placement, bind, unbind
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.decision import Direction, Reason
from protocol.entries import Fact, Outcome, encode_payload
from protocol.errors import TerminalId
from protocol.tables import Presence, Table, decode_presence, presence_key
from tests.cloud.chains import Chain, tap
from tests.cloud.site import STAFF, Site, make_site
from tests.cloud.wire import SIGNER, Listening, Wire
from tests.support.moved_clock import START, MovedClock

ONE, TWO = TerminalId("kvarnen-1"), TerminalId("kvarnen-2")
NOW = microseconds(START)
IN, OUT = Direction.IN, Direction.OUT
ANNA = presence_key("uid:04A1B2C3D4E5F6", "anna", "el")


@dataclass
class Gates:
    """Two terminals of a project, and what they tell."""

    database: Database
    site: Site
    clock: MovedClock
    chains: dict[TerminalId, Chain] = field(default_factory=dict)

    def moves(self, terminal: TerminalId, direction: Direction, seconds: float = 0.0, **changed: Any) -> None:
        """Anna taps, so many seconds from the start by the terminal's clock; the cloud has it now."""
        self.records(terminal, direction, seconds, **changed)
        self.sends(terminal)

    def records(self, terminal: TerminalId, direction: Direction, seconds: float = 0.0, **changed: Any) -> None:
        """The same, without a network."""
        at = NOW + int(seconds * MICROSECONDS)
        fields: dict[str, Any] = {
            "person": "anna",
            "company": "el",
            "project": self.site.project,
            "direction": direction,
        }
        fields |= {"occurred_at": at, "registered_at": at, **changed}
        self.chains.setdefault(terminal, Chain(terminal)).add(encode_payload(tap(**fields)))

    def sends(self, *terminals: TerminalId) -> None:
        """All that these terminals have, in one transaction."""
        batches = []
        for terminal in terminals:
            chain = self.chains[terminal]
            batches.append(Batch.open(terminal, chain.packed(1, len(chain.payloads))))
        Ingest(self.database, self.clock).take(batches)

    def says(self, terminal: TerminalId, last_seq: int) -> None:
        """The terminal's status has just been heard."""
        chain = self.chains.setdefault(terminal, Chain(terminal))
        with self.database.transaction() as session:
            session.merge(
                UnitStatus(
                    unit_id=terminal,
                    online=True,
                    seen_at=self.clock.now(),
                    nonce=b"n",
                    queue_depth=0,
                    clock_quality="untrusted",
                    clock_offset_ms=0,
                    software="",
                    ledger=chain.ledger,
                    last_seq=last_seq,
                    readers={},
                    doors={},
                    tables=[],
                )
            )

    @property
    def known(self) -> dict[bytes, Presence]:
        """What the project's terminals are told."""
        with self.database.reading() as session:
            found = select(TableRow.key, TableRow.value).filter_by(name="presence", scope=self.site.project)
            return {key: decode_presence(value) for key, value in session.execute(found) if value is not None}

    @property
    def where(self) -> Direction:
        """Which way Anna went last."""
        return self.known[ANNA].direction


@pytest.fixture
def gates(database: Database, clock: MovedClock) -> Gates:
    with database.transaction() as session:
        site = make_site(session, ONE, TWO)
        for terminal in (ONE, TWO):
            bind(session, STAFF, START, terminal, Placement(site.project, "Grinden", ("grind",)))
    return Gates(database, site, clock)


@pytest.mark.feature("F14")
def test_a_movement_at_one_gate_reaches_the_projects_other_gate(gates: Gates) -> None:
    wire, other = Wire(), Listening(TWO)
    publisher = Publisher(gates.database, SIGNER, wire.send, gates.clock)
    publisher.changed()
    gates.moves(ONE, IN)
    publisher.changed()
    other.hear(*wire.taken())
    (row,) = other.tables["presence"].rows.items()
    assert row[0] == ANNA
    assert decode_presence(row[1]) == Presence(IN, NOW, ONE)
    assert other.binding is not None
    named = {table.name: (table.scope, table.epoch) for table in other.binding.tables}
    assert named["presence"] == (gates.site.project, other.tables["presence"].epoch)


def test_blocks_bindings_and_rosters_go_before_presence(gates: Gates) -> None:
    wire = Wire()
    publisher = Publisher(gates.database, SIGNER, wire.send, gates.clock)
    gates.moves(ONE, IN)
    publisher.catch_up(TWO, [], asked=True)
    other = Listening(TWO)
    other.hear(*wire.taken())
    assert [change.name for change in other.heard] == ["binding", "blocklist", "roster", "presence"]


def test_an_unknown_card_is_known_by_the_card(gates: Gates) -> None:
    gates.moves(ONE, IN, person=None, company=None, card="em:0102030405")
    assert list(gates.known) == [b"em:0102030405"]


def test_one_person_of_two_companies_is_two(gates: Gates) -> None:
    gates.moves(ONE, IN)
    gates.moves(ONE, OUT, 1, company="bygg")
    assert gates.where is IN
    assert len(gates.known) == 2


def test_a_backlog_takes_nobody_back(gates: Gates) -> None:
    gates.records(ONE, IN, -7200)
    gates.moves(TWO, OUT, -60)
    gates.sends(ONE)
    assert gates.known[ANNA] == Presence(OUT, NOW - 60 * MICROSECONDS, TWO)


def test_the_newest_of_one_transaction_counts(gates: Gates) -> None:
    gates.records(ONE, IN, -30)
    gates.records(ONE, OUT, -10)
    gates.records(TWO, IN, -20)
    gates.sends(TWO, ONE)
    assert gates.where is OUT


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": Outcome.DENIED, "reason": Reason.BLOCKED},
        {"project": None},
        {"project": "another"},
        {"occurred_at": NOW - 13 * 3600 * MICROSECONDS},
    ],
    ids=str,
)
def test_what_is_no_movement_of_this_project_and_day_changes_nothing(gates: Gates, changed: dict[str, Any]) -> None:
    gates.moves(ONE, IN, **changed)
    assert gates.known == {}


def test_a_terminal_that_lies_reaches_no_project_that_it_is_not_bound_to(gates: Gates, database: Database) -> None:
    with database.transaction() as session:
        unbind(session, STAFF, START, ONE)
    gates.moves(ONE, IN)
    assert gates.known == {}


def test_a_clock_that_runs_ahead_does_not_hold_the_future(gates: Gates) -> None:
    gates.moves(ONE, IN, 86_400)
    gates.clock.move(5)
    gates.moves(TWO, OUT, 4)
    assert gates.where is OUT


# --- a clock nobody trusts --------------------------------------------------------------------------------------------

WRONG: dict[str, Any] = {"occurred_at": 5_000_000, "registered_at": 5_000_100, "clock_quality": ClockQuality.UNTRUSTED}


@pytest.mark.feature("F16")
def test_a_live_tap_by_an_untrusted_clock_counts_from_its_arrival(gates: Gates) -> None:
    """Its number is beyond what the terminal had a moment ago, so it happened since."""
    gates.moves(ONE, IN, -60)
    gates.says(TWO, 0)
    gates.moves(TWO, OUT, **WRONG)
    assert gates.known[ANNA] == Presence(OUT, NOW, TWO)


@pytest.mark.feature("F16")
def test_a_backlog_by_an_untrusted_clock_does_not_beat_what_is_known(gates: Gates) -> None:
    gates.records(TWO, OUT, **WRONG)
    gates.moves(ONE, IN, -60)
    gates.says(TWO, 1)
    gates.sends(TWO)
    assert gates.where is IN


def test_what_a_terminal_said_long_ago_says_nothing_of_now(gates: Gates) -> None:
    gates.says(TWO, 0)
    gates.clock.move(3600)
    gates.moves(ONE, IN, 3000)
    gates.moves(TWO, OUT, **WRONG)
    assert gates.where is IN


def test_by_an_untrusted_clock_is_better_than_nothing_or_than_what_is_too_old(gates: Gates) -> None:
    gates.moves(ONE, IN, **WRONG)
    assert gates.where is IN
    gates.clock.move(14 * 3600)
    gates.moves(TWO, OUT, **WRONG)
    assert gates.where is OUT


def test_within_a_ledger_its_order_counts_whatever_the_clock_says(gates: Gates) -> None:
    gates.records(ONE, IN, -10)
    gates.records(ONE, OUT, -20)
    gates.sends(ONE)
    assert gates.where is OUT


BOOT, MINUTE = b"b" * 16, 60_000_000_000
LEARNT = {"boot_id": BOOT, **WRONG}


def learns(gates: Gates, terminal: TerminalId, began: int, boot: bytes = BOOT) -> None:
    """The terminal says when its boot began, so many seconds from the start."""
    details = {"boot": boot.hex(), "began_at": str(NOW + began * MICROSECONDS), "quality": "synchronised"}
    told = Fact(1, NOW, ClockQuality.SYNCHRONISED, boot, 1, NOW, "clock.set", details, bytes(16))
    gates.chains[terminal].add(encode_payload(told))
    gates.sends(terminal)


@pytest.mark.feature("F16")
def test_once_a_terminal_knows_the_time_its_taps_count_by_when_they_happened(gates: Gates) -> None:
    """In at the one gate, an hour later out at the other, which did not know the time."""
    gates.moves(ONE, IN, -7200)
    gates.records(TWO, IN, monotonic=10 * MINUTE, **LEARNT)
    gates.records(TWO, OUT, monotonic=30 * MINUTE, **LEARNT)
    gates.sends(TWO)
    assert gates.known[ANNA] == Presence(IN, NOW - 7200 * MICROSECONDS, ONE)
    learns(gates, TWO, -3600)
    assert gates.known[ANNA] == Presence(OUT, NOW - 1800 * MICROSECONDS, TWO)


@pytest.mark.feature("F16")
def test_what_really_happened_before_beats_nothing(gates: Gates) -> None:
    gates.moves(ONE, IN, -600)
    gates.records(TWO, OUT, monotonic=30 * MINUTE, **LEARNT)
    learns(gates, TWO, -3600)
    assert gates.where is IN


def test_the_time_of_another_boot_or_of_one_that_cannot_be_read_changes_nothing(gates: Gates) -> None:
    gates.moves(ONE, IN, -7200)
    gates.records(TWO, OUT, monotonic=30 * MINUTE, **LEARNT)
    learns(gates, TWO, -3600, b"o" * 16)
    learns(gates, TWO, -(10**12))
    assert gates.where is IN


# --- what is too old --------------------------------------------------------------------------------------------------


def test_what_is_too_old_to_count_is_taken_out_and_terminals_are_told(gates: Gates) -> None:
    gates.moves(ONE, IN)
    gates.clock.move(12 * 3600)
    gates.moves(TWO, IN, 12 * 3600, person="bo")
    gates.clock.move(3600)
    with gates.database.transaction() as session:
        assert presence.expire(session, gates.site.project, microseconds(gates.clock.now())) == 1
        assert presence.expire(session, gates.site.project, microseconds(gates.clock.now())) == 0
    assert list(gates.known) == [presence_key("", "bo", "el")]
    wire, other = Wire(), Listening(TWO)
    Publisher(gates.database, SIGNER, wire.send, gates.clock).changed()
    other.hear(*wire.taken())
    assert list(other.tables["presence"].rows) == [presence_key("", "bo", "el")]


def test_what_was_taken_out_long_ago_is_forgotten(gates: Gates) -> None:
    gates.moves(ONE, IN)
    gates.clock.move(timedelta(days=1).total_seconds())
    with gates.database.transaction() as session:
        presence.expire(session, gates.site.project, microseconds(gates.clock.now()))
        head = session.get_one(TableHead, ("presence", gates.site.project))
        head.version += DROPS_REMEMBERED + 1
        put(session, Table.ROSTER, gates.site.project, {b"x": b"y"})
    with gates.database.transaction() as session:
        presence.expire(session, gates.site.project, microseconds(gates.clock.now()))
        assert session.scalars(select(TableRow).where(TableRow.name == "presence")).all() == []


# --- whatever the order -----------------------------------------------------------------------------------------------

MOVES = st.lists(st.tuples(st.sampled_from((ONE, TWO)), st.sampled_from((IN, OUT))), min_size=1, max_size=8)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(moves=MOVES, data=st.data())
def test_whatever_order_and_number_of_batches_the_newest_movement_stands(
    gates: Gates, moves: list[tuple[TerminalId, Direction]], data: st.DataObject
) -> None:
    person = secrets.token_hex(8)  # examples share a database
    gates.chains = {}
    for number, (terminal, direction) in enumerate(moves):
        gates.records(terminal, direction, number - 100, person=person)
    there = sorted(gates.chains)
    for _ in range(data.draw(st.integers(0, 3))):
        gates.sends(*data.draw(st.permutations(there)))
    for terminal in data.draw(st.permutations(there)):
        gates.sends(terminal)
    terminal, direction = moves[-1]
    at = NOW + (len(moves) - 101) * MICROSECONDS
    assert gates.known[presence_key("", person, "el")] == Presence(direction, at, terminal)
