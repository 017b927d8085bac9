"""History at a control visit: who worked when and for whom, as it was recorded and as it is known by now."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.visit.asking import Asked, By, View
from edge.visit.words import DENIED, SOURCES
from protocol.clock import MICROSECONDS, ClockQuality
from protocol.decision import Reason
from protocol.entries import Source, Tap
from protocol.passes import Direction
from protocol.tables import Named
from tests.support.gate import HandClock
from tests.support.visited import (
    ANNA,
    BORIS,
    BYGG,
    CELINA,
    DENIZ,
    EL,
    IN,
    OUT,
    Visited,
    at,
    brief,
    clock_set,
    denied,
    history,
    tap,
)

NOW = at("2026-06-12 12:00:00")
HOUR = 3600 * MICROSECONDS
UNTRUSTED = ClockQuality.UNTRUSTED


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    return found


def day(visited: Visited, when: str = "2026-06-10") -> None:
    """A day with two companies, a person of both, and a card that nobody is known to hold."""
    visited.record(
        tap(ANNA, BYGG, IN, at(f"{when} 06:55:10")),
        tap(BORIS, EL, IN, at(f"{when} 07:00:00")),
        tap(BORIS, EL, OUT, at(f"{when} 11:30:00")),
        tap(ANNA, EL, IN, at(f"{when} 11:45:00")),
        tap(BORIS, EL, IN, at(f"{when} 12:15:00")),
        tap(None, None, IN, at(f"{when} 12:20:00"), card="uid:04ABABABABABAB"),
        tap(ANNA, BYGG, OUT, at(f"{when} 15:00:00")),
        tap(ANNA, EL, OUT, at(f"{when} 15:30:00")),
        tap(BORIS, EL, OUT, at(f"{when} 16:00:01")),
    )


def test_each_pass_of_a_day_is_a_row_by_itself_and_two_companies_are_apart(visited: Visited) -> None:
    day(visited)
    rows = visited.rows(history("2026-06-10"), NOW)
    assert [(brief(row), row.company) for row in rows] == [
        (("Anna Åkesson", "2026:06:10 06:55:10", "2026:06:10 15:00:00"), "Bygg & Söner AB"),
        (("Boris Łukaszewicz", "2026:06:10 07:00:00", "2026:06:10 11:30:00"), "Elektryczność Sp. z o.o."),
        (("Anna Åkesson", "2026:06:10 11:45:00", "2026:06:10 15:30:00"), "Elektryczność Sp. z o.o."),
        (("Boris Łukaszewicz", "2026:06:10 12:15:00", "2026:06:10 16:00:01"), "Elektryczność Sp. z o.o."),
        (("okänd person", "2026:06:10 12:20:00", "saknas"), ""),
    ]
    anna, stranger = rows[0], rows[-1]
    assert (anna.person_number, anna.company_number) == ("190905271474", "5560160680")
    assert (anna.card, anna.source) == ("uid:04A1B2C3D4E5F6", "kort")
    assert anna.began is not None
    assert (anna.began.recorded, anna.began.entry) == ("2026:06:10 06:55:10", "2")
    assert stranger.card == "uid:04ABABABABABAB"


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({"company": "bygg"}, 1),
        ({"company": "ELEKTRYCZNOŚĆ"}, 3),
        ({"company": "556103-4249"}, 3),
        ({"company": "10342"}, 3),
        ({"person": "åkesson"}, 2),
        ({"person": "A\u030akesson"}, 2),  # an Å of two signs is the same letter
        ({"person": "19090527-1474"}, 2),
        ({"person": "0901219931"}, 2),
        ({"person": "anna", "company": "sp. z"}, 1),
        ({"person": "abababab"}, 1),  # an unknown person by a part of the card
        ({"person": "nobody"}, 0),
        ({"person": "04A1"}, 0),  # digits that stand in a known person's card
        ({"person": "00000"}, 0),  # or id
        ({"person": ANNA}, 2),
        ({}, 5),
    ],
)
def test_it_is_narrowed_by_a_part_of_name_or_number(visited: Visited, narrowed: dict[str, str], expected: int) -> None:
    day(visited)
    assert len(visited.rows(history("2026-06-10", **narrowed), NOW)) == expected


def test_a_night_shift_belongs_to_the_day_it_began(visited: Visited) -> None:
    visited.record(tap(ANNA, BYGG, IN, at("2026-06-10 22:00:00")), tap(ANNA, BYGG, OUT, at("2026-06-11 06:00:00")))
    night = [("Anna Åkesson", "2026:06:10 22:00:00", "2026:06:11 06:00:00")]
    assert [brief(row) for row in visited.rows(history("2026-06-10"), NOW)] == night
    assert visited.rows(history("2026-06-11"), NOW) == []
    by_recording = history("2026-06-11", by=By.RECORDING)
    assert [brief(row) for row in visited.rows(by_recording, NOW)] == night  # its OUT was recorded then


def test_what_is_incomplete_is_said_and_nothing_is_guessed(visited: Visited) -> None:
    visited.record(
        tap(BORIS, EL, OUT, at("2026-06-10 05:00:00")),
        tap(ANNA, BYGG, IN, at("2026-06-10 06:00:00")),
        tap(ANNA, BYGG, IN, at("2026-06-10 12:00:00")),
        tap(ANNA, BYGG, OUT, at("2026-06-11 01:00:01")),
        tap(CELINA, BYGG, IN, at("2026-06-12 07:00:00")),
    )
    assert [brief(row) for row in visited.rows(history(), NOW)] == [
        ("Boris Łukaszewicz", "saknas", "2026:06:10 05:00:00"),
        ("Anna Åkesson", "2026:06:10 06:00:00", "saknas"),
        ("Anna Åkesson", "2026:06:10 12:00:00", "saknas"),
        ("Anna Åkesson", "saknas", "2026:06:11 01:00:01"),
        ("Celīna Bērziņa", "2026:06:12 07:00:00", "pågår"),
    ]


def test_somebody_who_left_by_another_gate_is_not_said_to_be_at_work(visited: Visited) -> None:
    visited.record(tap(CELINA, BYGG, IN, at("2026-06-12 07:00:00")))
    visited.tell(CELINA, BYGG, OUT, at("2026-06-12 11:00:00"))
    (row,) = visited.rows(history("2026-06-12"), NOW)
    assert row.end == "ut vid annan grind"
    assert row.remarks == ("gick ut vid en annan grind (gate-2) 2026:06:12 11:00:00, enligt molnet",)


def test_denied_taps_are_no_passes_and_are_listed_when_asked_for(visited: Visited) -> None:
    visited.record(
        tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")),
        denied(DENIZ, BYGG, at("2026-06-10 07:01:00")),
        tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00"), reason=Reason.BLOCKED),
    )
    assert [row.person for row in visited.rows(history("2026-06-10"), NOW)] == ["Anna Åkesson"]
    kept = visited.read(history("2026-06-10", denied=True), NOW)
    anna, deniz = kept.rows
    assert kept.sections == ["Arbetspass", "Nekade försök (inga arbetspass)"]
    assert anna.remarks == ("ut: kortet var spärrat",)
    assert (deniz.kind, deniz.person_number, deniz.remarks) == (
        "nekad",
        "12345678901 (TR)",
        ("nekad: kortet var spärrat",),
    )


def test_the_true_time_is_shown_with_the_recorded_one_beside_it(visited: Visited) -> None:
    """A boot that began in 1970 was put right twice; the newest says when it began."""
    boot, began = b"x" * 16, at("2026-06-10 06:00:00")
    came = tap(ANNA, BYGG, IN, 90 * MICROSECONDS, clock_quality=UNTRUSTED, boot_id=boot, monotonic=90 * 10**9)
    left = tap(ANNA, BYGG, OUT, began + 8 * HOUR, boot_id=boot, monotonic=8 * HOUR * 1000)
    visited.record(came, clock_set(boot, began - 5 * HOUR, began), clock_set(boot, began, began + HOUR), left)
    (row,) = visited.rows(history("2026-06-10"), NOW)
    assert brief(row) == ("Anna Åkesson", "2026:06:10 06:01:30", "2026:06:10 14:00:00")
    assert row.began is not None
    assert row.began.recorded == "1970:01:01 01:01:30"
    assert row.remarks == (
        "in: klockan var osäker och registrerade 1970:01:01 01:01:30; den rätta tiden är uträknad i efterhand",
    )


def test_recording_is_found_by_its_true_time_and_by_the_one_that_was_written(visited: Visited) -> None:
    boot, began = b"x" * 16, at("2026-06-10 06:00:00")
    came = tap(ANNA, BYGG, IN, 90 * MICROSECONDS, clock_quality=UNTRUSTED, boot_id=boot, monotonic=90 * 10**9)
    visited.record(came, clock_set(boot, began, began + HOUR))
    found = [
        len(visited.rows(history(when, by=By.RECORDING), NOW)) for when in ("2026-06-10", "1970-01-01", "2026-06-11")
    ]
    assert found == [1, 1, 0]


def test_a_time_that_nobody_knows_is_shown_where_it_may_have_been(visited: Visited) -> None:
    """It lies between two entries whose times are known, and is shown for the days between them."""
    lost = tap(CELINA, BYGG, IN, 5 * MICROSECONDS, clock_quality=UNTRUSTED, boot_id=b"y" * 16, monotonic=5 * 10**9)
    visited.record(
        tap(ANNA, BYGG, IN, at("2026-06-08 07:00:00")),
        tap(ANNA, BYGG, OUT, at("2026-06-08 15:00:00")),
        lost,
        tap(BORIS, EL, IN, at("2026-06-11 07:00:00")),
        tap(BORIS, EL, OUT, at("2026-06-11 15:00:00")),
    )
    shown = {
        when: [row.person for row in visited.rows(history(when), NOW)]
        for when in ("2026-06-08", "2026-06-10", "2026-06-12")
    }
    assert shown == {
        "2026-06-08": ["Anna Åkesson", "Celīna Bērziņa"],
        "2026-06-10": ["Celīna Bērziņa"],
        "2026-06-12": [],
    }
    (row,) = visited.rows(history("2026-06-10"), NOW)
    assert row.remarks == ("in: klockan var osäker; den rätta tiden är inte känd",)


def test_a_card_that_got_its_person_later_is_that_persons(visited: Visited) -> None:
    """The first day of somebody new: in with a card that nobody knew, enrolled at noon, out as a person."""
    card = "uid:04CCCCCCCCCCCC"
    visited.record(
        tap(None, None, IN, at("2026-06-10 07:00:00"), card=card),
        tap(DENIZ, BYGG, OUT, at("2026-06-10 16:00:00"), card=card),
    )
    visited.enrol(card, DENIZ, BYGG)
    (row,) = visited.rows(history("2026-06-10"), NOW)
    assert brief(row) == ("Deniz Öğüş", "2026:06:10 07:00:00", "2026:06:10 16:00:00")
    assert row.remarks == ("personen kopplades till kortet i efterhand",)


@pytest.mark.parametrize(
    ("first", "second", "shown", "remarks"),
    [
        # 25 October 2026: 03:00 becomes 02:00, so half past two comes twice, an hour apart
        (
            "2026-10-25T00:30:00+00:00",
            "2026-10-25T01:30:00+00:00",
            ("2026:10:25 02:30:00", "2026:10:25 02:30:00"),
            ("in: 02:30:00 är sommartid", "ut: 02:30:00 är normaltid"),
        ),
        # 29 March 2026: 02:00 becomes 03:00
        ("2026-03-29T00:59:59+00:00", "2026-03-29T01:00:00+00:00", ("2026:03:29 01:59:59", "2026:03:29 03:00:00"), ()),
    ],
)
def test_a_pass_over_the_change_of_the_clocks(
    visited: Visited, first: str, second: str, shown: tuple[str, str], remarks: tuple[str, ...]
) -> None:
    visited.record(tap(ANNA, BYGG, IN, at(first)), tap(ANNA, BYGG, OUT, at(second)))
    (row,) = visited.rows(history(first[:10]), at("2026-12-01 12:00:00"))
    assert brief(row)[1:] == shown
    assert row.remarks == remarks


def test_days_of_23_and_25_hours_hold_exactly_what_was_in_them(visited: Visited) -> None:
    for when in ("2026-03-28 23:59:59", "2026-03-29 00:00:00", "2026-03-29 23:59:59", "2026-03-30 00:00:00"):
        visited.record(denied(ANNA, BYGG, at(when)))
    rows = visited.rows(history("2026-03-29", denied=True), at("2026-12-01 12:00:00"))
    assert [row.began and row.began.moment for row in rows] == ["2026:03:29 00:00:00", "2026:03:29 23:59:59"]


def test_what_a_clock_that_was_ahead_recorded_is_found_all_the_same(visited: Visited) -> None:
    """A battery kept a time three days ahead, until a time server put it right: numbers go on, times go back."""
    ahead = [tap(CELINA, BYGG, IN, at("2026-06-13 07:00:00") + n * HOUR) for n in range(3)]
    after = [denied(BORIS, EL, at("2026-06-10 12:00:00") + n * MICROSECONDS) for n in range(40)]
    visited.record(*after[:20], *ahead, *after[20:], tap(ANNA, BYGG, IN, at("2026-06-10 13:00:00")))
    now = at("2026-06-20 12:00:00")
    assert {row.person for row in visited.rows(history("2026-06-10"), now)} == {"Anna Åkesson"}
    assert {row.person for row in visited.rows(history("2026-06-13"), now)} == {"Celīna Bērziņa"}


def test_another_projects_entries_stay_out_unless_they_are_asked_for(visited: Visited) -> None:
    before = tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00"), project="00000000000000a9")
    visited.record(before, tap(CELINA, BYGG, IN, at("2026-06-10 08:00:00")))
    assert [row.person for row in visited.rows(history("2026-06-10"), NOW)] == ["Celīna Bērziņa"]
    rows = visited.rows(history("2026-06-10", every_project=True), NOW)
    assert [(row.person, row.project) for row in rows] == [
        ("Anna Åkesson", "00000000000000a9"),
        ("Celīna Bērziņa", ""),
    ]


def test_a_name_that_never_came_is_shown_by_its_id(visited: Visited) -> None:
    visited.record(tap("00000000000000ff", BYGG, IN, at("2026-06-10 07:00:00")))
    kept = visited.read(history("2026-06-10"), NOW)
    assert (kept.rows[0].person, kept.rows[0].person_number) == ("namn saknas", "id 00000000000000ff")
    assert any("har molnet inte skickat" in note for note in kept.notes)


def test_names_that_cannot_be_opened_are_shown_by_id_and_it_is_said_why(visited: Visited) -> None:
    day(visited)
    (visited.folder / "terminal.key").write_text("no key")
    kept = visited.read(history("2026-06-10"), NOW)
    assert kept.rows[0].person_number == f"id {ANNA}"
    assert any(note.startswith("Namnen kan inte läsas:") for note in kept.notes)
    assert len(visited.rows(history("2026-06-10", person=ANNA), NOW)) == 2


def test_words_from_elsewhere_cannot_move_the_cursor_or_begin_a_row(visited: Visited) -> None:
    visited.bind(place="Norra\x1b[2J\nKedja hel", developer="Bygg\u202eherre")
    visited.record(tap(None, None, IN, at("2026-06-10 07:00:00"), card="uid:04\nBoris"))
    kept = visited.read(history("2026-06-10"), NOW)
    assert kept.rows[0].card == "uid:04�Boris"
    assert (kept.lines["Plats"], kept.lines["Byggherre"]) == ("Norra�[2J�Kedja hel", "Bygg�herre 5592440001")


def test_every_reason_and_source_has_swedish_words() -> None:
    assert set(DENIED) == set(Reason)
    assert set(SOURCES) == set(Source)


def test_names_come_in_the_newest_wording(visited: Visited) -> None:
    day(visited)
    visited.name({ANNA: Named("Anna Öberg", "190905271474")})
    assert visited.rows(history("2026-06-10"), NOW)[0].person == "Anna Öberg"


# --- any history -----------------------------------------------------------------------------------------------------

moves = st.lists(
    st.tuples(st.sampled_from([ANNA, BORIS, CELINA]), st.sampled_from(Direction), st.integers(0, 14)), max_size=20
)


def recorded(drawn: list[tuple[str, Direction, int]]) -> Iterator[Tap]:
    """Each tap some hours after the one before."""
    now = at("2026-03-27 05:00:00")
    for person, way, hours in drawn:
        now += hours * HOUR + MICROSECONDS
        yield tap(person, BYGG, way, now)


@settings(max_examples=20, deadline=None)
@given(moves)
def test_days_together_are_the_whole_history_and_no_tap_is_lost(drawn: list[tuple[str, Direction, int]]) -> None:
    with TemporaryDirectory() as folder:
        visited = Visited(Path(folder) / "site")
        visited.bind()
        taps = list(recorded(drawn))
        visited.record(*taps)
        now = at("2026-12-01 12:00:00")
        whole = visited.rows(Asked(View.HISTORY), now)
        ends = [mark.utc for row in whole for mark in (row.began, row.ended) if mark is not None]
        assert sorted(ends) == sorted(each.occurred_at for each in taps)
        first = date(2026, 3, 27)
        by_day = [
            row
            for number in range(13)
            for row in visited.rows(history((first + timedelta(days=number)).isoformat()), now)
        ]
        assert sorted(map(brief, by_day)) == sorted(map(brief, whole))


def test_a_period_is_found_at_its_first_entry(tmp_path: Path) -> None:
    begins = at("2026-01-01 00:00:00")
    visited = Visited(tmp_path, HandClock(begins - HOUR))
    visited.bind()
    visited.record(*(denied(ANNA, BYGG, begins + n * HOUR) for n in range(3000)))
    report = visited.report(history(), NOW)
    (source,) = report.sources.all
    for hours in (0, 1, 500, 2999):
        utc = begins + hours * HOUR
        first = source.first_since(utc)
        (newest,) = source.entries(first, first)
        assert newest.payload.registered_at >= utc
        assert next(source.entries(first - 1, first - 1)).payload.registered_at < utc
    report.sources.close()
    report.told.close()
