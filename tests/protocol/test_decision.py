"""Who is let in, and why not: the one rule, tried from every side."""

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import MICROSECONDS, ClockQuality, ClockReading
from protocol.decision import (
    AntiPassback,
    Binding,
    BlockReason,
    CardAuthentication,
    ClockPolicy,
    Credential,
    Denied,
    Direction,
    Enrolment,
    Facts,
    Granted,
    Mode,
    Movement,
    Proof,
    ReaderDirection,
    Reason,
    decide,
)
from protocol.passes import LONGEST_PASS
from protocol.rights import Hours, Right
from tests.protocol.examples import BINDING, SEVEN

BOOT, EARLIER = b"b" * 16, b"a" * 16
MINUTE, HOUR = 60 * MICROSECONDS, 3600 * MICROSECONDS
DAYS = (0, 1, 2, 3, 4)
DAY_SHIFT, NIGHT_SHIFT = Hours(DAYS, 6 * 60, 18 * 60), Hours(DAYS, 22 * 60, 6 * 60)
RIGHTS: Final = (
    Right("yard", ("gate",), (DAY_SHIFT,)),  # NOW is a Wednesday, 08:00 in Stockholm
    Right("night", ("gate",), (NIGHT_SHIFT,)),
    Right("office", ("shed",), None),
    Right("anywhere", None, (DAY_SHIFT,)),
    Right("always", None, None),
    Right("elsewhere", ("north",), None),
)
DOORS: Final = ("gate", "shed")


def at(utc: int, quality: ClockQuality = ClockQuality.SYNCHRONISED) -> ClockReading:
    """A clock that shows this, in a boot that began in 1970."""
    return ClockReading(utc, quality, BOOT, utc * 1000)


NOW, UNSURE = at(SEVEN), at(SEVEN, ClockQuality.UNTRUSTED)


def binding(**changed: Any) -> Binding:
    """A project with rights at a place of two doors, in open mode and without a reset."""
    known: dict[str, Any] = {"reset": None, "doors": DOORS, "rights": RIGHTS}
    return msgspec.structs.replace(BINDING, **{**known, **changed})


def who(*rights: str, long_access: bool = False) -> Enrolment:
    """Somebody with these rights."""
    return Enrolment("person", "company", rights, long_access)


def moved(direction: Direction, ago: int, **changed: Any) -> Movement:
    """A movement of this boot, so many microseconds ago."""
    known: dict[str, Any] = {"boot_id": BOOT, "monotonic": (SEVEN - ago) * 1000}
    return Movement(direction, SEVEN - ago, **{**known, **changed})


ANYBODY: Final = Enrolment("person", "company")
BOUND: Final = Facts(binding(), ReaderDirection.TOGGLE, ANYBODY, None, None)
INSIDE: Final = moved(Direction.IN, HOUR)
GONE: Final = moved(Direction.OUT, HOUR)
COMES_IN: Final = replace(BOUND, reader=ReaderDirection.IN)
GOES_OUT: Final = replace(BOUND, reader=ReaderDirection.OUT)
OFF: Final[dict[str, Any]] = {"card_authentication": CardAuthentication.OFF}
PREFER: Final[dict[str, Any]] = {"card_authentication": CardAuthentication.PREFER}
REQUIRE: Final[dict[str, Any]] = {"card_authentication": CardAuthentication.REQUIRE}


# --- the order --------------------------------------------------------------------------------------------------------

OBJECTIONS: Final[list[tuple[Reason, dict[str, Any], dict[str, Any]]]] = [
    (Reason.PROJECT_ENDED, {"ended": True}, {}),
    (Reason.BLOCKED, {}, {"blocked": BlockReason.LOST}),
    (Reason.CARD_RANDOM, {}, {"is_random": True}),
    (Reason.CARD_EXPIRED, {}, {"credential": Credential(valid_until=SEVEN)}),
    (Reason.CARD_COPIED, PREFER, {"credential": Credential(Proof.COPIED)}),
    (Reason.CARD_MISMATCHED, PREFER, {"credential": Credential(Proof.MISMATCHED)}),
    (Reason.CARD_FOREIGN, PREFER, {"credential": Credential(Proof.FOREIGN)}),
    (Reason.CARD_UNPROVED, REQUIRE, {"credential": Credential(Proof.NO_KEY)}),
    (Reason.NOT_ENROLLED, {"mode": Mode.CLOSED}, {"enrolment": None}),
    (Reason.NO_RIGHT, {}, {"enrolment": who("elsewhere")}),
    (Reason.OUT_OF_HOURS, {}, {"enrolment": who("night")}),
    (Reason.ANTI_PASSBACK, {"anti_passback": AntiPassback.HARD}, {"movement": INSIDE}),
    (Reason.OCCUPANCY_LIMIT, {"occupancy_limit": 7}, {"inside": 7}),
]


