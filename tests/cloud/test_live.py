"""The live page: the newest taps with their reasons in words, sent again whenever something happened."""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from cloud.attendance.models import Entry
from cloud.attendance.queries import newest_taps
from cloud.portal.streams import Pace, Streams
from cloud.projects.models import Project
from cloud.scope import Scope
from cloud.wakeups import Topic, Wakeups, announce
from protocol.clock import ClockQuality
from protocol.decision import Direction, Proof, Reason
from protocol.entries import DoorChange, Fact, Outcome, encode_payload
from protocol.errors import TerminalId
from tests.cloud.chains import Chain
from tests.support.listening import event_of, listening
from tests.support.moved_clock import START, MovedClock
from tests.support.portal_site import CRANE, FOREIGN, GATE, SPARE, Holder, Site, TapDraft, payload
from tests.support.queries import counted
from tests.support.visitor import Visitor, words_of

DENIED = {
    "sv": {
        Reason.UNBOUND: "Nekad Personalliggaren är inte kopplad till något projekt",
        Reason.PROJECT_ENDED: "Nekad Projektet är avslutat",
        Reason.BLOCKED: "Nekad Kortet är spärrat",
        Reason.CARD_RANDOM: "Nekad Kortet ger ett nytt nummer varje gång",
        Reason.CARD_EXPIRED: "Nekad Kortets giltighetstid är slut eller har inte börjat",
        Reason.CARD_COPIED: "Nekad Kortet är en kopia: det har inte nyckeln som det utfärdade kortet har",
        Reason.CARD_MISMATCHED: "Nekad Kortets nummer hör till ett annat kort",
        Reason.CARD_FOREIGN: "Nekad Ingen som arbetsplatsen litar på har utfärdat kortet",
        Reason.CARD_UNPROVED: "Nekad Kortet kan inte bevisa att det är äkta, och projektet kräver det",
        Reason.NOT_ENROLLED: "Nekad Kortet är inte tillagt i projektet",
        Reason.NO_RIGHT: "Nekad Personen saknar behörighet till dörrarna här",
        Reason.OUT_OF_HOURS: "Nekad Utanför tiderna i personens behörighet",
        Reason.CLOCK_UNTRUSTED: "Nekad Personalliggaren vet inte vad klockan är, och behörigheten har tider",
        Reason.ANTI_PASSBACK: "Nekad Redan inne: ingen utblippning sedan senaste inblippningen",
        Reason.OCCUPANCY_LIMIT: "Nekad Så många som får vara inne är redan inne",
        Reason.DOORS_EXPIRED: "Nekad Personalliggaren har inte hört av molnet på för länge",
    },
    "en": {
        Reason.UNBOUND: "Denied The terminal is not bound to a project",
        Reason.PROJECT_ENDED: "Denied The project has ended",
        Reason.BLOCKED: "Denied The card is blocked",
        Reason.CARD_RANDOM: "Denied The card gives another number each time",
        Reason.CARD_EXPIRED: "Denied The card's time is over, or has not begun",
        Reason.CARD_COPIED: "Denied The card is a copy: it does not have the key of the one that was issued",
        Reason.CARD_MISMATCHED: "Denied The card's number belongs to another card",
        Reason.CARD_FOREIGN: "Denied Nobody whom the site trusts issued the card",
        Reason.CARD_UNPROVED: "Denied The card cannot prove that it is genuine, and the project asks for it",
        Reason.NOT_ENROLLED: "Denied The card is not enrolled in the project",
        Reason.NO_RIGHT: "Denied The person has no right to the doors here",
        Reason.OUT_OF_HOURS: "Denied Outside the hours of the person's right",
        Reason.CLOCK_UNTRUSTED: "Denied The terminal does not know the time, and the right has hours",
        Reason.ANTI_PASSBACK: "Denied Already inside: no tap out since the last tap in",
        Reason.OCCUPANCY_LIMIT: "Denied As many people as are allowed are inside already",
        Reason.DOORS_EXPIRED: "Denied The terminal has not heard from the cloud for too long",
    },
}
REMARKED = {
    "sv": {
        Reason.UNBOUND: "Godkänd Utsläppt trots att personalliggaren inte är kopplad till något projekt",
        Reason.PROJECT_ENDED: "Godkänd Utsläppt trots att projektet är avslutat",
        Reason.BLOCKED: "Godkänd Utsläppt trots att kortet är spärrat",
        Reason.CARD_RANDOM: "Godkänd Utsläppt trots att kortet ger ett nytt nummer varje gång",
        Reason.CARD_EXPIRED: "Godkänd Utsläppt trots att kortets giltighetstid är slut eller inte har börjat",
        Reason.CARD_COPIED: "Godkänd Utsläppt trots att kortet är en kopia",
        Reason.CARD_MISMATCHED: "Godkänd Utsläppt trots att kortets nummer hör till ett annat kort",
        Reason.CARD_FOREIGN: "Godkänd Utsläppt trots att ingen som arbetsplatsen litar på har utfärdat kortet",
        Reason.CARD_UNPROVED: "Godkänd Utsläppt trots att kortet inte kan bevisa att det är äkta",
        Reason.NOT_ENROLLED: "Godkänd Utsläppt trots att kortet inte är tillagt i projektet",
        Reason.NO_RIGHT: "Godkänd Utsläppt trots att personen saknar behörighet till dörrarna här",
        Reason.OUT_OF_HOURS: "Godkänd Utsläppt utanför tiderna i personens behörighet",
        Reason.CLOCK_UNTRUSTED: "Godkänd Personalliggaren visste inte vad klockan var",
        Reason.ANTI_PASSBACK: "Godkänd Samma håll två gånger: en blippning åt andra hållet saknas emellan",
        Reason.OCCUPANCY_LIMIT: "Godkänd Utsläppt trots att så många som får vara inne var inne",
        Reason.DOORS_EXPIRED: "Godkänd Registrerad, men ingen dörr öppnades",
    },
    "en": {
        Reason.UNBOUND: "Granted Let out although the terminal is not bound to a project",
        Reason.PROJECT_ENDED: "Granted Let out although the project has ended",
        Reason.BLOCKED: "Granted Let out although the card is blocked",
        Reason.CARD_RANDOM: "Granted Let out although the card gives another number each time",
        Reason.CARD_EXPIRED: "Granted Let out although the card's time is over, or has not begun",
        Reason.CARD_COPIED: "Granted Let out although the card is a copy",
        Reason.CARD_MISMATCHED: "Granted Let out although the card's number belongs to another card",
        Reason.CARD_FOREIGN: "Granted Let out although nobody whom the site trusts issued the card",
        Reason.CARD_UNPROVED: "Granted Let out although the card cannot prove that it is genuine",
        Reason.NOT_ENROLLED: "Granted Let out although the card is not enrolled in the project",
        Reason.NO_RIGHT: "Granted Let out although the person has no right to the doors here",
        Reason.OUT_OF_HOURS: "Granted Let out outside the hours of the person's right",
        Reason.CLOCK_UNTRUSTED: "Granted The terminal did not know the time: the hours of the right were not checked",
        Reason.ANTI_PASSBACK: "Granted The same way twice: a tap the other way is missing between",
        Reason.OCCUPANCY_LIMIT: "Granted Let out although as many as are allowed were inside",
        Reason.DOORS_EXPIRED: "Granted Recorded, but no door opened",
    },
}


