"""The pages of cards that nobody is known behind: a card held at a terminal stands there, and is given to somebody."""

import asyncio
import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from cloud.audit.models import Audit
from cloud.audit.service import Action
from cloud.people.models import Card, CardConflict, CardIdentity, Company, Person, UnknownCard
from cloud.projects.models import ProjectPerson
from cloud.sync.models import TableRow
from cloud.wakeups import Wakeups
from protocol.decision import Direction, Reason
from protocol.entries import Outcome
from protocol.tables import Table, decode_enrolment
from tests.support.listening import listening
from tests.support.moved_clock import MovedClock
from tests.support.portal_site import (
    ELECTRICIAN,
    FOREIGN_LOOSE,
    GATE,
    LOOSE,
    LOOSE_IDENTITIES,
    SPARE,
    Holder,
    Site,
    TapDraft,
)
from tests.support.queries import counted
from tests.support.visitor import Visitor, words_of

FORM = f"/cards/{LOOSE}"
NEW = Holder("em:0A0B0C0D0E")


def ids(site: Site, name: str) -> tuple[str, str]:
    """The person of that name, and the electrician's company."""
    with site.database.reading() as rows:
        person = rows.scalars(select(Person.id).where(Person.name == name)).one()
        return person, rows.scalars(select(Company.id).where(Company.name == ELECTRICIAN.name)).one()


def held(site: Site) -> tuple[Card, set[str]]:
    """The card that was given last, and its identities."""
    with site.database.reading() as rows:
        key = rows.scalars(select(CardIdentity.card_id).where(CardIdentity.identity == LOOSE_IDENTITIES[0])).one()
        names = set(rows.scalars(select(CardIdentity.identity).where(CardIdentity.card_id == key)))
        return rows.get_one(Card, key), names


def people(site: Site) -> list[int | None]:
    """How many people, companies and cards there are."""
    with site.database.reading() as rows:
        return [rows.scalar(select(func.count()).select_from(model)) for model in (Person, Company, Card, UnknownCard)]


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("A37", "F05")
def test_the_list_tells_every_number_that_was_read_of_a_card_and_where_it_was_last(karin: Visitor) -> None:
    said = words_of(karin.get("/cards"))
    assert "PIV-nummer 3F2504E04F8941D39A0C0305E82C3301 Chipnummer 04C0FFEE99AA80" in said
    assert "05:00:00 5 nov CET Norra grinden entré Kvarnen etapp 2" in said
    assert "0455667788AA80" not in said, "the neighbour's"


@pytest.mark.feature("A37")
@pytest.mark.parametrize(
    "told",
    [
        (GATE, Outcome.GRANTED, None),
        (GATE, Outcome.DENIED, Reason.NOT_ENROLLED),
        (SPARE, Outcome.DENIED, Reason.UNBOUND),
    ],
)
def test_a_card_held_against_a_terminal_stands_on_the_open_page_by_itself(
    site: Site,
    web: FastAPI,
    wakeups: Wakeups,
    karin: Visitor,
    clock: MovedClock,
    told: tuple[str, Outcome, Reason | None],
) -> None:
    terminal, outcome, reason = told
    cookies = "; ".join(f"{name}={value}" for name, value in karin.client.cookies.items())
    project, way = (None, None) if reason is Reason.UNBOUND else (site.project, Direction.IN)

    async def story() -> str:
        carrying = asyncio.create_task(wakeups.run())
        async with listening(web, "/live/cards", cookies) as line:
            assert "0A0B0C0D0E" not in await line.fragment()
            draft = TapDraft(terminal, NEW, clock.now(), project, way, outcome, reason)
            await asyncio.to_thread(site.tap, draft)
            shown = await line.fragment()
        carrying.cancel()
        return shown

    shown = asyncio.run(story())
    assert shown.index("0A0B0C0D0E") < shown.index("04C0FFEE99AA80"), "the one seen last stands first"


def test_where_somebody_is_known_behind_every_card_the_page_says_what_will_appear(karin: Visitor, site: Site) -> None:
    with site.database.transaction() as rows:
        rows.delete(rows.get_one(UnknownCard, LOOSE))
    assert "Det finns en person bakom varje kort" in words_of(karin.get("/cards"))


def test_a_number_that_two_cards_have_is_shown_for_a_month(karin: Visitor, site: Site, clock: MovedClock) -> None:
    with site.database.transaction() as rows:
        first, other = rows.scalars(select(Card).order_by(Card.id).limit(2)).all()
        for name, days in (("uid:04A1B2C3D4E501", 29), ("uid:04A1B2C3D4E502", 31)):
            key = {"card_id": first.id, "identity": name, "other_card_id": other.id, "customer_id": site.customer}
            rows.add(CardConflict(**key, seen_at=clock.now() - timedelta(days=days)))
        holders = [rows.get_one(Person, card.person_id).name for card in (first, other)]
    said = words_of(karin.get("/cards"))
    said_of_both = rf"Läst av kortet för {holders[0]}, .*, men hör till kortet för {holders[1]}, .* 04A1B2C3D4E501"
    assert re.search(said_of_both, said)
    assert "04A1B2C3D4E502" not in said


