"""The page of the product keeps its promises: decide, record, signal, open, in that order, whatever fails."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.answers import Answer, pattern_of
from edge.errors import PinFailed
from edge.readers import CardSeen
from edge.signals.patterns import PATTERNS, Pattern
from protocol.cards import CardId
from protocol.decision import (
    CardAuthentication,
    Credential,
    Denied,
    Direction,
    Enrolment,
    Granted,
    Mode,
    Proof,
    Reason,
)
from protocol.entries import MOST_ALSO, Outcome, decode_payload
from protocol.rights import Hours, Right
from tests.support.gate import ANNA, BORIS, NOON, Gate, gate

PIV = CardId.parse("piv:00112233445566778899AABBCCDDEEFF")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Gate]:
    with gate(tmp_path) as opened:
        yield opened


@pytest.fixture
def bound(site: Gate) -> Gate:
    """A gate of a project in open mode, where Anna is enrolled."""
    site.cloud.bind()
    site.cloud.enrol(ANNA, "anna")
    return site


def entries_on_disk(folder: Path) -> list[str]:
    """The cards of all taps that another process would find in the ledger now."""
    with closing(sqlite3.connect(folder / "ledger.db", timeout=0)) as other:
        payloads = [decode_payload(raw) for (raw,) in other.execute("SELECT bytes FROM payload ORDER BY seq")]
    return [payload.card for payload in payloads if hasattr(payload, "card")]


def test_entry_is_written_before_the_light_turns_green(bound: Gate) -> None:
    """Another connection looks at the file at the very moment the pin is set."""
    seen: dict[str, list[str]] = {}
    bound.pins.look = lambda name, on: seen.setdefault(name, entries_on_disk(bound.folder)) if on else None  # type: ignore[method-assign,assignment]
    bound.tap(ANNA)
    assert seen == {"green": [str(ANNA)], "buzzer": [str(ANNA)], "lock-gate": [str(ANNA)]}


def test_the_light_turns_green_before_the_lock_moves(bound: Gate) -> None:
    bound.tap(ANNA)
    assert bound.pins.order == [("green", True), ("buzzer", True), ("lock-gate", True)]


def test_the_lock_closes_after_its_time_and_both_changes_are_in_the_ledger(bound: Gate) -> None:
    answer = bound.tap(ANNA)
    assert bound.lit() == {"green", "buzzer", "lock-gate"}
    bound.loop.advance(6)
    assert bound.lit() == set()
    assert [(change.state, change.cause) for change in bound.door_changes] == [
        ("unlocked", f"tap {answer.seq}"),
        ("locked", "access_time"),
    ]


def test_a_tap_is_written_down_completely(bound: Gate) -> None:
    bound.tap(ANNA, "in")
    (tap,) = bound.taps
    assert (tap.card, tap.person, tap.company) == (str(ANNA), "anna", "00000000000000c1")
    assert (tap.reader, tap.direction, tap.outcome, tap.reason) == ("in", Direction.IN, Outcome.GRANTED, None)
    assert (tap.project, tap.tables) == (bound.tables.binding and bound.tables.binding.project, bound.tables.versions)
    assert tap.occurred_at == NOON + 10_000_000
    assert tap.registered_at >= tap.occurred_at
    assert len(tap.salt) == 16


@pytest.mark.feature("F05")
def test_a_tap_tells_under_which_other_identities_the_card_was_read_and_what_it_proved(bound: Gate) -> None:
    """So that the cloud learns which numbers are one card; none that is another one at the next touch (DESIGN 4)."""
    serial, wandering = CardId.parse("uid:04000000000007"), CardId.parse("uid:08112233")
    bound.tap(PIV, "in", (serial, wandering, PIV, serial), Credential(Proof.GENUINE))
    bound.tap(wandering, "in", (serial,))
    bound.tap(ANNA, "in", tuple(CardId.parse(f"uid:0400000000000{number}") for number in range(9)))
    assert [(tap.card, tap.also, tap.proof) for tap in bound.taps[:2]] == [
        (str(PIV), (str(serial),), Proof.GENUINE),
        (str(wandering), (str(serial),), Proof.NOT_ASKED),
    ]
    assert len(bound.taps[2].also) == MOST_ALSO


@pytest.mark.feature("F05")
def test_a_copied_card_is_refused_where_proofs_are_asked_for_and_let_out(bound: Gate) -> None:
    bound.cloud.bind(card_authentication=CardAuthentication.PREFER)
    copied = Credential(Proof.COPIED)
    assert bound.tap(PIV, "in", (), copied).shown is Pattern.CARD_COPIED
    assert "lock-gate" not in bound.lit()
    assert bound.tap(PIV, "out", (), copied).verdict == Granted(Direction.OUT, ("gate",), Reason.CARD_COPIED)
    assert [(tap.outcome, tap.reason) for tap in bound.taps] == [
        (Outcome.DENIED, Reason.CARD_COPIED),
        (Outcome.GRANTED, Reason.CARD_COPIED),
    ]


@pytest.mark.feature("F06")
def test_a_number_that_is_another_one_at_each_touch_is_refused_and_let_out(bound: Gate) -> None:
    """A phone in the pocket must not become a person on the site."""
    phone = CardId.parse("uid:08112233")
    bound.cloud.enrol(phone, "nobody")
    assert bound.tap(phone, "in").verdict == Denied(Reason.CARD_RANDOM, Direction.IN)
    assert bound.tap(phone, "both").verdict == Denied(Reason.CARD_RANDOM, Direction.IN)
    assert bound.tap(phone, "out").verdict == Granted(Direction.OUT, ("gate",), Reason.CARD_RANDOM)
    assert [tap.person for tap in bound.taps] == [None] * 3


def test_a_toggle_reader_lets_in_and_then_out(bound: Gate) -> None:
    answers = [bound.tap(ANNA).verdict.direction for _ in range(3)]
    assert answers == [Direction.IN, Direction.OUT, Direction.IN]


def test_the_way_of_the_next_tap_is_remembered_over_a_restart(tmp_path: Path) -> None:
    with gate(tmp_path) as before:
        before.cloud.bind()
        before.tap(ANNA)
    with gate(tmp_path) as after:
        after.clock.pass_by(3600)
        assert after.tap(ANNA).verdict.direction is Direction.OUT


def test_the_same_holding_of_a_card_counts_once_and_shows_its_answer_again(bound: Gate) -> None:
    first = bound.tap(ANNA)
    bound.pins.order.clear()
    bound.loop.advance(2)
    bound.clock.pass_by(2)
    again = bound.terminal.tap(CardSeen(ANNA, "both"))
    assert again == first
    assert len(bound.taps) == 1
    assert ("green", True) in bound.pins.order
    assert ("lock-gate", True) not in bound.pins.order


def test_two_cards_directly_after_one_another_both_count(bound: Gate) -> None:
    bound.tap(ANNA)
    bound.terminal.tap(CardSeen(BORIS, "both"))
    assert [tap.card for tap in bound.taps] == [str(ANNA), str(BORIS)]


def test_an_unbound_terminal_shows_red_only_opens_nothing_and_still_records(site: Gate) -> None:
    answer = site.tap(ANNA)
    site.loop.advance(10)
    assert answer.verdict == Denied(Reason.UNBOUND)
    assert {name for name, on in site.pins.order if on} == {"red"}
    assert [(tap.card, tap.project, tap.reason) for tap in site.taps] == [(str(ANNA), None, Reason.UNBOUND)]


def test_a_blocked_card_is_denied_and_stays_outside(bound: Gate) -> None:
    bound.cloud.block(ANNA)
    answer = bound.tap(ANNA)
    assert answer.shown is Pattern.BLOCKED
    assert "lock-gate" not in bound.lit()
    assert [(tap.outcome, tap.reason) for tap in bound.taps] == [(Outcome.DENIED, Reason.BLOCKED)]


def test_a_card_blocked_while_its_holder_is_inside_still_lets_out_with_a_remark(bound: Gate) -> None:
    bound.tap(ANNA)
    bound.cloud.block(ANNA)
    answer = bound.tap(ANNA)
    assert answer.verdict == Granted(Direction.OUT, ("gate",), Reason.BLOCKED)
    assert answer.shown is Pattern.ADMITTED_OUT
    assert bound.lit() >= {"green", "lock-gate"}
    assert bound.taps[-1].reason is Reason.BLOCKED


def test_an_unknown_card_is_admitted_with_a_signal_of_its_own_and_refused_when_closed(bound: Gate) -> None:
    assert bound.tap(BORIS).shown is Pattern.ADMITTED_WITHOUT_PERSON
    bound.tap(BORIS)
    bound.cloud.bind(Mode.CLOSED)
    assert bound.tap(BORIS).shown is Pattern.NOT_ENROLLED


def test_an_ended_project_lets_nobody_in(bound: Gate) -> None:
    bound.cloud.bind(ended=True)
    assert bound.tap(ANNA).shown is Pattern.PROJECT_ENDED


def test_without_the_cloud_taps_are_recorded_and_shown_as_such(bound: Gate) -> None:
    bound.link.is_online = False
    shown = [bound.tap(ANNA).shown, bound.tap(ANNA).shown, bound.tap(BORIS).shown]
    assert shown == [
        Pattern.RECORDED_IN_OFFLINE,
        Pattern.RECORDED_OUT_OFFLINE,
        Pattern.RECORDED_WITHOUT_PERSON_OFFLINE,
    ]
    assert len(bound.taps) == 3


def test_the_link_is_woken_for_every_entry(bound: Gate) -> None:
    bound.tap(ANNA)
    assert bound.link.woken == 2, "for the tap and for the door"


def test_a_ledger_that_fails_turns_nothing_green_and_the_next_tap_tries_again(bound: Gate) -> None:
    """Another process holds the file; the same path is taken for a full or failing disk."""
    with closing(sqlite3.connect(bound.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with capture_logs() as lines:
            answer = bound.tap(ANNA)
    assert (answer.seq, answer.shown, answer.outcome) == (None, Pattern.LEDGER_FAULT, Outcome.DENIED)
    assert "green" not in bound.lit()
    assert bound.pins.order == [("red", True), ("buzzer", True)]
    assert [line["event"] for line in lines] == ["ledger.failed"]
    assert bound.taps == []

    again = bound.tap(ANNA)
    assert again.verdict == Granted(Direction.IN, ("gate",))
    assert [tap.card for tap in bound.taps] == [str(ANNA)]


def test_a_full_disk_turns_nothing_green_until_there_is_room_again(bound: Gate) -> None:
    """The kernel refuses to let any file grow, as it does on a full disk; the file of the pins is shorter."""
    bound.tap(ANNA)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((bound.folder / "ledger.db-wal").stat().st_size, hard))
    try:
        with capture_logs():
            answers = [bound.tap(BORIS) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [answer.shown for answer in answers] == [Pattern.LEDGER_FAULT] * 3
    assert [tap.card for tap in bound.taps] == [str(ANNA)]
    assert bound.tap(BORIS).seq is not None
    assert [tap.card for tap in bound.taps] == [str(ANNA), str(BORIS)]
    assert bound.ledger.verify(lambda _done, _every: None).entries == bound.ledger.last_seq


def test_a_tap_that_could_not_be_written_is_no_repeat_a_second_later(bound: Gate) -> None:
    with closing(sqlite3.connect(bound.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        bound.tap(ANNA)
    assert bound.terminal.tap(CardSeen(ANNA, "both")).seq is not None


def test_a_light_that_fails_keeps_nobody_out(bound: Gate) -> None:
    def broken(name: str, on: bool) -> None:
        if name == "green":
            raise PinFailed(name, "no such line")

    bound.pins.look = broken  # type: ignore[method-assign]
    with capture_logs() as lines:
        answer = bound.tap(ANNA)
    assert answer.seq is not None
    assert "lock-gate" in bound.lit()
    assert [line["event"] for line in lines] == ["signal.failed", "door.changed", "tap.answered"]


def test_a_lock_that_fails_is_said_and_the_tap_counts(bound: Gate) -> None:
    def broken(name: str, on: bool) -> None:
        if name == "lock-gate" and on:
            raise PinFailed(name, "no such line")

    bound.pins.look = broken  # type: ignore[method-assign]
    with capture_logs() as lines:
        bound.tap(ANNA)
    assert [(line["event"], line.get("opened")) for line in lines] == [("door.failed", None), ("tap.answered", [])]
    assert len(bound.taps) == 1


def test_a_door_whose_guard_does_not_run_stays_shut(bound: Gate) -> None:
    bound.door.stop()
    with capture_logs() as lines:
        bound.tap(ANNA)
    assert "lock-gate" not in bound.lit()
    assert lines[0]["event"] == "door.failed"


def test_a_door_that_the_binding_names_and_is_not_here_is_left_out(bound: Gate) -> None:
    bound.cloud.bind(doors=("elsewhere", "gate"))
    with capture_logs() as lines:
        bound.tap(ANNA)
    assert lines[-1]["opened"] == ["gate"]


def test_a_reader_opens_its_own_door_of_several(bound: Gate) -> None:
    """Rights, the binding and where the reader stands: what all three name is opened."""
    rights = (Right("yard", ("gate",)), Right("shed", ("shed",)))
    bound.cloud.bind(doors=("gate", "shed"), rights=rights)
    bound.cloud.enrol(ANNA, "anna", rights=("yard", "shed"))
    bound.cloud.enrol(BORIS, "boris", rights=("yard",))
    assert bound.tap(ANNA, "shed").verdict == Granted(Direction.IN, ("shed",))
    assert bound.lit() & {"lock-gate", "lock-shed"} == {"lock-shed"}
    assert bound.tap(BORIS, "shed").verdict == Denied(Reason.NO_RIGHT, Direction.IN)
    assert bound.lit() & {"lock-gate", "lock-shed"} == set()
    assert bound.tap(BORIS, "in").verdict == Granted(Direction.IN, ("gate",))
    assert bound.tap(ANNA, "in").verdict == Granted(Direction.IN, ("gate", "shed"))
    assert bound.lit() >= {"lock-gate", "lock-shed"}


@pytest.mark.feature("F12")
def test_a_door_stays_open_longer_for_who_needs_longer(bound: Gate) -> None:
    bound.cloud.enrol(BORIS, "boris", long_access=True)
    for card, after_access_time in ((ANNA, False), (BORIS, True)):
        bound.tap(card, "in")
        assert "lock-gate" in bound.lit()
        bound.loop.advance(6)
        assert ("lock-gate" in bound.lit()) is after_access_time
        bound.loop.advance(20)
        assert "lock-gate" not in bound.lit()


def test_doors_expire_while_the_cloud_is_silent_and_registering_goes_on(bound: Gate) -> None:
    bound.cloud.bind(doors_expire_after_offline=60)
    bound.tables.heard(bound.clock.read())
    assert bound.tap(ANNA, "in").verdict == Granted(Direction.IN, ("gate",))
    bound.clock.pass_by(3600)
    bound.loop.advance(3600)
    answer = bound.tap(ANNA, "in")
    assert (answer.verdict, answer.shown) == (Granted(Direction.IN, (), Reason.DOORS_EXPIRED), Pattern.DOORS_EXPIRED)
    assert "lock-gate" not in bound.lit()
    assert bound.taps[-1].reason is Reason.DOORS_EXPIRED
    assert bound.tap(ANNA, "out").verdict == Granted(Direction.OUT, ("gate",))
    assert "lock-gate" in bound.lit()
    bound.tables.heard(bound.clock.read())
    assert bound.tap(ANNA, "in").verdict == Granted(Direction.IN, ("gate",))


@pytest.mark.feature("F15")
def test_hours_keep_out_and_the_reason_is_shown_and_recorded(bound: Gate) -> None:
    bound.cloud.bind(rights=(Right("night", None, (Hours((0, 1, 2, 3, 4, 5, 6), 22 * 60, 6 * 60),)),))
    bound.cloud.enrol(ANNA, "anna", rights=("night",))
    assert bound.tap(ANNA, "in").shown is Pattern.OUT_OF_HOURS
    assert bound.tap(ANNA, "out").verdict == Granted(Direction.OUT, ("gate",), Reason.OUT_OF_HOURS)
    bound.clock.pass_by(9 * 3600)  # 23:00 in Stockholm
    assert bound.tap(ANNA, "in").shown is Pattern.ADMITTED_IN
    assert [tap.reason for tap in bound.taps] == [Reason.OUT_OF_HOURS, Reason.OUT_OF_HOURS, None]


def test_a_tap_leaves_one_line_in_the_log_without_the_card(bound: Gate) -> None:
    with capture_logs() as lines:
        answer = bound.tap(ANNA, "in")
    (line,) = [each for each in lines if each["event"] == "tap.answered"]
    assert line["seq"] == answer.seq
    assert (line["reader"], line["card"]) == ("in", "uid:…E5F6")
    assert (line["direction"], line["outcome"], line["reason"]) == ("in", "granted", None)
    assert isinstance(line["milliseconds"], float)
    assert ANNA.value not in repr(lines)
    assert [each["event"] for each in lines] == ["door.changed", "tap.answered"]


@given(
    verdict=st.builds(Granted, st.sampled_from(Direction), st.just(()), st.none() | st.sampled_from(Reason))
    | st.builds(Denied, st.sampled_from([reason for reason in Reason if reason is not Reason.DOORS_EXPIRED])),
    known=st.booleans(),
    online=st.booleans(),
)
def test_no_denial_is_ever_green_and_only_a_door_that_stays_shut_makes_a_grant_red(
    verdict: Granted | Denied, known: bool, online: bool
) -> None:
    shown = pattern_of(verdict, Enrolment("anna", "ab") if known else None, online)
    steps = PATTERNS[shown].steps
    assert any(step.green for step in steps) is isinstance(verdict, Granted)
    shut = isinstance(verdict, Granted) and verdict.remark is Reason.DOORS_EXPIRED
    assert any(step.red for step in steps) is (shut or isinstance(verdict, Denied))


def test_an_answer_without_an_entry_is_never_a_grant() -> None:
    assert Answer(Granted(Direction.IN, ()), Pattern.LEDGER_FAULT).outcome is Outcome.DENIED
