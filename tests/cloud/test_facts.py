"""What terminals' own facts tell on pages: damage to a ledger, and taps whose time was corrected afterwards."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cloud.attendance.queries import newest_taps
from cloud.clock import microseconds
from cloud.portal.moments import Moments
from cloud.projects.policies import Policies
from cloud.projects.service import set_policies
from cloud.scope import Scope
from protocol.clock import ClockQuality
from protocol.decision import AntiPassback, ClockPolicy
from protocol.entries import Fact, encode_payload
from protocol.errors import TerminalId
from protocol.rights import Hours, Right
from tests.cloud.chains import Chain, tap
from tests.support.moved_clock import START
from tests.support.portal_site import CRANE, FOREIGN, GATE, SPARE, STAFF, Site
from tests.support.visitor import Visitor, words_of

BOOT, OTHER_BOOT = b"b" * 16, b"o" * 16
PAGE = f"/terminals/{GATE}"


def fact(subject: str, **details: str) -> bytes:
    """A fact as a terminal writes it down."""
    at = microseconds(START)
    return encode_payload(Fact(1, at, ClockQuality.SYNCHRONISED, BOOT, 1, at, subject, details, bytes(16)))


def tells(site: Site, *payloads: bytes, terminal: str = GATE) -> None:
    """The terminal's ledger has these next, and the cloud takes them in."""
    chain = site.chains.setdefault(terminal, Chain(TerminalId(terminal)))
    first = len(chain.payloads) + 1
    chain.add(*payloads)
    site.take(terminal, first, len(chain.payloads))


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def old(site: Site) -> Chain:
    """The ledger that was damaged, 10 entries of it being here."""
    chain = site.chains.setdefault("old", Chain(TerminalId(GATE))).tap(40)
    site.chains["whole"], site.chains[GATE] = chain, chain
    site.take(GATE, 1, 10)
    del site.chains[GATE]
    return chain


def opened(old: Chain) -> bytes:
    return fact("ledger.opened", ledger="00" * 16, after=old.ledger.hex(), why="database disk image is malformed")


def lost(old: Chain, numbers: str) -> bytes:
    return fact("ledger.lost", ledger=old.ledger.hex(), numbers=numbers)


def salvaged(old: Chain, kept: int) -> bytes:
    return fact("ledger.salvaged", ledger=old.ledger.hex(), kept=str(kept), lost="13", last="40")


@pytest.mark.feature("F19")
def test_a_damaged_ledger_is_said_on_the_terminals_page_with_what_is_lost(
    site: Site, karin: Visitor, old: Chain
) -> None:
    tells(site, opened(old))
    said = words_of(karin.get(PAGE))
    assert "Liggaren skadades 08:00:00 5 nov CET Det som går att läsa av den söks fram" in said
    assert "database disk image is malformed" in said
    tells(site, lost(old, "11-20 31"), lost(old, "12-22"), salvaged(old, 27))
    said = words_of(karin.get(PAGE))
    assert "27 poster räddades. 13 poster gick förlorade i personalliggaren: 11–22, 31." in said
    karin.get("/language/en")
    said = words_of(karin.get(PAGE))
    assert "27 entries were kept. 13 entries were lost at the terminal: 11–22, 31." in said


@pytest.mark.feature("F19")
def test_what_was_lost_and_turned_up_after_all_is_said(site: Site, karin: Visitor, old: Chain) -> None:
    tells(site, opened(old), lost(old, "11-20"), salvaged(old, 30))
    whole, site.chains[GATE] = site.chains[GATE], old
    site.take(GATE, 21, 40)
    site.take(GATE, 15, 20)
    site.chains[GATE] = whole
    assert "10 poster gick förlorade i personalliggaren: 11–20. 6 av dem finns här ändå." in words_of(karin.get(PAGE))


def test_a_ledger_of_which_nothing_is_lost_says_so(site: Site, karin: Visitor, old: Chain) -> None:
    tells(site, opened(old), salvaged(old, 40))
    assert "40 poster räddades. Inget gick förlorat." in words_of(karin.get(PAGE))


def test_what_a_terminal_makes_up_breaks_no_page(site: Site, karin: Visitor) -> None:
    made_up = {"after": "no ledger", "why": "<b>" + "x" * 2000}
    tells(
        site,
        fact("ledger.opened", **made_up),
        fact("ledger.salvaged", ledger="no ledger", kept="9" * 30),
        fact("ledger.lost", ledger="00" * 16, numbers=" ".join(map(str, range(1, 200, 2)))),
        fact("ledger.opened", after="00" * 16),
        fact("clock.set", boot="no boot", began_at="-5"),
    )
    page = karin.get(PAGE)
    assert page.status_code == 200
    assert "<b>x" not in page.text
    assert "1, 3, 5" in words_of(page)
    assert "…" in words_of(page)