def an_in(site: Site, at: datetime = START, **changed: Any) -> TapDraft:
    """Anna goes in at the north gate."""
    return replace(TapDraft(GATE, site.holders["Anna Lindqvist"], at, site.project), **changed)


# --- what a row says ------------------------------------------------------------------------------------------------


def test_a_row_says_who_for_whom_where_which_way_and_what_was_answered(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site))
    said = words_of(karin.get("/"))
    assert (
        "08:00:00 5 nov CET Anna Lindqvist Kvarnholmens Bygg AB Kvarnen etapp 2 Norra grinden entré In Godkänd" in said
    )
    karin.get("/language/en")
    said = words_of(karin.get("/"))
    assert (
        "08:00:00 5 Nov CET Anna Lindqvist Kvarnholmens Bygg AB Kvarnen etapp 2 Norra grinden entré In Granted" in said
    )


@pytest.mark.parametrize("language", ["sv", "en"])
def test_every_refusal_is_said_in_words(karin: Visitor, site: Site, language: str) -> None:
    karin.get(f"/language/{language}")
    site.tap(*(an_in(site, outcome=Outcome.DENIED, reason=reason) for reason in Reason))
    said = words_of(karin.get("/"))
    assert [reason for reason in Reason if DENIED[language][reason] not in said] == []


