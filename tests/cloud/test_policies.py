"""Policies of a project: checked field by field, written down in the audit, and heard by its terminals at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cloud.app import bring_up_to_date
from cloud.audit.models import Audit
from cloud.audit.service import Action
from cloud.database import Database
from cloud.errors import FieldInvalid, NotFound
from cloud.people.service import Allowance, enrol
from cloud.projects import service as projects
from cloud.projects.models import Project
from cloud.projects.policies import Policies
from cloud.projects.service import set_policies
from cloud.sync.models import TableRow
from cloud.units.service import Placement, bind, renew_every_binding
from protocol.decision import AntiPassback, Binding, CardAuthentication, ClockPolicy, Enrolment
from protocol.rights import Hours, Right
from protocol.tables import decode_binding, decode_enrolment
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.support.moved_clock import START

GATE = "kvarnen-1"
UID, PIV = "uid:04A1B2C3D4E5F6", "piv:00112233445566778899AABBCCDDEEFF"
DAYS = Right("days", None, (Hours((0, 1, 2, 3, 4), 360, 1080),))
NIGHTS = Right("nights", ("grind",), (Hours((0, 1, 2, 3, 4, 5, 6), 1260, 360), Hours((7,), 0, 0)))
ALL = Policies(
    anti_passback=AntiPassback.TIMED,
    anti_passback_minutes=15,
    occupancy_limit=80,
    doors_expire_after_offline=1440,
    clock_untrusted=ClockPolicy.ALWAYS_ONLY,
    holidays=("2026-12-24", "2026-12-25"),
    rights=(DAYS, NIGHTS),
    card_authentication=CardAuthentication.PREFER,
)


@pytest.fixture
def site(database: Database) -> Site:
    with database.transaction() as session:
        made = make_site(session, GATE)
        bind(session, STAFF, START, GATE, Placement(made.project, "Grinden", ("grind",)))
    return made


def regulate(database: Database, site: Site, policies: Policies) -> None:
    with database.transaction() as session:
        set_policies(session, site.scope, START, site.project, policies)


def binding(database: Database) -> Binding:
    """What the terminal is told."""
    with database.reading() as session:
        value = session.scalars(select(TableRow.value).filter_by(name="binding", scope=GATE)).one()
    assert value is not None
    return decode_binding(value)


def enrolment(database: Database, site: Site) -> Enrolment:
    """What the project's terminals know of the card."""
    with database.reading() as session:
        found = select(TableRow.value).filter_by(name="roster", scope=site.project, key=PIV.encode())
        value = session.scalars(found).one()
    assert value is not None
    return decode_enrolment(value)


