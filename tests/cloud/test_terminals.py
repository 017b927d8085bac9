"""The terminals' pages: how each is in words, and the form that binds one to a project."""

import asyncio
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from cloud.audit.models import Audit
from cloud.audit.service import Action
from cloud.portal import words
from cloud.projects import service as projects
from cloud.sync.models import TableRow
from cloud.units.models import Unit
from cloud.wakeups import Wakeups
from edge.doors.door import DoorState
from edge.signals.resting import PRIORITY
from protocol.clock import ClockQuality
from protocol.tables import Table, decode_binding
from tests.support.listening import listening
from tests.support.moved_clock import MovedClock
from tests.support.portal_site import CRANE, FOREIGN, GATE, SILENT, SPARE, STAFF, Site
from tests.support.queries import counted
from tests.support.visitor import Visitor, words_of

FORM = f"/terminals/{SPARE}"


def row_of(visitor: Visitor, terminal: str) -> str:
    """What the list says of one terminal."""
    page = visitor.get("/terminals").text
    row = next(row for row in page.split("<tr")[1:] if f'href="/terminals/{terminal}"' in row)
    return " ".join(re.sub(r"<[^>]+>", " ", row.partition(">")[2].partition("</tr>")[0]).split())


# --- the list -------------------------------------------------------------------------------------------------------


def test_a_row_says_how_a_terminal_is_and_what_it_is_bound_to(karin: Visitor) -> None:
    assert row_of(karin, GATE) == (
        "Norra grinden kvarnen-norra Online Hördes senast 08:00:00 5 nov CET Kvarnen etapp 2 Norra grinden "
        "Inget Synkroniserad avviker +12 ms entré: fungerar grind: låst"
    )
    karin.get("/language/en")
    assert row_of(karin, GATE) == (
        "Norra grinden kvarnen-norra Online Last heard 08:00:00 5 Nov CET Kvarnen etapp 2 Norra grinden "
        "None Synchronised off by +12 ms entré: works grind: locked"
    )


def test_what_is_not_sent_yet_is_counted_with_its_age(karin: Visitor, site: Site, clock: MovedClock) -> None:
    assert "12 poster äldsta från 07:52:00 5 nov CET" in row_of(karin, CRANE)
    site.hear(CRANE, clock.now(), queue_depth=1)
    assert "1 post " in row_of(karin, CRANE)


@pytest.mark.parametrize(
    ("quality", "offset", "said"),
    [
        (ClockQuality.SYNCHRONISED, 0, "Synkroniserad avviker +0 ms"),
        (ClockQuality.HELD, -999, "Går på egen hand avviker \N{MINUS SIGN}999 ms"),
        (ClockQuality.HELD, 1_450, "Går på egen hand avviker +1,4 s"),
        (ClockQuality.UNTRUSTED, 1_234_567, "Går inte att lita på avviker +21 min"),
        (ClockQuality.UNTRUSTED, -1_763_000_000_000, "Går inte att lita på avviker \N{MINUS SIGN}56 år"),
    ],
)
def test_the_clock_is_said_with_its_quality_and_offset(
    karin: Visitor, site: Site, clock: MovedClock, quality: ClockQuality, offset: int, said: str
) -> None:
    site.hear(GATE, clock.now(), clock_quality=quality.value, clock_offset_ms=offset)
    assert said in row_of(karin, GATE)


def test_a_reader_that_is_gone_and_an_open_door_are_said(karin: Visitor, site: Site, clock: MovedClock) -> None:
    site.hear(GATE, clock.now(), readers={"entré": False}, doors={"grind": "unlocked", "lucka": "half-way"})
    said = row_of(karin, GATE)
    assert "entré: svarar inte" in said
    assert "grind: upplåst" in said
    assert "lucka: half-way" in said, "a state that a newer terminal has is shown as it is"