@pytest.mark.feature("F05", "F14", "F15")
@pytest.mark.parametrize(("reason", "policy", "known"), OBJECTIONS, ids=[reason for reason, _, _ in OBJECTIONS])
def test_each_reason_denies_an_in_and_only_remarks_on_an_out(
    reason: Reason, policy: dict[str, Any], known: dict[str, Any]
) -> None:
    comes_in = replace(COMES_IN, binding=binding(**policy), **known)
    assert decide(comes_in, NOW) == Denied(reason, Direction.IN)
    goes_out = decide(replace(comes_in, reader=ReaderDirection.OUT), NOW)
    none_on_the_way_out = {Reason.ANTI_PASSBACK, Reason.OCCUPANCY_LIMIT}
    assert goes_out == Granted(Direction.OUT, DOORS, None if reason in none_on_the_way_out else reason)


@pytest.mark.parametrize(
    ("first", "second"),
    [(first, second) for first, second in combinations(OBJECTIONS, 2) if not first[2].keys() & second[2].keys()],
    ids=lambda each: each[0],
)
def test_the_first_denial_wins(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    """Each against every later one that can hold together with it."""
    facts = replace(COMES_IN, binding=binding(**first[1], **second[1]), **first[2], **second[2])
    assert decide(facts, NOW) == Denied(first[0], Direction.IN)


def test_the_order_of_decision_is_that_of_the_reasons() -> None:
    """The documents list them in the order of the enum."""
    order = [Reason.UNBOUND, *(reason for reason, _, _ in OBJECTIONS)]
    assert [reason for reason in Reason if reason in order] == order
    assert set(Reason) - set(order) == {Reason.CLOCK_UNTRUSTED, Reason.DOORS_EXPIRED}


def test_an_unbound_terminal_admits_nobody_either_way() -> None:
    """Without a project there is nothing to be admitted to."""
    for reader in ReaderDirection:
        assert decide(replace(BOUND, binding=None, reader=reader), NOW) == Denied(Reason.UNBOUND)


def test_an_open_project_admits_a_card_without_a_person_to_all_doors() -> None:
    """The binding's rights are those of enrolled people; who must be kept out needs closed mode."""
    assert decide(replace(COMES_IN, enrolment=None), NOW) == Granted(Direction.IN, DOORS)


# --- the card itself --------------------------------------------------------------------------------------------------


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("proof", "preferred", "required"),
    [
        (Proof.GENUINE, None, None),
        (Proof.NOT_ASKED, None, Reason.CARD_UNPROVED),
        (Proof.NO_KEY, None, Reason.CARD_UNPROVED),
        (Proof.COPIED, Reason.CARD_COPIED, Reason.CARD_COPIED),
        (Proof.MISMATCHED, Reason.CARD_MISMATCHED, Reason.CARD_MISMATCHED),
        (Proof.FOREIGN, Reason.CARD_FOREIGN, Reason.CARD_FOREIGN),
    ],
)
def test_a_proof_counts_where_the_project_asks_for_it(
    proof: Proof, preferred: Reason | None, required: Reason | None
) -> None:
    """`prefer` refuses who was caught; `require` refuses who cannot prove anything, too."""
    facts = replace(COMES_IN, credential=Credential(proof))
    for policy, refused in ((OFF, None), (PREFER, preferred), (REQUIRE, required)):
        expected = Granted(Direction.IN, DOORS) if refused is None else Denied(refused, Direction.IN)
        assert decide(replace(facts, binding=binding(**policy)), NOW) == expected


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("credential", "is_refused"),
    [
        (Credential(valid_until=SEVEN + 1), False),
        (Credential(valid_until=SEVEN), True),
        (Credential(valid_from=SEVEN), False),
        (Credential(valid_from=SEVEN + 1), True),
        (Credential(Proof.GENUINE, SEVEN - HOUR, SEVEN + HOUR), False),
        (Credential(Proof.GENUINE, SEVEN - HOUR, SEVEN - MINUTE), True),
    ],
)
def test_a_card_is_refused_outside_its_dates_whatever_is_asked_of_it(credential: Credential, is_refused: bool) -> None:
    for policy in (OFF, PREFER):
        facts = replace(COMES_IN, binding=binding(**policy), credential=credential)
        refused: Granted | Denied = Denied(Reason.CARD_EXPIRED, Direction.IN)
        assert decide(facts, NOW) == (refused if is_refused else Granted(Direction.IN, DOORS))
        assert decide(facts, UNSURE) == Granted(Direction.IN, DOORS), "a wrong clock must not shut everybody out"


