"""Several identities of one card become one card, and cards that nobody is known behind stand in a list."""

import threading
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from cloud.attendance.models import Entry
from cloud.audit.models import Audit
from cloud.audit.service import Action
from cloud.blocklist.service import block
from cloud.clock import microseconds
from cloud.database import Database
from cloud.people.identities import MOST_IDENTITIES
from cloud.people.models import CardConflict, CardIdentity, Company, Person, UnknownCard, UnknownIdentity
from cloud.people.service import Allowance, add_card, add_company, add_person, enrol
from cloud.people.service import Identity as Named
from cloud.projects import service as projects
from cloud.projects.policies import Policies
from cloud.projects.service import ProjectDraft
from cloud.sync.batches import Batch
from cloud.sync.ingest import Ingest, Outcome
from cloud.sync.models import TableHead, TableRow
from protocol.cards import CardId
from protocol.decision import BlockReason, CardAuthentication, Proof, Reason
from protocol.entries import Outcome as Answered
from protocol.entries import encode_payload
from protocol.errors import TerminalId
from protocol.tables import Table, block_key, decode_enrolment
from tests.cloud.chains import Chain, tap
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.support.moved_clock import START, MovedClock
from tests.support.waiting import until

GATE, OTHER = TerminalId("kvarnen-1"), TerminalId("grannen-1")
PIV, UID, EM = "piv:00112233445566778899AABBCCDDEEFF", "uid:04A1B2C3D4E5F6", "em:0102030405"
RANDOM = "uid:08112233"


class Gate:
    """A terminal whose taps are taken in one by one, a minute apart."""

    def __init__(self, database: Database, terminal: TerminalId = GATE) -> None:
        self._ingest = Ingest(database, MovedClock(START + timedelta(days=1)))
        self._chain = Chain(terminal)
        self._minutes = 0

    def reads(self, card: str, *also: str, **told: object) -> None:
        """A card is held there."""
        self._minutes += 1
        at = microseconds(START + timedelta(minutes=self._minutes))
        plain: dict[str, object] = {"person": None, "company": None, "occurred_at": at, "registered_at": at}
        self._chain.add(encode_payload(tap(len(self._chain.payloads), **(plain | {"card": card, "also": also} | told))))
        last = len(self._chain.payloads)
        (answer,) = self._ingest.take([Batch.open(self._chain.terminal, self._chain.packed(last, last))])
        assert answer.outcome is Outcome.TAKEN


@pytest.fixture
def site(database: Database) -> Site:
    with database.transaction() as session:
        return make_site(session, GATE)


@pytest.fixture
def gate(database: Database, site: Site) -> Gate:
    return Gate(database)


def unknown(database: Database) -> list[set[str]]:
    """The identities of each card in the list, the newest first."""
    with database.reading() as session:
        ids = session.scalars(select(UnknownCard.id).order_by(UnknownCard.seen_at.desc())).all()
        found = select(UnknownIdentity.unknown_card_id, UnknownIdentity.identity)
        rows = session.execute(found).all()
    return [{identity for card, identity in rows if card == key} for key in ids]


def identities(database: Database, card: str) -> set[str]:
    """What a card is known by."""
    with database.reading() as session:
        return set(session.scalars(select(CardIdentity.identity).where(CardIdentity.card_id == card)))


def actions(database: Database, action: Action) -> list[dict[str, object]]:
    with database.reading() as session:
        return list(session.scalars(select(Audit.details).where(Audit.action == action).order_by(Audit.id)))


def blocked(database: Database, names: Iterable[str]) -> set[str]:
    """Which of these every terminal refuses."""
    with database.reading() as session:
        salt = session.scalars(select(TableHead.epoch).where(TableHead.name == Table.BLOCKLIST)).one()
        rows = select(TableRow.key).where(TableRow.name == Table.BLOCKLIST, TableRow.value.is_not(None))
        keys = set(session.scalars(rows))
    return {n for n in names if block_key(salt, CardId.parse(n)).to_bytes(8, "big", signed=True) in keys}