@pytest.mark.parametrize("language", ["sv", "en"])
def test_who_was_let_out_in_spite_of_something_has_that_remarked(karin: Visitor, site: Site, language: str) -> None:
    karin.get(f"/language/{language}")
    site.tap(*(an_in(site, direction=Direction.OUT, reason=reason) for reason in Reason))
    said = words_of(karin.get("/"))
    assert [reason for reason in Reason if REMARKED[language][reason] not in said] == []


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("language", "genuine", "keyless"),
    [
        ("sv", "Godkänd Bevisat äkta", "Godkänd Saknar nyckel att bevisa sin äkthet med"),
        ("en", "Granted Proved genuine", "Granted Has no key to prove itself with"),
    ],
)
def test_what_a_card_proved_is_said_where_the_reason_does_not_say_it(
    karin: Visitor, site: Site, language: str, genuine: str, keyless: str
) -> None:
    karin.get(f"/language/{language}")
    site.tap(an_in(site, proof=Proof.GENUINE), an_in(site, proof=Proof.NO_KEY), an_in(site, proof=Proof.NOT_ASKED))
    said = words_of(karin.get("/"))
    assert said.count(genuine) == said.count(keyless) == 1
    caught = {Reason.CARD_COPIED: Proof.COPIED, Reason.CARD_FOREIGN: Proof.FOREIGN}
    site.tap(*(an_in(site, outcome=Outcome.DENIED, reason=reason, proof=proof) for reason, proof in caught.items()))
    said = words_of(karin.get("/"))
    for reason in caught:
        assert f"{DENIED[language][reason]} " in said
    assert ("Från en okänd utfärdare" in said, "Of an unknown issuer" in said) == (False, False)


def test_an_unknown_card_is_shown_masked(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, holder=site.stranger))
    page = karin.get("/")
    assert "Okänt kort uid:…3480" in words_of(page)
    assert "Ingen person är känd bakom kortet än" in words_of(page)
    assert site.stranger.card.partition(":")[2] not in page.text


def test_a_card_that_the_terminal_did_not_know_is_named_by_whoever_holds_it(karin: Visitor, site: Site) -> None:
    """An unbound terminal has no roster, and an unknown card is enrolled later: the page knows better by then."""
    anna = site.holders["Anna Lindqvist"]
    unbound = an_in(site, terminal=SPARE, project=None, direction=None, outcome=Outcome.DENIED, reason=Reason.UNBOUND)
    site.tap(replace(unbound, holder=Holder(anna.card)))
    assert "Anna Lindqvist Kvarnholmens Bygg AB" in words_of(karin.get("/"))


@pytest.mark.feature("F05")
@pytest.mark.parametrize(("proof", "is_named"), [(Proof.COPIED, False), (Proof.NO_KEY, True), (Proof.GENUINE, True)])
def test_a_card_that_is_proved_to_be_anothers_is_not_named_after_its_owner(
    karin: Visitor, site: Site, proof: Proof, is_named: bool
) -> None:
    """At an `out` reader it is let out; the page must not say that the owner went."""
    copied = Holder(site.holders["Anna Lindqvist"].card)
    site.tap(an_in(site, holder=copied, direction=Direction.OUT, proof=proof))
    assert ("Anna Lindqvist" in words_of(karin.get("/"))) is is_named


def test_no_page_holds_a_whole_card_number(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site))
    assert site.holders["Anna Lindqvist"].card.partition(":")[2] not in karin.get("/").text