@pytest.mark.parametrize(("state", "said"), [("held_open", "uppställd för länge"), ("forced", "uppbruten")])
def test_a_door_in_alarm_is_said_with_an_icon_of_its_own(
    karin: Visitor, site: Site, clock: MovedClock, state: str, said: str
) -> None:
    site.hear(GATE, clock.now(), doors={"grind": state})
    assert f"grind: {said}" in row_of(karin, GATE)
    assert re.search(rf'#warning"></use></svg> grind: {said}', karin.get("/terminals").text)


def test_what_is_wrong_with_a_terminal_is_said_in_its_row_and_on_its_page_with_what_to_do(
    karin: Visitor, site: Site, clock: MovedClock
) -> None:
    site.hear(GATE, clock.now(), conditions=["reader_fault", "clock_untrusted", "flooded"])
    assert "En kortläsare saknas Vet inte vad klockan är flooded" in row_of(karin, GATE)
    said = words_of(karin.get(f"/terminals/{GATE}"))
    assert "En kortläsare saknas Se över kabeln" in said
    assert "tiderna rättas när den får nät" in said


def test_that_a_terminal_is_not_bound_is_said_once_in_its_row_and_what_to_do_on_its_page(
    karin: Visitor, site: Site, clock: MovedClock
) -> None:
    site.hear(SPARE, clock.now(), conditions=["unbound"])
    assert row_of(karin, SPARE).count("Inte kopplad") == 1
    assert "Inte kopplad Koppla den till ett projekt nedan" in words_of(karin.get(f"/terminals/{SPARE}"))


def test_every_condition_a_terminal_can_hold_has_words() -> None:
    assert words.CONDITIONS.keys() == {pattern.value for pattern in PRIORITY}


def test_every_state_a_door_can_be_in_has_words() -> None:
    assert words.DOOR_STATES.keys() == {state.value for state in DoorState}


def test_a_terminal_that_was_silent_for_two_statuses_is_offline_whatever_it_said_last(
    karin: Visitor, clock: MovedClock
) -> None:
    clock.move(44)
    assert " Online " in row_of(karin, GATE)
    clock.move(1)
    assert " Offline Hördes senast 08:00:00 5 nov CET" in row_of(karin, GATE)


def test_a_terminal_that_said_goodbye_is_offline_at_once(karin: Visitor, site: Site, clock: MovedClock) -> None:
    site.hear(GATE, clock.now(), online=False)
    assert " Offline " in row_of(karin, GATE)


def test_what_an_offline_terminal_said_last_is_not_shown_in_the_colour_of_good(karin: Visitor) -> None:
    page = karin.get("/terminals").text
    row = next(row for row in page.split("<tr")[1:] if f'href="/terminals/{SILENT}"' in row)
    assert "word-good" not in row.partition("</tr>")[0]


def test_a_terminal_never_heard_of_is_told_from_one_that_went(karin: Visitor, site: Site) -> None:
    with site.database.transaction() as rows:
        rows.add(Unit(id="ny", customer_id=site.customer, name="Ny"))
    said = row_of(karin, "ny")
    assert "Offline Har aldrig hörts av Inte kopplad Okänt Okänt Inga rapporterade Inga rapporterade" in said
    assert karin.get("/terminals/ny").status_code == 200


def test_unbound_and_ended_are_said(karin: Visitor) -> None:
    assert "Inte kopplad" in row_of(karin, SPARE)
    assert "Kvarnen etapp 1 avslutat Södra infarten" in row_of(karin, SILENT)


def test_the_whole_row_leads_to_the_terminal(karin: Visitor) -> None:
    assert f'<a class="row-link" id="terminal-{GATE}" href="/terminals/{GATE}">' in karin.get("/terminals").text


def test_a_customer_without_terminals_reads_what_will_appear(site: Site, web: FastAPI) -> None:
    with site.database.transaction() as rows:
        rows.delete(rows.get_one(Unit, FOREIGN))
    neighbour = Visitor(TestClient(web))
    neighbour.log_in("granne")
    assert "Inga personalliggare än" in words_of(neighbour.get("/terminals"))