# --- cards that nobody is known behind --------------------------------------------------------------------------------


@pytest.mark.feature("A37", "F05")
def test_a_card_that_nobody_is_known_behind_is_listed_once_with_all_that_was_read_of_it(
    database: Database, gate: Gate
) -> None:
    gate.reads(PIV, UID)
    gate.reads(UID)
    gate.reads(EM)
    assert unknown(database) == [{EM}, {PIV, UID}]


@pytest.mark.feature("A37")
def test_two_that_turn_out_to_be_one_card_become_one(database: Database, gate: Gate) -> None:
    """An old reader saw the serial, a new one the PIV number, a third one both."""
    gate.reads(UID)
    gate.reads(PIV)
    assert unknown(database) == [{PIV}, {UID}]
    gate.reads(PIV, UID, EM)
    assert unknown(database) == [{PIV, UID, EM}]


@pytest.mark.feature("F06", "A37")
def test_a_number_that_is_another_one_at_each_touch_is_never_listed(database: Database, gate: Gate) -> None:
    gate.reads(RANDOM)
    gate.reads("no card id")
    gate.reads(PIV, RANDOM)
    assert unknown(database) == [{PIV}]


@pytest.mark.feature("A03", "A37")
@pytest.mark.parametrize(
    ("told", "is_listed"),
    [
        ({"outcome": Answered.GRANTED, "reason": None}, True),
        ({"outcome": Answered.GRANTED, "reason": Reason.BLOCKED}, True),
        ({"outcome": Answered.DENIED, "reason": Reason.NOT_ENROLLED}, True),
        ({"outcome": Answered.DENIED, "reason": Reason.UNBOUND, "project": None, "direction": None}, True),
        ({"outcome": Answered.DENIED, "reason": Reason.BLOCKED}, False),
        ({"outcome": Answered.GRANTED, "reason": Reason.CARD_COPIED, "proof": Proof.COPIED}, False),
        ({"outcome": Answered.GRANTED, "reason": None, "proof": Proof.FOREIGN}, False),
        ({"person": "somebody", "company": "some company"}, False),
    ],
)
def test_a_card_is_listed_that_was_let_in_or_only_lacks_a_person(
    database: Database, gate: Gate, told: dict[str, object], is_listed: bool
) -> None:
    """Who enrols holds the card against a terminal, which may be in closed mode or lie in the office, unbound."""
    gate.reads(PIV, **told)
    assert unknown(database) == ([{PIV}] if is_listed else [])


def test_the_list_says_where_a_card_was_last(database: Database, gate: Gate, site: Site) -> None:
    gate.reads(PIV, reader="left", project="earlier")
    gate.reads(PIV, reader="right", project=site.project)
    with database.reading() as session:
        (card,) = session.scalars(select(UnknownCard)).all()
    assert (card.customer_id, card.terminal, card.reader, card.project) == (site.customer, GATE, "right", site.project)
    assert card.seen_at == START + timedelta(minutes=2)


def test_each_customer_has_a_list_of_its_own(database: Database, gate: Gate) -> None:
    with database.transaction() as session:
        make_site(session, OTHER, name="Grannen AB")
    gate.reads(PIV, UID)
    Gate(database, OTHER).reads(PIV)
    assert unknown(database) == [{PIV, UID}, {PIV}]


def test_somebody_who_gets_a_card_is_known_behind_it_from_then_on(database: Database, gate: Gate, site: Site) -> None:
    gate.reads(PIV, UID)
    with database.transaction() as session:
        card = make_card(session, site, PIV).id
    assert unknown(database) == []
    gate.reads(PIV, UID)
    assert unknown(database) == []
    assert identities(database, card) == {PIV, UID}


# --- several identities of a card that is known -----------------------------------------------------------------------