@pytest.mark.feature("F05", "F14", "F15")
def test_policies_reach_the_bindings_of_the_projects_terminals(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    told = binding(database)
    assert (told.anti_passback, told.anti_passback_minutes) == (AntiPassback.TIMED, 15)
    assert (told.occupancy_limit, told.doors_expire_after_offline) == (80, 1440)
    assert (told.clock_untrusted, told.holidays) == (ClockPolicy.ALWAYS_ONLY, ALL.holidays)
    assert told.rights == (DAYS, NIGHTS)
    assert told.card_authentication is CardAuthentication.PREFER
    assert (told.project, told.place, told.doors) == (site.project, "Grinden", ("grind",))


def test_who_is_bound_later_hears_them_too(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    with database.transaction() as session:
        bind(session, STAFF, START, GATE, Placement(site.project, "Andra grinden", ()))
    assert binding(database).rights == (DAYS, NIGHTS)
    regulate(database, site, Policies())
    assert binding(database).rights == ()
    assert binding(database).anti_passback is AntiPassback.OFF


def test_what_was_set_is_in_the_audit_and_the_same_when_read(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    with database.reading() as session:
        details = session.scalars(select(Audit.details).where(Audit.action == Action.PROJECT_REGULATED)).one()
        assert Policies.load(details) == ALL
        assert Policies.load(session.get_one(Project, site.project).policies) == ALL
    regulate(database, site, Policies())
    with database.reading() as session:
        assert session.get_one(Project, site.project).policies == {}


def test_another_customers_project_is_not_found(database: Database, site: Site) -> None:
    with database.transaction() as session:
        neighbour = make_site(session, name="Grannen AB")
        with pytest.raises(NotFound):
            set_policies(session, neighbour.scope, START, site.project, ALL)


HOURS = (Hours((0,), 0, 60),)
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("anti_passback_minutes", {"anti_passback": AntiPassback.TIMED}),
    ("anti_passback_minutes", {"anti_passback_minutes": -1}),
    ("anti_passback_minutes", {"anti_passback_minutes": 13 * 60 + 1}),
    ("anti_passback", {"anti_passback": "sometimes"}),
    ("occupancy_limit", {"occupancy_limit": 0}),
    ("occupancy_limit", {"occupancy_limit": 10**9}),
    ("doors_expire_after_offline", {"doors_expire_after_offline": 0}),
    ("doors_expire_after_offline", {"doors_expire_after_offline": 10**9}),
    ("clock_untrusted", {"clock_untrusted": "whatever"}),
    ("card_authentication", {"card_authentication": "sometimes"}),
    ("holidays", {"holidays": ("2026-02-30",)}),
    ("holidays", {"holidays": ("Christmas",)}),
    ("holidays", {"holidays": ("20261224",)}),
    ("holidays", {"holidays": tuple(f"{year}-01-01" for year in range(1000, 1201))}),
    ("rights", {"rights": (Right(""),)}),
    ("rights", {"rights": (Right(" days"),)}),
    ("rights", {"rights": (Right("da\nys"),)}),
    ("rights", {"rights": (DAYS, DAYS)}),
    ("rights", {"rights": (Right("x" * 121),)}),
    ("rights", {"rights": (Right("x", ()),)}),
    ("rights", {"rights": (Right("x", ("",)),)}),
    ("rights", {"rights": (Right("x", tuple(map(str, range(17)))),)}),
    ("rights", {"rights": (Right("x", None, ()),)}),
    ("rights", {"rights": (Right("x", None, HOURS * 17),)}),
    ("rights", {"rights": (Right("x", None, (Hours((), 0, 60),)),)}),
    ("rights", {"rights": (Right("x", None, (Hours((8,), 0, 60),)),)}),
    ("rights", {"rights": (Right("x", None, (Hours((0,), -1, 60),)),)}),
    ("rights", {"rights": (Right("x", None, (Hours((0,), 0, 1441),)),)}),
    ("rights", {"rights": tuple(Right(str(number)) for number in range(33))}),
    ("rights", {"rights": tuple(Right("x" * 118 + str(n), ("d" * 120,) * 15) for n in range(10, 30))}),
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is wrong shows before any database
@pytest.mark.parametrize(("where", "wrong"), WRONG, ids=str)
def test_what_is_wrong_is_named_by_its_field_and_changes_nothing(
    database: Database, site: Site, where: str, wrong: dict[str, Any]
) -> None:
    regulate(database, site, ALL)
    with pytest.raises(FieldInvalid) as caught:
        regulate(database, site, Policies(**wrong))
    assert caught.value.field == where
    assert binding(database).rights == (DAYS, NIGHTS)


def test_holidays_stand_in_order_and_once(database: Database, site: Site) -> None:
    regulate(database, site, Policies(holidays=("2026-12-25", "2026-12-24", "2026-12-25")))
    assert binding(database).holidays == ("2026-12-24", "2026-12-25")


@given(
    stored=st.dictionaries(st.text() | st.sampled_from(Policies.__struct_fields__), st.none() | st.text(), max_size=3)
)
def test_whatever_stands_in_a_form_is_taken_or_refused_by_name(stored: dict[str, Any]) -> None:
    fields = {"policies"}
    try:
        Policies.load(stored).checked()
    except FieldInvalid as fault:
        fields.add(fault.field)
    assert fields <= {*Policies.__struct_fields__, "policies"}


# --- what an enrolled person may ------------------------------------------------------------------------------------


@pytest.mark.feature("F12", "F15")
def test_what_a_person_may_reaches_the_roster_by_every_identity(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    with database.transaction() as session:
        card = make_card(session, site, UID, PIV)
        enrol(session, site.scope, START, site.project, card.id)
        person, company = card.person_id, card.company_id
    assert enrolment(database, site) == Enrolment(person, company)
    with database.transaction() as session:
        allowance = Allowance(("nights", "days", "nights"), long_access=True)
        enrol(session, site.scope, START, site.project, card.id, allowance)
    assert enrolment(database, site) == Enrolment(person, company, ("nights", "days"), True)
    with database.reading() as session:
        details = session.scalars(select(Audit.details).where(Audit.action == Action.CARD_ENROLLED)).all()[-1]
        assert details == {"project": site.project, "rights": ["nights", "days"], "long_access": True}
    with database.transaction() as session:
        enrol(session, site.scope, START, site.project, card.id)
    assert enrolment(database, site) == Enrolment(person, company)


@pytest.mark.parametrize("rights", [(), ("weekends",), ("days", "weekends")])
def test_only_rights_that_the_project_has_can_be_given(database: Database, site: Site, rights: tuple[str, ...]) -> None:
    regulate(database, site, ALL)
    with database.transaction() as session:
        card = make_card(session, site, UID)
        with pytest.raises(FieldInvalid, match="days, nights"):
            enrol(session, site.scope, START, site.project, card.id, Allowance(rights))


def test_a_right_that_people_have_cannot_go(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    with database.transaction() as session:
        card = make_card(session, site, UID)
        enrol(session, site.scope, START, site.project, card.id, Allowance(("nights",)))
    with pytest.raises(FieldInvalid, match="enrolled people have 'nights'"):
        regulate(database, site, Policies(rights=(DAYS,)))
    regulate(database, site, Policies(rights=(NIGHTS,)))
    assert binding(database).rights == (NIGHTS,)


# --- after an upgrade -----------------------------------------------------------------------------------------------


def test_after_an_upgrade_terminals_hear_what_the_last_program_did_not_say(database: Database, site: Site) -> None:
    with database.transaction() as session:
        row = session.get_one(TableRow, ("binding", GATE, b""))
        row.value, version = b"what an older program said", row.version
    with database.transaction() as session:
        renew_every_binding(session)
    assert {table.name for table in binding(database).tables} == {"roster", "blocklist", "presence"}
    with database.transaction() as session:
        renew_every_binding(session)
        assert session.get_one(TableRow, ("binding", GATE, b"")).version == version + 1
    assert bring_up_to_date(database) == 0


def test_a_project_that_ended_keeps_its_policies(database: Database, site: Site) -> None:
    regulate(database, site, ALL)
    with database.transaction() as session:
        projects.end(session, site.scope, START, site.project)
    assert binding(database).ended
    assert binding(database).rights == (DAYS, NIGHTS)