def test_a_person_that_is_gone_counts_as_unknown(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, holder=Holder("uid:04A1B2C3D4E501", "0123456789abcdef", "0123456789abcdef")))
    assert "Okänt kort uid:…E501" in words_of(karin.get("/"))


def test_times_are_the_projects_with_its_zone(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, at=datetime(2025, 7, 1, 22, 30, 5, tzinfo=UTC)), an_in(site, project=None))
    said = words_of(karin.get("/"))
    assert "00:30:05 2 juli CEST" in said
    assert "08:00:00 5 nov CET" in said
    with site.database.transaction() as rows:
        rows.execute(update(Project).where(Project.id == site.project).values(zone="Europe/Helsinki"))
    assert "01:30:05 2 juli EEST" in words_of(karin.get("/"))


def test_a_year_that_is_not_this_one_is_said(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, at=datetime(2024, 12, 31, 12, 0, tzinfo=UTC)))
    assert "31 dec. 2024" in words_of(karin.get("/"))


def test_an_untrusted_clock_and_a_late_arrival_are_said(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, clock_quality=ClockQuality.UNTRUSTED), an_in(site, received_after=timedelta(hours=2)))
    said = words_of(karin.get("/"))
    assert "08:00:00 5 nov CET Osäker klocka: ankomsttid" in said
    assert "Mottagen 10:00:00" in said


def test_a_tap_at_an_unbound_terminal_has_neither_project_nor_direction(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site, terminal=SPARE, project=None, direction=None, outcome=Outcome.DENIED, reason=Reason.UNBOUND))
    assert "Inget projekt Reserv entré Okänd riktning Nekad" in words_of(karin.get("/"))


def test_nothing_is_said_by_colour_alone(karin: Visitor, site: Site) -> None:
    site.tap(an_in(site), an_in(site, terminal=CRANE, outcome=Outcome.DENIED, reason=Reason.BLOCKED))
    marks = re.findall(r'c-answer">\s*<span class="mark mark-\w+"><svg.*?#(\w+)".*?</svg> (\w+)<', karin.get("/").text)
    assert marks == [("denied", "Nekad"), ("granted", "Godkänd")]


def test_before_the_first_tap_the_page_says_what_will_appear(karin: Visitor) -> None:
    assert "Inga blippningar än" in words_of(karin.get("/"))


def test_what_a_terminal_made_up_is_shown_as_text_and_breaks_nothing(karin: Visitor, site: Site) -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    site.tap(
        an_in(site, at=end - timedelta(days=1), received_after=timedelta(), holder=Holder("no card at all")),
        an_in(site, reader="<script>alert(1)</script>", holder=Holder("")),
    )
    with site.database.transaction() as rows:
        rows.execute(update(Entry).where(Entry.card == "no card at all").values(occurred_at=253_402_300_799_999_999))
    page = karin.get("/")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "… all" in words_of(page)


# --- which rows -----------------------------------------------------------------------------------------------------


@pytest.mark.feature("F16")
@pytest.mark.parametrize("year", [1970, 2099])
def test_a_tap_of_a_clock_nobody_trusts_stands_where_it_arrived(site: Site, karin: Visitor, year: int) -> None:
    """Pitfall 16: neither on top for ever, nor below where nobody looks."""
    wrong = datetime(year, 1, 1, 0, 5, tzinfo=UTC)
    site.tap(an_in(site, at=START - timedelta(minutes=5)), an_in(site, at=START + timedelta(minutes=5)))
    late = an_in(site, at=wrong, clock_quality=ClockQuality.UNTRUSTED, received_after=START - wrong)
    site.tap(replace(late, terminal=CRANE))
    with site.database.reading() as rows:
        taps = newest_taps(rows, Scope("a", site.customer), 50)
    assert [tap.terminal for tap in taps] == ["Norra grinden", "Kranfållan", "Norra grinden"]


def test_a_trusted_clock_that_runs_ahead_puts_no_tap_before_those_that_come_later(site: Site) -> None:
    ahead = an_in(site, at=START + timedelta(days=400), received_after=-timedelta(days=400), terminal=CRANE)
    site.tap(ahead, an_in(site, at=START + timedelta(seconds=1)))
    with site.database.reading() as rows:
        taps = newest_taps(rows, Scope("a", site.customer), 50)
    assert [tap.terminal for tap in taps] == ["Norra grinden", "Kranfållan"]