@pytest.mark.feature("F05", "F06")
def test_identities_read_together_with_one_that_is_known_become_the_same_card(
    database: Database, gate: Gate, site: Site
) -> None:
    """And what was listed under them is nobody's no more."""
    with database.transaction() as session:
        card = make_card(session, site, UID)
        enrol(session, STAFF, START, site.project, card.id, Allowance(long_access=True))
    gate.reads(EM, PIV)
    gate.reads(PIV, UID, person=card.person_id, company=card.company_id)
    assert identities(database, card.id) == {PIV, UID, EM}
    assert unknown(database) == []
    with database.reading() as session:
        here = (TableRow.name == Table.ROSTER, TableRow.scope == site.project)
        rows = session.execute(select(TableRow.key, TableRow.value).where(*here)).all()
    assert {key.decode() for key, _ in rows} == {PIV, UID, EM}
    assert {decode_enrolment(value or b"").person for _, value in rows} == {card.person_id}
    assert all(decode_enrolment(value or b"").long_access for _, value in rows)
    (details,) = actions(database, Action.CARD_JOINED)
    assert details == {"cards": [CardId.parse(PIV).masked, CardId.parse(EM).masked]}


@pytest.mark.feature("A01", "F05")
def test_where_one_identity_is_blocked_those_that_are_learnt_are_too(
    database: Database, gate: Gate, site: Site
) -> None:
    with database.transaction() as session:
        make_card(session, site, UID)
        block(session, STAFF, START, CardId.parse(UID), BlockReason.LOST)
    gate.reads(PIV, UID)
    assert blocked(database, {PIV, UID, EM}) == {PIV, UID}


def test_nothing_is_learnt_of_a_card_that_was_refused_or_caught(database: Database, gate: Gate, site: Site) -> None:
    """Else who copies a number could have his own card enrolled with it."""
    with database.transaction() as session:
        card = make_card(session, site, PIV).id
    gate.reads(PIV, UID, outcome=Answered.DENIED, reason=Reason.NOT_ENROLLED)
    gate.reads(PIV, UID, reason=Reason.CARD_COPIED, proof=Proof.COPIED)
    assert identities(database, card) == {PIV}


@pytest.mark.feature("F05")
def test_an_identity_of_another_card_stays_there_and_is_told_once(database: Database, gate: Gate, site: Site) -> None:
    with database.transaction() as session:
        annas, others = make_card(session, site, PIV).id, make_card(session, site, UID, EM, name="Bo").id
    gate.reads(PIV, UID)
    gate.reads(PIV, UID)
    assert (identities(database, annas), identities(database, others)) == ({PIV}, {UID, EM})
    with database.reading() as session:
        (found,) = session.scalars(select(CardConflict)).all()
    assert (found.card_id, found.identity, found.other_card_id) == (annas, UID, others)
    assert found.seen_at == START + timedelta(minutes=2)
    (details,) = actions(database, Action.CARD_CONFLICTED)
    assert details == {"card": CardId.parse(UID).masked, "other": others}


def test_two_cards_of_one_person_for_one_company_may_tell_the_same_number(
    database: Database, gate: Gate, site: Site
) -> None:
    with database.transaction() as session:
        card = make_card(session, site, PIV)
        person, company = session.get_one(Person, card.person_id), session.get_one(Company, card.company_id)
        add_card(session, STAFF, START, person, company, (CardId.parse(UID),))
    gate.reads(PIV, UID)
    assert actions(database, Action.CARD_CONFLICTED) == []


@pytest.mark.feature("F05")
@pytest.mark.parametrize("policy", CardAuthentication)
def test_where_a_project_requires_proof_a_serial_vouches_for_no_guid(
    database: Database, gate: Gate, site: Site, policy: CardAuthentication
) -> None:
    """A good card of somebody else, relayed behind the serial of Anna's, must not become hers; at no gate of theirs."""
    with database.transaction() as session:
        annas = make_card(session, site, UID).id
        other = projects.create(session, STAFF, START, ProjectDraft(site.customer, "Kajen", "B2EX4MP3L2026")).id
        projects.set_policies(session, STAFF, START, other, Policies(card_authentication=policy))
    gate.reads(PIV, UID, EM, project=site.project, proof=Proof.GENUINE)
    strict = policy is CardAuthentication.REQUIRE
    assert identities(database, annas) == ({UID} if strict else {PIV, UID, EM})
    assert unknown(database) == ([{PIV, EM}] if strict else [])


