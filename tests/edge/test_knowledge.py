"""What a gate knows when a card is held against it: its own movements, the other gates', and what the policies ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.readers import CardSeen
from protocol.cards import CardId
from protocol.clock import ClockQuality
from protocol.decision import BlockReason, Credential, Denied, Facts, Granted, Proof, Reason
from protocol.passes import LONGEST_PASS, Direction, still_counting
from protocol.tables import presence_key
from tests.support.gate import ANNA, BORIS, NOON, PROJECT, Gate, gate

HOUR = 3_600_000_000
COMPANY, OTHER_COMPANY = "00000000000000c1", "00000000000000c2"
ANNAS = presence_key("any card", "anna", COMPANY)
BORISES = presence_key(str(BORIS), None, None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Gate]:
    """A gate of a project, where Anna is enrolled and Boris' card is nobody's."""
    with gate(tmp_path) as opened:
        opened.cloud.bind()
        opened.cloud.enrol(ANNA, "anna", COMPANY)
        yield opened


def known(site: Gate, card: CardId = ANNA, reader: str = "both", also: tuple[CardId, ...] = ()) -> Facts:
    return site.terminal.knowledge.of(CardSeen(card, reader, also), site.clock.read())


def enrolled(facts: Facts) -> str | None:
    """Whose card it is."""
    return None if facts.enrolment is None else facts.enrolment.person


def way(site: Gate, card: CardId = ANNA) -> Direction | None:
    """Which way the movement goes that counts for somebody."""
    movement = known(site, card).movement
    return None if movement is None else movement.direction


# --- cards with several identities ------------------------------------------------------------------------------------

PIV = CardId.parse("piv:00112233445566778899AABBCCDDEEFF")
OLD = CardId.parse("em:0102030405")


@pytest.mark.feature("F05", "F06")
def test_a_card_is_known_by_the_first_of_its_identities_that_is_enrolled(site: Gate) -> None:
    """The roster may know only the number that an older reader read."""
    site.cloud.enrol(OLD, "carl")
    assert enrolled(known(site, PIV, also=(BORIS, ANNA, OLD))) == "anna"
    assert enrolled(known(site, PIV, also=(OLD, ANNA))) == "carl"
    assert enrolled(known(site, PIV, also=(BORIS,))) is None


@pytest.mark.feature("F13")
def test_a_card_is_blocked_when_any_of_its_identities_is(site: Gate) -> None:
    site.cloud.block(OLD, BlockReason.TERMINATED)
    assert known(site, ANNA, also=(PIV,)).blocked is None
    assert known(site, ANNA, also=(PIV, OLD)).blocked is BlockReason.TERMINATED
    assert known(site, OLD, also=(ANNA,)).blocked is BlockReason.TERMINATED


def test_nothing_is_looked_up_under_a_number_that_is_another_one_at_each_touch(site: Gate) -> None:
    wandering = CardId.parse("uid:08A1B2C3")
    site.cloud.enrol(wandering, "nobody")
    site.cloud.block(wandering)
    facts = known(site, wandering)
    assert (facts.is_random, facts.enrolment, facts.blocked) == (True, None, None)
    facts = known(site, ANNA, also=(wandering,))
    assert (facts.is_random, enrolled(facts), facts.blocked) == (False, "anna", None)


def test_what_a_card_says_of_itself_reaches_the_decision(site: Gate) -> None:
    told = Credential(Proof.GENUINE, 1, 2)
    seen = CardSeen(ANNA, "both", credential=told)
    assert site.terminal.knowledge.of(seen, site.clock.read()).credential == told


# --- presence ---------------------------------------------------------------------------------------------------------


def test_who_came_in_at_another_gate_goes_out_at_this_one(site: Gate) -> None:
    site.cloud.tell(ANNAS, Direction.IN, NOON - HOUR)
    assert site.tap(ANNA).verdict.direction is Direction.OUT
    assert site.tap(ANNA).verdict.direction is Direction.IN


def test_a_card_without_a_person_is_known_from_another_gate_too(site: Gate) -> None:
    site.cloud.tell(BORISES, Direction.IN, NOON - HOUR)
    assert site.tap(BORIS).verdict.direction is Direction.OUT


def test_what_the_cloud_says_of_an_earlier_time_does_not_undo_what_was_seen_here(site: Gate) -> None:
    """The echo of one's own taps comes late, and so does what other gates sent."""
    site.tap(ANNA)
    site.cloud.tell(ANNAS, Direction.OUT, NOON - HOUR)
    assert way(site) is Direction.IN
    site.cloud.tell(ANNAS, Direction.OUT, site.clock.utc + 1)
    assert way(site) is Direction.OUT


def test_presence_of_thirteen_hours_ago_is_nothing(site: Gate) -> None:
    site.cloud.tell(ANNAS, Direction.IN, NOON - LONGEST_PASS)
    assert site.tap(ANNA, "both").verdict.direction is Direction.IN


def test_each_company_of_a_person_has_its_own_presence(site: Gate) -> None:
    """The card decides for whom somebody works; one works for two, in turn."""
    second = CardId.parse("uid:04000000000002")
    site.cloud.enrol(second, "anna", OTHER_COMPANY)
    assert site.tap(ANNA).verdict.direction is Direction.IN
    assert site.tap(second).verdict.direction is Direction.IN
    assert site.tap(ANNA).verdict.direction is Direction.OUT
    assert site.tap(second).verdict.direction is Direction.OUT
    assert [(tap.person, tap.company) for tap in site.taps] == [("anna", COMPANY), ("anna", OTHER_COMPANY)] * 2