def test_the_pages_keep_their_budget_of_queries(karin: Visitor, site: Site) -> None:
    for path, budget in (("/cards", 4), (FORM, 6)):
        with counted(site.database) as statements:
            assert karin.get(path).status_code == 200
        assert len(statements) == budget, statements


# --- giving one to somebody -------------------------------------------------------------------------------------------


@pytest.mark.feature("A37", "F05")
def test_a_card_is_given_to_somebody_who_is_known_with_all_its_numbers_and_let_in(karin: Visitor, site: Site) -> None:
    person, company = ids(site, "Anna Lindqvist")
    answer = karin.send(FORM, {"person": person, "company": company, "projects": site.project})
    assert "Kortet har fått en ägare" in words_of(karin.follow(answer))
    card, names = held(site)
    assert (card.person_id, card.company_id, card.customer_id) == (person, company, site.customer)
    assert names == set(LOOSE_IDENTITIES)
    with site.database.reading() as rows:
        assert rows.get(ProjectPerson, (site.project, card.id)) is not None
        here = (TableRow.name == Table.ROSTER, TableRow.scope == site.project)
        for name in names:
            value = rows.scalars(select(TableRow.value).where(*here, TableRow.key == name.encode())).one()
            assert decode_enrolment(value or b"").person == person
        given = select(Audit.details).where(Audit.action == Action.CARD_GIVEN, Audit.subject == card.id)
        assert rows.scalars(given).all() == [{"identities": 2}]
        assert rows.get(UnknownCard, LOOSE) is None


@pytest.mark.feature("A37")
def test_a_card_is_given_to_somebody_new_of_a_new_company(karin: Visitor, site: Site) -> None:
    before = people(site)
    fields = {"person_name": " Ny  Person ", "person_number": "189001019802", "company_name": "Nytt AB"}
    assert karin.send(FORM, {**fields, "company_number": "5560160680"}).status_code == 303
    card, _ = held(site)
    with site.database.reading() as rows:
        person, company = rows.get_one(Person, card.person_id), rows.get_one(Company, card.company_id)
        assert rows.scalars(select(ProjectPerson).where(ProjectPerson.card_id == card.id)).all() == []
    assert (person.name, person.personal_number, person.customer_id) == ("Ny Person", "189001019802", site.customer)
    assert (company.name, company.org_number, company.customer_id) == ("Nytt AB", "5560160680", site.customer)
    assert people(site) == [(before[0] or 0) + 1, (before[1] or 0) + 1, (before[2] or 0) + 1, (before[3] or 0) - 1]


def test_the_form_offers_the_customers_people_and_ticks_the_project_where_the_card_was(
    karin: Visitor, site: Site
) -> None:
    page = karin.get(FORM).text
    assert "Anna Lindqvist (18930412)" in page
    assert "Nordanå El &amp; Larm AB (5561034249)" in page
    assert re.findall(r'value="(\w+)" checked', page) == [site.project]
    assert site.neighbours_project not in page
    assert site.ended_project not in page


WRITTEN = {"person_name": "Ny Person", "company_name": "Nytt AB"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Välj i listan, eller skriv ett namn."),
        (WRITTEN | {"person_name": " "}, "Välj i listan, eller skriv ett namn."),
        (WRITTEN | {"person": "known"}, "Välj i listan eller skriv ett nytt namn, inte båda."),
        (WRITTEN | {"person_name": "", "person": "nobody"}, "Valet finns inte längre."),
        (WRITTEN | {"projects": "ended"}, "Valet finns inte längre."),
        (WRITTEN | {"company_name": "x" * 201}, "Högst 200 tecken"),
        (WRITTEN | {"company_number": "1" * 61}, "Högst 200 tecken"),
        (WRITTEN | {"person_name": "a\x07b"}, "Skriv med vanliga tecken."),
        (WRITTEN | {"company_number": "1\u202e2"}, "Skriv med vanliga tecken."),
    ],
)
def test_a_form_with_a_mistake_says_it_and_gives_nothing(
    karin: Visitor, site: Site, fields: dict[str, str], said: str
) -> None:
    known = {"known": ids(site, "Anna Lindqvist")[0], "ended": site.ended_project}
    before = people(site)
    answer = karin.send(FORM, {name: known.get(value, value) for name, value in fields.items()})
    assert answer.status_code == 400
    assert said in words_of(answer)
    assert people(site) == before


def test_nobody_of_another_customer_can_be_chosen(karin: Visitor, site: Site) -> None:
    with site.database.transaction() as rows:
        rows.add(Person(id="00000000000000d7", customer_id=site.neighbour, name="Grannens", personal_number=None))
    answer = karin.send(FORM, {"person": "00000000000000d7", "company_name": "Nytt AB"})
    assert answer.status_code == 400
    assert karin.get(f"/cards/{FOREIGN_LOOSE}").status_code == 404


def test_a_card_that_was_given_meanwhile_is_not_there_any_more(karin: Visitor) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', karin.get(FORM).text)
    assert token
    answers = [karin.client.post(FORM, data={"csrf": token[1], **WRITTEN}).status_code for _ in range(2)]
    assert answers == [303, 404]