@pytest.mark.feature("F05")
def test_a_guid_that_is_known_learns_its_serial_where_proof_is_required(
    database: Database, gate: Gate, site: Site
) -> None:
    with database.transaction() as session:
        card = make_card(session, site, PIV).id
        policies = Policies(card_authentication=CardAuthentication.REQUIRE)
        projects.set_policies(session, STAFF, START, site.project, policies)
    gate.reads(PIV, UID, proof=Proof.GENUINE)
    assert identities(database, card) == {PIV, UID}


def test_a_chip_that_tells_a_new_number_at_each_touch_fills_nothing(database: Database, gate: Gate, site: Site) -> None:
    with database.transaction() as session:
        card = make_card(session, site, PIV).id
    for number in range(12):
        gate.reads(PIV, f"uid:0400000000{number:04X}")
        gate.reads(EM, f"uid:0499999999{number:04X}")
    assert len(identities(database, card)) == MOST_IDENTITIES
    assert sorted(len(each) for each in unknown(database) if EM in each) == [MOST_IDENTITIES]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_two_processes_that_see_a_card_at_the_same_moment_list_it_once(
    database: Database, gate: Gate, site: Site
) -> None:
    """The later one waits for the first, and leaves it at that; the entry of its tap is kept."""
    with database.transaction() as first:
        first.add(
            UnknownCard(id="first", customer_id=site.customer, seen_at=START, terminal=GATE, reader="", project=None)
        )
        first.flush()
        first.add(UnknownIdentity(customer_id=site.customer, identity=PIV, unknown_card_id="first"))
        first.flush()
        second = threading.Thread(target=gate.reads, args=[PIV])
        second.start()
        until(lambda: waiting_for_locks(database) > 0, what="the second process waiting for the first")
    second.join(30)
    assert unknown(database) == [{PIV}]
    with database.reading() as session:
        assert session.scalars(select(Entry.card)).all() == [PIV]


def waiting_for_locks(database: Database) -> int:
    """How many of the server's processes wait for another one's transaction to end."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.reading() as session:
        return int(session.scalar(text(count)) or 0)


names = st.sampled_from([PIV, UID, EM, "uid:11223344", "uid:55667788", RANDOM])
read = st.lists(names, min_size=1, max_size=3, unique=True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(read, max_size=8))
def test_in_whatever_order_cards_come_each_identity_is_of_one_card(
    database: Database, gate: Gate, site: Site, happened: list[list[str]]
) -> None:
    """What was ever read together is one card, and somebody's where one of its identities was."""
    with database.transaction() as session:
        for model in (UnknownCard, CardConflict, CardIdentity):
            session.query(model).delete()
        company = add_company(session, STAFF, START, site.customer, Named("El AB", "5561034249"))
        person = add_person(session, STAFF, START, site.customer, Named("Anna", "189304121230"))
        card = add_card(session, STAFF, START, person, company, (CardId.parse(PIV),)).id
    groups: list[set[str]] = [{PIV}]
    for together in happened:
        gate.reads(together[0], *together[1:])
        lasting = {each for each in together if each != RANDOM}
        touched = [group for group in groups if group & lasting]
        groups = [group for group in groups if group not in touched]
        if lasting:
            groups.append(set().union(lasting, *touched))
    (hers,) = [group for group in groups if PIV in group]
    assert identities(database, card) == hers
    assert sorted(map(sorted, unknown(database))) == sorted(sorted(group) for group in groups if group != hers)