def test_presence_of_another_project_goes_with_the_binding(site: Gate) -> None:
    site.cloud.tell(ANNAS, Direction.IN, NOON - HOUR)
    site.cloud.bind(project="another", tables=())
    site.cloud.bind()
    assert way(site) is None


def test_under_a_clock_that_cannot_be_trusted_what_was_seen_since_the_boot_counts(site: Gate) -> None:
    site.clock.quality, site.clock.utc = ClockQuality.UNTRUSTED, HOUR
    site.tap(ANNA, "in")
    site.cloud.tell(ANNAS, Direction.OUT, NOON)
    assert way(site) is Direction.IN


# --- how many are inside ----------------------------------------------------------------------------------------------


@pytest.mark.feature("F14")
def test_the_limit_counts_who_is_inside_at_any_gate_once(site: Gate) -> None:
    site.cloud.bind(occupancy_limit=3)
    site.tap(ANNA, "in")
    for name, direction, ago in [("carl", Direction.IN, HOUR), ("dora", Direction.OUT, 0), ("eve", Direction.IN, HOUR)]:
        site.cloud.tell(presence_key("", name, COMPANY), direction, site.clock.utc - ago)
    site.cloud.tell(presence_key("", "frank", COMPANY), Direction.IN, NOON - LONGEST_PASS)  # forgot to tap out
    site.cloud.tell(ANNAS, Direction.IN, site.clock.utc)  # the echo
    assert known(site).inside == 3
    assert site.tap(BORIS, "in").verdict == Denied(Reason.OCCUPANCY_LIMIT, Direction.IN)
    assert isinstance(site.tap(ANNA, "in").verdict, Granted)
    site.tap(ANNA, "out")
    assert known(site).inside == 2
    assert isinstance(site.tap(BORIS, "in").verdict, Granted)


@pytest.mark.feature("F14")
def test_who_left_through_another_gate_is_no_longer_counted(site: Gate) -> None:
    site.cloud.bind(occupancy_limit=3)
    site.tap(ANNA, "in")
    site.tap(BORIS, "in")
    site.cloud.tell(ANNAS, Direction.OUT, site.clock.utc + 1)
    assert known(site).inside == 1


def test_nobody_is_counted_where_nothing_is_limited(site: Gate) -> None:
    site.tap(ANNA, "in")
    assert known(site).inside == 0


people = st.sampled_from(["anna", "carl", "dora", "eve"])
told = st.tuples(st.just(True), people, st.sampled_from(Direction), st.integers(0, 20))
seen = st.tuples(st.just(False), people, st.sampled_from(["in", "out"]), st.integers(0, 20))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(told | seen, max_size=12), st.booleans())
def test_the_count_is_that_of_asking_for_everybody(
    tmp_path_factory: pytest.TempPathFactory, happened: list[tuple[bool, str, str, int]], trusted: bool
) -> None:
    """Whatever was seen here and told by the cloud, in whatever order and by whatever clock."""
    with gate(tmp_path_factory.mktemp("gate")) as site:
        site.cloud.bind(occupancy_limit=1000, reset="03:00")
        cards = {name: CardId.parse(f"uid:0000000{number}") for number, name in enumerate("acde")}
        for name in ("anna", "carl", "dora", "eve"):
            site.cloud.enrol(cards[name[0]], name, COMPANY)
        for by_cloud, name, direction, hours in happened:
            if by_cloud:
                site.cloud.tell(presence_key("", name, COMPANY), Direction(direction), site.clock.utc - hours * HOUR)
            else:
                site.clock.pass_by(hours * 900)
                site.tap(cards[name[0]], direction)
        site.clock.quality = ClockQuality.SYNCHRONISED if trusted else ClockQuality.UNTRUSTED
        now = site.clock.read()
        last = [known(site, card).movement for card in cards.values()]
        counting = [still_counting(movement, "03:00", "Europe/Stockholm", now) for movement in last]
        inside = sum(movement is not None and movement.direction is Direction.IN for movement in counting)
        assert known(site).inside == inside


# --- doors and silence ------------------------------------------------------------------------------------------------


def test_a_reader_knows_the_doors_it_stands_at(site: Gate) -> None:
    assert (known(site).at_doors, known(site, reader="shed").at_doors) == (None, ("shed",))


def test_silence_counts_only_where_doors_expire_by_it(site: Gate) -> None:
    site.tables.heard(site.clock.read())
    site.clock.pass_by(3600)
    assert known(site).unheard_for == 0
    site.cloud.bind(doors_expire_after_offline=60)
    assert known(site).unheard_for == HOUR
    site.tables.heard(site.clock.read())
    assert known(site).unheard_for == 0


def test_the_versions_it_is_known_from_are_those_of_the_tables(site: Gate) -> None:
    site.cloud.tell(ANNAS, Direction.IN, NOON)
    assert site.terminal.knowledge.versions == {"binding": 1, "roster": 1, "presence": 1}
    assert site.tables.binding is not None
    assert site.tables.binding.project == PROJECT