def test_pages_of_terminals_keep_their_budget_of_queries(karin: Visitor, site: Site) -> None:
    for path, budget in (("/terminals", 2), (f"/terminals/{GATE}", 4), (f"/terminals/{GATE}/unbind", 2)):
        with counted(site.database) as statements:
            assert karin.get(path).status_code == 200
        assert len(statements) == budget, statements


def test_the_list_and_the_terminals_page_follow_what_terminals_say(
    site: Site, web: FastAPI, wakeups: Wakeups, karin: Visitor, clock: MovedClock
) -> None:
    cookies = "; ".join(f"{name}={value}" for name, value in karin.client.cookies.items())

    async def story(path: str, depth: int) -> None:
        carrying = asyncio.create_task(wakeups.run())
        async with listening(web, path, cookies) as line:
            assert f"{depth} poster" not in await line.fragment()
            await asyncio.to_thread(site.hear, GATE, clock.now(), queue_depth=depth)
            assert f"{depth} poster" in await line.fragment()
        carrying.cancel()

    asyncio.run(asyncio.wait_for(story("/live/terminals", 7), 30))
    asyncio.run(asyncio.wait_for(story(f"/live/terminals/{GATE}", 8), 30))


# --- the form -------------------------------------------------------------------------------------------------------


def fields_of(page: str) -> dict[str, str | list[str]]:
    """What a browser would send of the binding form as it stands."""
    project = re.search(r'<option value="([^"]*)" selected>', page)
    place = re.search(r'id="place" name="place" value="([^"]*)"', page)
    doors = re.findall(r'name="doors" value="([^"]*)" checked', page)
    assert place
    return {"project": project[1] if project else "", "place": place[1], "doors": doors}


def binding_of(site: Site, terminal: str) -> bytes | None:
    """The row that goes down to the terminal."""
    with site.database.reading() as rows:
        return rows.scalars(
            select(TableRow.value).where(TableRow.name == Table.BINDING, TableRow.scope == terminal)
        ).one_or_none()


@pytest.mark.feature("A06")
def test_binding_in_the_portal_reaches_row_table_and_audit_and_says_so_once(karin: Visitor, site: Site) -> None:
    done = karin.send(FORM, {"project": site.project, "place": "  Östra   grinden ", "doors": ["sidodörr"]})
    assert done.headers["location"] == FORM
    page = karin.follow(done)
    assert "Personalliggaren är kopplad." in words_of(page)
    assert fields_of(page.text) == {"project": site.project, "place": "Östra grinden", "doors": ["sidodörr"]}
    assert "Personalliggaren är kopplad." not in words_of(karin.get(FORM))
    row = binding_of(site, SPARE)
    assert row is not None
    binding = decode_binding(row)
    assert (binding.project, binding.place, binding.doors) == (site.project, "Östra grinden", ("sidodörr",))
    with site.database.reading() as rows:
        line = rows.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
    assert (line.action, line.subject, line.details["place"]) == (Action.UNIT_BOUND, SPARE, "Östra grinden")
    assert line.account_id is not None


def test_the_form_of_an_unbound_terminal_has_every_reported_door_ticked(karin: Visitor) -> None:
    assert fields_of(karin.get(FORM).text) == {"project": "", "place": "", "doors": ["grind", "sidodörr"]}
    assert "Inte kopplad: personalliggaren blinkar rött" in words_of(karin.get(FORM))


def test_the_form_of_a_bound_terminal_shows_its_binding_and_doors_it_no_longer_reports(
    karin: Visitor, site: Site, clock: MovedClock
) -> None:
    site.hear(GATE, clock.now(), doors={"lucka": "locked"})
    page = karin.get(f"/terminals/{GATE}").text
    assert fields_of(page) == {"project": site.project, "place": "Norra grinden", "doors": ["grind"]}
    assert re.findall(r'name="doors" value="([^"]*)"', page) == ["lucka", "grind"]