# --- doors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enrolment", "at_doors", "opened"),
    [
        (ANYBODY, None, ("gate", "shed")),
        (ANYBODY, ("shed",), ("shed",)),
        (ANYBODY, ("shed", "of another terminal"), ("shed",)),
        (ANYBODY, (), ()),
        (who("yard"), None, ("gate",)),
        (who("yard", "office"), None, ("gate", "shed")),
        (who("night", "office"), None, ("shed",)),
        (who("yard", "office"), ("shed",), ("shed",)),
        (who("anywhere"), None, ("gate", "shed")),
        (who("always"), (), ()),  # a reader that only registers
        (who("not known here", "office"), None, ("shed",)),
    ],
)
def test_doors_open_that_the_reader_stands_at_and_a_right_leads_to(
    enrolment: Enrolment, at_doors: tuple[str, ...] | None, opened: tuple[str, ...]
) -> None:
    assert decide(replace(COMES_IN, enrolment=enrolment, at_doors=at_doors), NOW) == Granted(Direction.IN, opened)


@pytest.mark.parametrize(
    ("enrolment", "at_doors"),
    [
        (who(), None),
        (who("not known here"), None),
        (who("elsewhere"), None),
        (who("yard"), ("shed",)),
        (who("night"), ("shed",)),  # not out of hours: at that door it is never right
        (who("yard"), ()),
    ],
)
def test_who_has_no_right_that_leads_through_here_is_denied(
    enrolment: Enrolment, at_doors: tuple[str, ...] | None
) -> None:
    facts = replace(COMES_IN, enrolment=enrolment, at_doors=at_doors)
    assert decide(facts, NOW) == Denied(Reason.NO_RIGHT, Direction.IN)


def test_on_the_way_out_every_door_at_the_reader_opens() -> None:
    facts = replace(GOES_OUT, enrolment=who("office"))
    assert decide(facts, NOW) == Granted(Direction.OUT, DOORS)
    at_the_gate = decide(replace(facts, at_doors=("gate",)), NOW)
    assert at_the_gate == Granted(Direction.OUT, ("gate",), Reason.NO_RIGHT)
    assert decide(replace(facts, enrolment=who()), NOW) == Granted(Direction.OUT, DOORS, Reason.NO_RIGHT)


@pytest.mark.feature("F12")
def test_long_access_is_of_the_person() -> None:
    for facts in (COMES_IN, GOES_OUT):
        verdict = decide(replace(facts, enrolment=who("always", long_access=True)), NOW)
        assert isinstance(verdict, Granted)
        assert verdict.long_access


@pytest.mark.feature("F14")
def test_a_limit_keeps_out_who_would_be_one_too_many() -> None:
    """Somebody inside who taps in again takes no second place; nobody is counted on the way out."""
    full = replace(COMES_IN, binding=binding(occupancy_limit=2), inside=2)
    assert decide(full, NOW) == Denied(Reason.OCCUPANCY_LIMIT, Direction.IN)
    assert decide(replace(full, inside=1), NOW) == Granted(Direction.IN, DOORS)
    assert decide(replace(full, movement=INSIDE), NOW) == Granted(Direction.IN, DOORS)
    assert decide(replace(full, movement=GONE), NOW) == Denied(Reason.OCCUPANCY_LIMIT, Direction.IN)
    assert decide(replace(full, binding=binding(occupancy_limit=0), inside=0), NOW) == Denied(
        Reason.OCCUPANCY_LIMIT, Direction.IN
    )
    assert decide(replace(full, reader=ReaderDirection.OUT), NOW) == Granted(Direction.OUT, DOORS)