def test_the_newest_by_when_they_happened_stand_first_whatever_order_they_arrived_in(
    site: Site, karin: Visitor
) -> None:
    minutes = [timedelta(minutes=each) for each in (5, 1, 9, 3)]
    site.tap(*(an_in(site, at=START + each, terminal=CRANE) for each in minutes), an_in(site, at=START))
    with site.database.reading() as rows:
        taps = newest_taps(rows, Scope("a", site.customer), 50)
    assert [tap.occurred_at - START for tap in taps] == sorted([*minutes, timedelta()], reverse=True)
    said = words_of(karin.get("/"))
    assert said.index("08:09:00") < said.index("08:05:00") < said.index("08:00:00")


def test_taps_of_the_same_moment_stand_in_the_order_of_their_arrival(site: Site) -> None:
    site.tap(an_in(site), an_in(site, terminal=CRANE))
    with site.database.reading() as rows:
        first, second = newest_taps(rows, Scope("a", site.customer), 50)
    assert (first.terminal, second.terminal) == ("Kranfållan", "Norra grinden")
    assert first.id > second.id


def test_only_the_newest_fifty_are_shown(site: Site, karin: Visitor) -> None:
    site.tap(*(an_in(site, at=START + timedelta(seconds=each)) for each in range(53)))
    page = karin.get("/").text
    assert page.count("data-row=") == 50
    assert "08:00:03" in page
    assert "08:00:02" not in page


def test_doors_and_facts_are_no_taps(site: Site, karin: Visitor) -> None:
    shared = {"version": 1, "clock_quality": ClockQuality.SYNCHRONISED, "boot_id": bytes(16), "monotonic": 1}
    times = {"occurred_at": 1_762_326_000_000_000, "registered_at": 1_762_326_000_000_001, "salt": bytes(16)}
    door: Any = {**shared, **times, "door": "grind", "state": "unlocked", "cause": "tap"}
    fact: Any = {**shared, **times, "subject": "ledger.opened", "details": {}}
    site.chains[GATE] = Chain(TerminalId(GATE)).add(encode_payload(Fact(**fact)), encode_payload(DoorChange(**door)))
    site.chains[GATE].add(payload(an_in(site)))
    site.take(GATE, 1, 3)
    assert karin.get("/").text.count("data-row=") == 1


def test_taps_of_another_customer_are_not_shown_and_staff_sees_all(site: Site, karin: Visitor, web: FastAPI) -> None:
    site.tap(an_in(site), an_in(site, terminal=FOREIGN, project=site.neighbours_project, holder=Holder("uid:5E7C12A9")))
    assert karin.get("/").text.count("data-row=") == 1
    assert "Grannens" not in karin.get("/").text
    neighbour, staff = Visitor(TestClient(web)), Visitor(TestClient(web))
    neighbour.log_in("granne")
    staff.log_in("drift")
    assert "Anna" not in neighbour.get("/").text
    assert "Okänt kort" in words_of(neighbour.get("/")), "a card is not looked up among another customer's people"
    assert staff.get("/").text.count("data-row=") == 2


def test_the_page_asks_twice_whatever_it_shows(site: Site, karin: Visitor) -> None:
    site.tap(*(an_in(site, at=START + timedelta(seconds=each)) for each in range(20)))
    with counted(site.database) as statements:
        karin.get("/")
    assert len(statements) == 2, statements


# --- the stream -----------------------------------------------------------------------------------------------------


def cookies_of(visitor: Visitor) -> str:
    """What the visitor's browser would send."""
    return "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())