def test_only_running_projects_of_the_terminals_customer_can_be_chosen(karin: Visitor) -> None:
    page = karin.get(FORM).text
    assert re.findall(r"<option [^>]*>([^<]*)</option>", page) == [
        "Välj projekt",
        "Kvarnen etapp 2 (B1EX4MP3L2026)",
        "Norrtullsskolan ombyggnad (B2EX4MP3L2026)",
    ]


@pytest.mark.parametrize(
    ("field", "changed", "said"),
    [
        ("project", {"project": ""}, "Välj det projekt där personalliggaren står."),
        ("project", {"project": "ended"}, "Projektet är avslutat eller inte ert. Välj ett annat."),
        ("project", {"project": "foreign"}, "Projektet är avslutat eller inte ert. Välj ett annat."),
        ("project", {"project": "0" * 16}, "Projektet är avslutat eller inte ert. Välj ett annat."),
        ("place", {"place": "   "}, "Ange var i projektet personalliggaren sitter."),
        ("place", {"place": "x" * 121}, "Högst 120 tecken."),
        ("place", {"place": "a\x07b"}, "Skriv platsen med vanliga tecken."),
        ("doors", {"doors": ["grind", "bakdörr"]}, "Personalliggaren har inte längre någon av dessa dörrar."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_changed(
    karin: Visitor, site: Site, field: str, changed: dict[str, str | list[str]], said: str
) -> None:
    ids = {"ended": site.ended_project, "foreign": site.neighbours_project}
    sent = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in changed.items()}
    right: dict[str, str | list[str]] = {"project": site.project, "place": "Östra grinden", "doors": ["grind"]}
    refused = karin.send(FORM, right | sent)
    assert refused.status_code == 400
    beside = refused.text.partition(f'id="{field}-wrong">')[2].partition("</p>")[0]
    assert said in beside
    assert refused.text.count('class="gv-wrong"') == 1
    if field != "doors":
        control = re.search(rf'<(?:select|input)[^>]* id="{field}"[^>]*>', refused.text)
        assert control
        assert 'aria-invalid="true"' in control[0]
        assert f"{field}-wrong" in control[0]
        assert fields_of(refused.text)["doors"] == ["grind"], "what was right is kept"
    assert binding_of(site, SPARE) is None


def test_unbinding_asks_first_and_then_takes_the_binding_away(karin: Visitor, site: Site) -> None:
    path = f"/terminals/{GATE}/unbind"
    assert path in karin.get(f"/terminals/{GATE}").text
    asked = words_of(karin.get(path))
    assert "Koppla loss Norra grinden?" in asked
    assert "Kvarnen etapp 2, Norra grinden" in asked
    assert binding_of(site, GATE) is not None
    done = karin.send(path, {})
    page = karin.follow(done)
    assert "Personalliggaren är inte längre kopplad till något projekt." in words_of(page)
    assert binding_of(site, GATE) is None
    assert karin.get(path).headers["location"] == f"/terminals/{GATE}", "there is nothing left to ask"
    with site.database.reading() as rows:
        assert rows.scalars(select(Audit.action).order_by(Audit.id.desc()).limit(1)).one() == Action.UNIT_UNBOUND


def test_staff_binds_a_customers_terminal_to_that_customers_projects_only(site: Site, web: FastAPI) -> None:
    staff = Visitor(TestClient(web))
    staff.log_in("drift")
    path = f"/terminals/{FOREIGN}"
    assert staff.send(path, {"project": site.project, "place": "Kajen"}).status_code == 400
    assert staff.send(path, {"project": site.neighbours_project, "place": "Kajen"}).status_code == 303


def test_without_a_running_project_the_page_says_so(site: Site, web: FastAPI, clock: MovedClock) -> None:
    with site.database.transaction() as rows:
        rows.add(Unit(id="grannen-2", customer_id=site.neighbour, name="Grannens andra"))
    neighbour = Visitor(TestClient(web))
    neighbour.log_in("granne")
    with site.database.transaction() as rows:
        projects.end(rows, STAFF, clock.now(), site.neighbours_project)
    assert "Det finns inget pågående projekt att koppla personalliggaren till." in words_of(
        neighbour.get("/terminals/grannen-2")
    )