@pytest.mark.parametrize(
    ("unheard_for", "opened", "remark"),
    [
        (0, DOORS, None),
        (72 * HOUR - 1, DOORS, None),
        (72 * HOUR, (), Reason.DOORS_EXPIRED),
        (None, (), Reason.DOORS_EXPIRED),
    ],
)
def test_doors_stay_shut_on_the_way_in_when_the_cloud_was_silent_for_too_long(
    unheard_for: int | None, opened: tuple[str, ...], remark: Reason | None
) -> None:
    """Registering goes on for ever, and nobody is shut in."""
    facts = replace(COMES_IN, binding=binding(doors_expire_after_offline=72 * 60), unheard_for=unheard_for)
    assert decide(facts, NOW) == Granted(Direction.IN, opened, remark)
    assert decide(replace(facts, reader=ReaderDirection.OUT), NOW) == Granted(Direction.OUT, DOORS)
    assert decide(replace(facts, at_doors=()), NOW) == Granted(Direction.IN, ())
    assert decide(replace(facts, binding=binding()), NOW) == Granted(Direction.IN, DOORS)


# --- hours and the clock ----------------------------------------------------------------------------------------------


@pytest.mark.feature("F15", "F16")
@pytest.mark.parametrize(
    ("policy", "enrolment", "verdict"),
    [
        (ClockPolicy.IGNORE_SCHEDULES, who("night"), Granted(Direction.IN, ("gate",), Reason.CLOCK_UNTRUSTED)),
        (ClockPolicy.IGNORE_SCHEDULES, who("night", "office"), Granted(Direction.IN, DOORS, Reason.CLOCK_UNTRUSTED)),
        (ClockPolicy.IGNORE_SCHEDULES, who("office"), Granted(Direction.IN, ("shed",))),
        (ClockPolicy.IGNORE_SCHEDULES, who("elsewhere"), Denied(Reason.NO_RIGHT, Direction.IN)),
        (ClockPolicy.IGNORE_SCHEDULES, ANYBODY, Granted(Direction.IN, DOORS)),
        (ClockPolicy.ALWAYS_ONLY, who("yard"), Denied(Reason.CLOCK_UNTRUSTED, Direction.IN)),
        (ClockPolicy.ALWAYS_ONLY, who("yard", "office"), Granted(Direction.IN, ("shed",))),
        (ClockPolicy.ALWAYS_ONLY, who("elsewhere"), Denied(Reason.NO_RIGHT, Direction.IN)),
        (ClockPolicy.ALWAYS_ONLY, ANYBODY, Granted(Direction.IN, DOORS)),
    ],
)
def test_what_an_untrusted_clock_means_for_people_with_hours(
    policy: ClockPolicy, enrolment: Enrolment, verdict: Granted | Denied
) -> None:
    facts = replace(COMES_IN, binding=binding(clock_untrusted=policy), enrolment=enrolment)
    assert decide(facts, UNSURE) == verdict


@pytest.mark.feature("F15")
def test_a_clock_that_was_held_counts_like_one_that_is_synchronised() -> None:
    for quality in (ClockQuality.SYNCHRONISED, ClockQuality.HELD):
        denied = decide(replace(COMES_IN, enrolment=who("night")), at(SEVEN, quality))
        assert denied == Denied(Reason.OUT_OF_HOURS, Direction.IN)


@pytest.mark.feature("F15")
def test_a_holiday_of_the_project_keeps_a_day_shift_out() -> None:
    facts = replace(COMES_IN, binding=binding(holidays=("2025-11-05",)), enrolment=who("yard"))
    assert decide(facts, NOW) == Denied(Reason.OUT_OF_HOURS, Direction.IN)
    assert decide(facts, at(SEVEN + 24 * HOUR)) == Granted(Direction.IN, ("gate",))


