"""Who is here now: by what this terminal saw, and by what it was told of the other gates."""

from pathlib import Path
from typing import Any

import pytest

from edge.visit.asking import Asked, View
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.passes import LONGEST_PASS
from tests.support.visited import ANNA, BORIS, BYGG, CELINA, DENIZ, EL, IN, OUT, Visited, at, clock_set, denied, tap

NOW = at("2026-06-10 12:00:00")
HOUR = 3600 * MICROSECONDS
WHO = Asked(View.PRESENT)


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    return found


def here(visited: Visited, now: int = NOW, asked: Asked = WHO) -> list[str]:
    return [row.person for row in visited.rows(asked, now)]


def test_who_came_in_and_did_not_go_out_is_here(visited: Visited) -> None:
    visited.record(
        tap(BORIS, EL, IN, at("2026-06-10 06:58:00")),
        tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")),
        tap(CELINA, BYGG, IN, at("2026-06-10 07:01:00")),
        denied(DENIZ, BYGG, at("2026-06-10 07:02:00")),
        tap(CELINA, BYGG, OUT, at("2026-06-10 11:59:59")),
    )
    kept = visited.read(WHO, NOW)
    assert [(row.company, row.person, row.end) for row in kept.rows] == [
        ("Bygg & Söner AB", "Anna Åkesson", "är här"),
        ("Elektryczność Sp. z o.o.", "Boris Łukaszewicz", "är här"),
    ]
    assert kept.notes[0] == "Antal här: 2."
    assert any("portalen visar dem" in note for note in kept.notes)


@pytest.mark.parametrize(("asked", "expected"), [({"company": "5561034249"}, [BORIS]), ({"person": "åke"}, [ANNA])])
def test_it_is_narrowed_to_a_company_or_a_person(visited: Visited, asked: dict[str, Any], expected: list[str]) -> None:
    visited.record(tap(BORIS, EL, IN, NOW - HOUR), tap(ANNA, BYGG, IN, NOW - HOUR))
    names = {ANNA: "Anna Åkesson", BORIS: "Boris Łukaszewicz"}
    assert here(visited, asked=Asked(View.PRESENT, **asked)) == [names[each] for each in expected]


def test_nobody_is_here_longer_than_a_pass_or_over_the_reset(visited: Visited) -> None:
    visited.record(tap(BORIS, EL, IN, NOW - LONGEST_PASS), tap(ANNA, BYGG, IN, NOW - LONGEST_PASS + MICROSECONDS))
    assert here(visited) == ["Anna Åkesson"]
    visited.bind(reset="03:00")
    assert here(visited) == []


def test_people_told_of_other_gates_count_and_it_is_said(visited: Visited) -> None:
    visited.record(tap(ANNA, BYGG, IN, NOW - 3 * HOUR), tap(BORIS, EL, OUT, NOW - 3 * HOUR))
    visited.tell(ANNA, BYGG, OUT, NOW - HOUR)
    visited.tell(BORIS, EL, IN, NOW - 2 * HOUR)
    visited.tell(CELINA, BYGG, IN, NOW - HOUR)
    visited.tell(DENIZ, BYGG, IN, NOW - LONGEST_PASS)
    kept = visited.read(WHO, NOW)
    assert [row.person for row in kept.rows] == ["Celīna Bērziņa", "Boris Łukaszewicz"]
    assert kept.rows[0].remarks == ("kom in vid en annan grind (gate-2), enligt molnet",)
    assert kept.lines["Andra grindar"] == "så långt molnet har berättat"


def test_a_stranger_is_here_by_the_card_alone(visited: Visited) -> None:
    visited.record(tap(None, None, IN, NOW - HOUR, card="uid:04ABABABABABAB"))
    (row,) = visited.rows(WHO, NOW)
    assert (row.person, row.card) == ("okänd person", "uid:04ABABABABABAB")


def test_somebody_recorded_in_1970_is_here_since_the_true_time(visited: Visited) -> None:
    boot, began = b"x" * 16, NOW - 4 * HOUR
    untrusted = {"clock_quality": ClockQuality.UNTRUSTED, "boot_id": boot, "monotonic": 90 * 10**9}
    visited.record(tap(ANNA, BYGG, IN, 90 * MICROSECONDS, **untrusted), clock_set(boot, began, began + HOUR))
    (row,) = visited.rows(WHO, NOW)
    assert row.began is not None
    assert (row.began.moment, row.began.recorded) == ("2026:06:10 08:01:30", "1970:01:01 01:01:30")


def test_an_unbound_terminal_shows_what_it_has(tmp_path: Path) -> None:
    visited = Visited(tmp_path)
    visited.record(tap(ANNA, BYGG, IN, NOW - HOUR))
    kept = visited.read(WHO, NOW)
    assert [row.person_number for row in kept.rows] == [f"id {ANNA}"]
    assert kept.lines["Projekt"] == "terminalen är inte kopplad till något projekt"


def test_an_empty_ledger_says_that_nobody_is_here(visited: Visited) -> None:
    visited.record()
    kept = visited.read(WHO, NOW)
    assert (kept.rows, kept.notes[0]) == ([], "Ingen är här, så långt den här terminalen vet.")


def test_the_heading_has_what_the_law_asks_for(visited: Visited) -> None:
    visited.record(tap(ANNA, BYGG, IN, NOW - HOUR))
    lines = visited.read(WHO, NOW).lines
    assert lines["Identifikationsnummer"] == "A1B2C3D4E5F67"
    assert lines["Byggherre"] == "Byggherren Östra AB 5592440001"
    assert lines["Visad"] == "2026:06:10 12:00:00 (Europe/Stockholm) av inspector"
    assert lines["Kedja"] == "kontrollerad och hel, post 1 till 2 (hela liggaren)"
    assert lines["Visningen"] == "registrerad som post 1"