def test_the_whole_fragment_of_the_page_comes_on_connect_and_again_with_every_new_tap(
    site: Site, web: FastAPI, wakeups: Wakeups, karin: Visitor
) -> None:
    site.tap(an_in(site))

    async def story() -> None:
        carrying = asyncio.create_task(wakeups.run())
        async with listening(web, "/live/taps", cookies_of(karin)) as line:
            assert line.headers["content-type"].startswith("text/event-stream")
            assert line.headers["cache-control"] in ("no-store", "no-cache")
            first = await line.fragment()
            assert first.strip() in karin.get("/").text
            await asyncio.to_thread(site.tap, an_in(site, terminal=CRANE, at=START + timedelta(seconds=5)))
            second = await line.fragment()
        assert (first.count("data-row="), second.count("data-row=")) == (1, 2)
        assert "Kranfållan" in second
        carrying.cancel()

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_stream_ends_when_its_account_logs_out(site: Site, web: FastAPI, wakeups: Wakeups, karin: Visitor) -> None:
    async def story() -> None:
        carrying = asyncio.create_task(wakeups.run())
        async with listening(web, "/live/taps", cookies_of(karin)) as line:
            await line.fragment()
            await asyncio.to_thread(karin.log_out)
            await asyncio.to_thread(site.tap, an_in(site))
            while (event := await line.event()) is not None and event[0] == "beat":
                pass
            assert event == ("ended", "")
            assert await line.event() is None
        carrying.cancel()

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_stream_is_no_activity_of_the_account(site: Site, web: FastAPI, karin: Visitor, clock: MovedClock) -> None:
    async def story() -> None:
        async with listening(web, "/live/taps", cookies_of(karin)) as line:
            await line.fragment()

    clock.move(600)
    asyncio.run(asyncio.wait_for(story(), 30))
    clock.move(1200)
    assert karin.get("/").status_code == 303


def events(streams: Streams, look: Callable[[], str | None]) -> AsyncIterator[tuple[str, str]]:
    """The events of a stream of our own."""

    async def parsed() -> AsyncIterator[tuple[str, str]]:
        async for raw in streams.answer(look, Topic.ENTRIES).body_iterator:
            assert isinstance(raw, bytes)
            if found := event_of(raw.decode()):
                yield found

    return parsed()


def test_a_fragment_keeps_its_lines(wakeups: Wakeups) -> None:
    async def story() -> None:
        stream = events(Streams(wakeups, Pace(pause=0.0)), lambda: "<p>\n  one\n</p>")
        assert await anext(stream) == ("fragment", "<p>\n  one\n</p>")

    asyncio.run(asyncio.wait_for(story(), 20))


def test_however_many_taps_there_are_fragments_come_at_the_pace(site: Site, wakeups: Wakeups) -> None:
    looked: list[float] = []

    def look() -> str:
        looked.append(time.monotonic())
        return str(len(looked))

    def tell_often() -> None:
        for _ in range(40):
            with site.database.transaction() as rows:
                announce(rows, Topic.ENTRIES)

    async def story() -> None:
        carrying = asyncio.create_task(wakeups.run())
        stream = events(Streams(wakeups, Pace(pause=0.1, beat=0.3)), look)
        await anext(stream)
        telling = asyncio.create_task(asyncio.to_thread(tell_often))
        while not telling.done():
            await anext(stream)
        await telling
        carrying.cancel()

    asyncio.run(asyncio.wait_for(story(), 30))
    assert all(later - earlier >= 0.09 for earlier, later in itertools.pairwise(looked))


def test_without_news_there_is_a_sign_of_life_and_no_fragment(wakeups: Wakeups) -> None:
    async def story() -> None:
        stream = events(Streams(wakeups, Pace(pause=0.0, beat=0.01)), lambda: "the same")
        assert [await anext(stream) for _ in range(3)] == [("fragment", "the same"), ("beat", ""), ("beat", "")]

    asyncio.run(asyncio.wait_for(story(), 20))


def test_all_streams_end_at_once_when_the_cloud_stops(wakeups: Wakeups) -> None:
    async def story() -> None:
        streams = Streams(wakeups, Pace(pause=0.0, beat=3600))
        several = [events(streams, lambda: "x") for _ in range(3)]
        for stream in several:
            await anext(stream)
        streams.close()
        for stream in (*several, events(streams, lambda: "x")):
            assert [event async for event in stream] == []

    asyncio.run(asyncio.wait_for(story(), 20))