# --- which way, and anti-passback -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "movement", "direction"),
    [
        (ReaderDirection.TOGGLE, None, Direction.IN),
        (ReaderDirection.TOGGLE, INSIDE, Direction.OUT),
        (ReaderDirection.TOGGLE, GONE, Direction.IN),
        (ReaderDirection.TOGGLE, moved(Direction.IN, LONGEST_PASS - 1), Direction.OUT),
        (ReaderDirection.TOGGLE, moved(Direction.IN, LONGEST_PASS), Direction.IN),
        (ReaderDirection.IN, INSIDE, Direction.IN),
        (ReaderDirection.OUT, None, Direction.OUT),
        (ReaderDirection.OUT, GONE, Direction.OUT),
    ],
)
def test_a_reader_goes_its_own_way_or_both_in_turn(
    reader: ReaderDirection, movement: Movement | None, direction: Direction
) -> None:
    verdict = decide(replace(BOUND, reader=reader, movement=movement), NOW)
    assert verdict == Granted(direction, DOORS)


@pytest.mark.parametrize("proof", [Proof.COPIED, Proof.MISMATCHED, Proof.FOREIGN])
def test_a_card_that_is_another_is_not_where_that_one_is(proof: Proof) -> None:
    facts = replace(BOUND, binding=binding(**PREFER), movement=INSIDE, credential=Credential(proof))
    assert decide(facts, NOW) == Denied(Reason(f"card_{proof}"), Direction.IN)
    assert decide(replace(facts, binding=binding(**OFF)), NOW) == Granted(Direction.OUT, DOORS)


def test_after_the_presence_reset_the_next_tap_is_an_in() -> None:
    before = moved(Direction.IN, 6 * HOUR)  # 02:00 in Stockholm, reset at 03:00
    assert decide(replace(BOUND, binding=binding(reset="03:00"), movement=before), NOW).direction is Direction.IN
    assert decide(replace(BOUND, binding=binding(reset="01:00"), movement=before), NOW).direction is Direction.OUT


PASSED_BACK: Final = Granted(Direction.IN, DOORS, Reason.ANTI_PASSBACK)
KEPT_OUT: Final = Denied(Reason.ANTI_PASSBACK, Direction.IN)
WELCOME: Final = Granted(Direction.IN, DOORS)


@pytest.mark.feature("F14")
@pytest.mark.parametrize(
    ("policy", "movement", "verdict"),
    [
        (AntiPassback.OFF, INSIDE, WELCOME),
        (AntiPassback.SOFT, INSIDE, PASSED_BACK),
        (AntiPassback.SOFT, GONE, WELCOME),
        (AntiPassback.HARD, INSIDE, KEPT_OUT),
        (AntiPassback.HARD, GONE, WELCOME),
        (AntiPassback.HARD, None, WELCOME),
        (AntiPassback.HARD, moved(Direction.IN, LONGEST_PASS - 1), KEPT_OUT),
        (AntiPassback.HARD, moved(Direction.IN, LONGEST_PASS), WELCOME),
        (AntiPassback.TIMED, moved(Direction.IN, 30 * MINUTE - 1), KEPT_OUT),
        (AntiPassback.TIMED, moved(Direction.IN, 30 * MINUTE), WELCOME),
    ],
)
def test_anti_passback_denies_remarks_or_forgives(
    policy: AntiPassback, movement: Movement | None, verdict: Granted | Denied
) -> None:
    strict = binding(anti_passback=policy, anti_passback_minutes=30)
    assert decide(replace(COMES_IN, binding=strict, movement=movement), NOW) == verdict


def test_what_is_of_unknown_age_is_not_forgiven_yet() -> None:
    """Another gate saw it, and this one's clock cannot tell how long ago."""
    timed = binding(anti_passback=AntiPassback.TIMED, anti_passback_minutes=30)
    facts = replace(COMES_IN, binding=timed, movement=Movement(Direction.IN, SEVEN - HOUR))
    assert (decide(facts, UNSURE), decide(facts, NOW)) == (KEPT_OUT, WELCOME)


@pytest.mark.feature("F14")
def test_the_presence_reset_forgives_too() -> None:
    facts = replace(COMES_IN, movement=moved(Direction.IN, 6 * HOUR))
    assert decide(replace(facts, binding=binding(anti_passback=AntiPassback.HARD)), NOW) == KEPT_OUT
    reset = binding(anti_passback=AntiPassback.HARD, reset="03:00")
    assert decide(replace(facts, binding=reset), NOW) == WELCOME