def test_a_whole_ledger_and_another_terminals_damage_are_not_spoken_of(
    site: Site, karin: Visitor, web: FastAPI, old: Chain
) -> None:
    tells(site, opened(old))
    assert "Liggaren skadades" not in words_of(karin.get(f"/terminals/{CRANE}"))
    neighbour = Visitor(TestClient(web))
    neighbour.log_in("granne")
    assert "Liggaren skadades" not in words_of(neighbour.get(f"/terminals/{FOREIGN}"))


# --- a clock that was put right -------------------------------------------------------------------------------------

WRONG = datetime(1970, 1, 1, 0, 7, tzinfo=UTC)
MINUTE = 60_000_000_000


def uncertain(site: Site, minutes: int, boot: bytes = BOOT) -> bytes:
    """Anna's tap so many minutes after a boot, by a clock that began in 1970."""
    anna = site.holders["Anna Lindqvist"]
    at = microseconds(WRONG) + minutes * 60_000_000
    return encode_payload(
        tap(
            occurred_at=at,
            registered_at=at,
            clock_quality=ClockQuality.UNTRUSTED,
            boot_id=boot,
            monotonic=minutes * MINUTE,
            card=anna.card,
            person=anna.person,
            company=anna.company,
            project=site.project,
        )
    )


@pytest.mark.feature("F16")
def test_taps_by_a_wrong_clock_get_their_time_once_the_terminal_knows_it(site: Site, karin: Visitor) -> None:
    tells(site, uncertain(site, 3), uncertain(site, 4, OTHER_BOOT))
    assert words_of(karin.get("/")).count("08:00:00 5 nov CET Osäker klocka: ankomsttid") == 2
    began = START - timedelta(minutes=10)
    tells(site, fact("clock.set", boot=BOOT.hex(), began_at=str(microseconds(began)), quality="synchronised"))
    said = words_of(karin.get("/"))
    assert "07:53:00 5 nov CET Rättad tid" in said
    assert said.count("Osäker klocka") == 1
    assert "1970" not in said


def test_the_newest_correction_of_a_boot_counts_and_only_for_its_terminal(site: Site) -> None:
    tells(site, uncertain(site, 3))
    tells(site, uncertain(site, 3), terminal=CRANE)
    for minutes in (30, 10):
        began = microseconds(START - timedelta(minutes=minutes))
        tells(site, fact("clock.set", boot=BOOT.hex(), began_at=str(began), quality="synchronised"))
    with site.database.reading() as rows:
        taps = newest_taps(rows, Scope("a", site.customer), 50)
    assert {tap.terminal: tap.corrected_at for tap in taps} == {
        "Norra grinden": START - timedelta(minutes=7),
        "Kranfållan": None,
    }


@pytest.mark.parametrize("began_at", ["", "x", "-1", "9" * 18, "9" * 40])
def test_a_correction_that_cannot_be_read_corrects_nothing(site: Site, karin: Visitor, began_at: str) -> None:
    tells(site, uncertain(site, 3), fact("clock.set", boot=BOOT.hex(), began_at=began_at))
    assert "Osäker klocka" in words_of(karin.get("/"))


# --- what counts on the project -------------------------------------------------------------------------------------


@pytest.mark.feature("F14", "F15")
def test_the_policies_of_the_project_are_read_on_the_terminals_page(site: Site, karin: Visitor) -> None:
    said = words_of(karin.get(PAGE))
    assert "Den som går in två gånger Kontrolleras inte" in said
    assert "Alla får gå överallt när som helst" in said
    days = Right("Dagtid", ("grind",), (Hours((0,), 360, 1080),))
    policies = Policies(AntiPassback.TIMED, 15, 80, 1440, ClockPolicy.ALWAYS_ONLY, ("2026-12-24",), (days,))
    with site.database.transaction() as rows:
        set_policies(rows, STAFF, START, site.project, policies)
    said = words_of(karin.get(PAGE))
    for expected in (
        "Nekas en stund 15 minuter",
        "Personer inne Högst 80",
        "Förblir stängda efter 1 dygn",
        "Bara den vars behörighet saknar tider kommer in",
        "Dagtid vissa tider · grind",
        "Helgdagar 1 dag",
    ):
        assert expected in said
    assert "Vad som gäller på projektet" not in words_of(karin.get(f"/terminals/{SPARE}"))


@pytest.mark.parametrize(
    ("minutes", "swedish", "english"),
    [
        (0, "0 minuter", "0 minutes"),
        (1, "1 minut", "1 minute"),
        (90, "90 minuter", "90 minutes"),
        (120, "2 timmar", "2 hours"),
        (1440, "1 dygn", "1 day"),
        (2160, "36 timmar", "36 hours"),
    ],
)
def test_a_span_is_said_in_the_largest_unit_that_says_it_exactly(minutes: int, swedish: str, english: str) -> None:
    assert Moments("sv").span(minutes) == swedish
    assert Moments("en").span(minutes) == english