@pytest.mark.feature("F14")
@pytest.mark.parametrize("policy", [AntiPassback.SOFT, AntiPassback.HARD, AntiPassback.TIMED])
def test_who_goes_out_twice_is_let_out_with_a_remark(policy: AntiPassback) -> None:
    facts = replace(GOES_OUT, binding=binding(anti_passback=policy, anti_passback_minutes=90), movement=GONE)
    assert decide(facts, NOW) == Granted(Direction.OUT, DOORS, Reason.ANTI_PASSBACK)
    assert decide(replace(facts, movement=INSIDE), NOW) == Granted(Direction.OUT, DOORS)


def test_a_toggle_reader_never_meets_anti_passback() -> None:
    strict = replace(BOUND, binding=binding(anti_passback=AntiPassback.HARD))
    for movement in (INSIDE, GONE, None):
        assert isinstance(decide(replace(strict, movement=movement), NOW), Granted)


# --- properties -------------------------------------------------------------------------------------------------------

any_time = st.integers(-(2**70), 2**70) | st.integers(SEVEN - 40 * HOUR, SEVEN + 40 * HOUR)
readings = st.builds(
    ClockReading,
    any_time,
    st.sampled_from(ClockQuality),
    st.sampled_from([BOOT, EARLIER, b""]),
    st.integers(0, 2**63) | st.just(SEVEN * 1000),
)
minutes_of_day = st.integers(0, 24 * 60)
rights = st.builds(
    Right,
    st.sampled_from("abcd"),
    st.none() | st.lists(st.sampled_from(["gate", "shed", "north"]), max_size=2).map(tuple),
    st.none()
    | st.lists(
        st.builds(Hours, st.lists(st.integers(0, 7), max_size=8).map(tuple), minutes_of_day, minutes_of_day), max_size=2
    ).map(tuple),
)
some_doors = st.lists(st.sampled_from(["gate", "shed"]), max_size=2, unique=True).map(tuple)
bindings = st.builds(
    binding,
    mode=st.sampled_from(Mode),
    zone=st.sampled_from(["Europe/Stockholm", "Pacific/Kiritimati", "America/Anchorage", "UTC"]),
    ended=st.booleans(),
    reset=st.none() | st.sampled_from(["00:00", "02:30", "03:00", "23:59"]),
    doors=some_doors,
    rights=st.lists(rights, max_size=4).map(tuple),
    holidays=st.lists(st.sampled_from(["2025-11-05", "2025-11-06", "0001-01-01"]), max_size=2).map(tuple),
    anti_passback=st.sampled_from(AntiPassback),
    anti_passback_minutes=st.sampled_from([0, 30, 10**6]),
    occupancy_limit=st.none() | st.integers(0, 3),
    doors_expire_after_offline=st.none() | st.sampled_from([0, 60]),
    clock_untrusted=st.sampled_from(ClockPolicy),
    card_authentication=st.sampled_from(CardAuthentication),
)
enrolments = st.builds(
    Enrolment,
    st.just("person"),
    st.just("company"),
    st.none() | st.lists(st.sampled_from("abcde"), max_size=4).map(tuple),
    st.booleans(),
)
movements = st.builds(
    Movement,
    st.sampled_from(Direction),
    any_time,
    st.sampled_from([BOOT, EARLIER, b""]),
    st.integers(0, 2**63) | st.just(SEVEN * 1000),
    st.sampled_from(ClockQuality),
)
any_facts = st.builds(
    Facts,
    st.none() | bindings,
    st.sampled_from(ReaderDirection),
    st.none() | enrolments,
    st.none() | st.sampled_from(BlockReason),
    st.none() | movements,
    st.none() | some_doors,
    st.integers(0, 4),
    st.none() | st.sampled_from([0, 59 * MINUTE, 60 * MINUTE, 2**80]),
    st.builds(Credential, st.sampled_from(Proof), st.none() | any_time, st.none() | any_time),
    st.booleans(),
)


@given(any_facts, readings)
def test_the_decision_is_total_and_the_same_each_time(known: Facts, now: ClockReading) -> None:
    """Pure: what the portal says would happen is what happens, in 1970, in 2099 and before the calendar began."""
    verdict = decide(known, now)
    assert verdict == decide(known, now)
    assert isinstance(verdict, Granted | Denied)


@given(any_facts, readings)
def test_an_out_at_a_bound_terminal_is_never_denied_and_opens_what_the_reader_stands_at(
    known: Facts, now: ClockReading
) -> None:
    """Nobody is trapped, whatever the policies are, and the objection stands as a remark."""
    verdict = decide(known, now)
    if known.binding is None:
        assert verdict == Denied(Reason.UNBOUND)
    elif known.reader is ReaderDirection.OUT or verdict.direction is Direction.OUT:
        assert isinstance(verdict, Granted)
        assert verdict.direction is Direction.OUT
        here = known.binding.doors if known.at_doors is None else known.at_doors
        assert verdict.doors == tuple(door for door in known.binding.doors if door in here)


@given(any_facts, readings)
def test_every_denial_is_the_first_that_holds(known: Facts, now: ClockReading) -> None:
    """Whatever else is taken away behind it in the order, the verdict stays."""
    verdict = decide(known, now)
    if known.binding is None or isinstance(verdict, Granted):
        return
    order = list(Reason)
    free: list[tuple[Reason, dict[str, Any], dict[str, Any]]] = [
        (Reason.BLOCKED, {}, {"blocked": None}),
        (Reason.CARD_RANDOM, {}, {"is_random": False}),
        (Reason.CARD_EXPIRED, {}, {"credential": replace(known.credential, valid_from=None, valid_until=None)}),
        *([] if known.credential.is_refuted else [(Reason.CARD_UNPROVED, OFF, {})]),  # else the way may be another
        (Reason.NO_RIGHT, {}, {"enrolment": known.enrolment and ANYBODY}),
        (Reason.ANTI_PASSBACK, {"anti_passback": AntiPassback.OFF}, {}),
        (Reason.OCCUPANCY_LIMIT, {"occupancy_limit": None}, {}),
    ]
    for reason, policy, knowledge in free:
        if order.index(reason) > order.index(verdict.reason):
            eased = replace(known, binding=msgspec.structs.replace(known.binding, **policy), **knowledge)
            assert decide(eased, now) == verdict


@given(any_facts, readings, enrolments, st.sampled_from("abcd"))
def test_one_right_more_never_denies_and_never_shuts_a_door(
    known: Facts, now: ClockReading, enrolment: Enrolment, name: str
) -> None:
    """Monotone in rights; everything, always, is the most."""
    facts = replace(known, enrolment=enrolment)
    more = replace(facts, enrolment=msgspec.structs.replace(enrolment, rights=(*(enrolment.rights or ()), name)))
    everything = replace(facts, enrolment=msgspec.structs.replace(enrolment, rights=None))
    steps = [facts, everything] if enrolment.rights is None else [facts, more, everything]
    for less, better in pairwise(decide(each, now) for each in steps):
        if isinstance(less, Granted):
            assert isinstance(better, Granted)
            assert set(less.doors) <= set(better.doors)


@given(any_facts, readings)
def test_fewer_objections_never_turn_a_grant_into_a_denial(known: Facts, now: ClockReading) -> None:
    """Unblocking and enrolling never make anything worse, nor does a card that proves itself."""
    better = replace(known, blocked=None, enrolment=ANYBODY)
    proved = replace(known, credential=Credential(Proof.GENUINE), is_random=False)
    if isinstance(decide(known, now), Granted):
        assert isinstance(decide(better, now), Granted)
        assert isinstance(decide(proved, now), Granted)


@given(any_facts.filter(lambda known: known.binding is not None), readings)
def test_who_asks_for_more_proof_admits_nobody_whom_less_would_refuse(known: Facts, now: ClockReading) -> None:
    """From `off` over `prefer` to `require` there are only more denials, and nothing else of a grant changes."""
    assert known.binding is not None
    asked = [msgspec.structs.replace(known.binding, **policy) for policy in (OFF, PREFER, REQUIRE)]
    verdicts = [decide(replace(known, binding=each), now) for each in asked]
    for less, more in pairwise(verdicts):
        if isinstance(less, Denied):
            assert isinstance(more, Denied)
        elif isinstance(more, Granted):
            assert replace(more, remark=None) == replace(less, remark=None)


@given(any_facts, readings)
def test_a_card_that_gives_another_number_each_time_never_comes_in(known: Facts, now: ClockReading) -> None:
    verdict = decide(replace(known, is_random=True), now)
    assert isinstance(verdict, Denied) or verdict.direction is Direction.OUT
