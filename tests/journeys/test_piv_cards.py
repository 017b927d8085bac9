"""PIV cards at a gate, over real pcscd, daemon and cloud: genuine ones, copies, broken ones, and one pulled away."""

import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from cloud.projects.policies import Policies
from edge.piv.applet import Manners, PivCard
from edge.piv.issuer import YEARS, Algorithm, Issuer
from edge.readers.pcsc.virtual_card import Held, Pulled, random_uid
from edge.signals.patterns import Pattern
from protocol.cards import CardId, CardKind
from protocol.decision import CardAuthentication, Proof, Reason
from protocol.entries import Outcome, Tap, decode_payload
from tests.journeys.conftest import Build
from tests.support.audit import edges
from tests.support.lights import are_dark, shown_since
from tests.support.site import Site
from tests.support.site_terminal import Feed, Plan, SiteTerminal
from tests.support.waiting import until

GATE: Final = "gate-piv"
ISSUER: Final = Issuer.created("the site's issuer")
STRANGER: Final = Issuer.created("the site's issuer")  # says of itself what the right one does
OVER: Final = (YEARS[0], datetime.datetime(2024, 6, 30, tzinfo=datetime.UTC))
UID: Final = bytes.fromhex("04A1B2C3D4E5F6")


def guid(number: int) -> bytes:
    return bytes.fromhex(f"C0FFEE00{number:024X}")


def identity(number: int) -> CardId:
    return CardId.from_bytes(CardKind.PIV, guid(number))


def genuine(number: int, algorithm: Algorithm = Algorithm.P256, **more: Any) -> PivCard:
    return PivCard.issued(guid(number), ISSUER, algorithm, **more)


@pytest.fixture(scope="module")
def site(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A gate with a PC/SC reader, whose settings name one issuer."""
    trusted = tmp_path_factory.mktemp("issuers") / "issuer.pem"
    trusted.write_bytes(ISSUER.pem)
    return build([Plan(GATE, Feed.PCSC, more=f'[cards]\nissuers = ["{trusted}"]\n')])


@pytest.fixture
def gate(site: Site) -> Iterator[SiteTerminal]:
    terminal = site.terminal(GATE)
    yield terminal
    terminal.withdraw()


@pytest.fixture
def policy(site: Site, gate: SiteTerminal) -> Callable[[CardAuthentication], None]:
    """Has the cloud say what counts, and waits until it counts at the gate."""

    def counts(asked: CardAuthentication) -> None:
        site.cloud.regulate(Policies(card_authentication=asked))
        until(
            lambda: gate.status()["tables"]["binding"] == site.cloud.newest(GATE)["binding"],
            what="the binding has come",
        )

    return counts


def taps(gate: SiteTerminal) -> list[Tap]:
    """All taps in the ledger, as the file has them."""
    payloads = [decode_payload(row.payload) for row in gate.copy().rows if row.payload]
    return [payload for payload in payloads if isinstance(payload, Tap)]


def recorded(gate: SiteTerminal, held: Held) -> Tap:
    """What the ledger says of a card that is held against the reader."""
    before = len(taps(gate))
    gate.hold(held)
    return until(lambda: taps(gate)[before:], what="the tap is in the ledger")[0]


def tapped(gate: SiteTerminal, held: Held) -> tuple[Tap, Pattern]:
    """What the ledger says of it, and what the lights said."""
    until(lambda: are_dark(gate.pins_file), what="the answer to the tap before is over")
    began = time.monotonic_ns()
    return recorded(gate, held), answered(gate, began)


def answered(gate: SiteTerminal, began: int) -> Pattern:
    """What the lights said since then."""
    shown = until(lambda: shown_since(gate.pins_file, began), what="the lights have answered")
    assert shown is not None
    return shown


def opened_since(gate: SiteTerminal, began: int) -> bool:
    return any(edge.pin == "lock-gate" and edge.level and edge.at_ns >= began for edge in edges(gate.pins_file))


@pytest.mark.feature("F04")
def test_a_card_is_known_by_the_guid_of_its_chuid_and_by_the_serial_of_its_chip(
    site: Site, gate: SiteTerminal, policy: Callable[[CardAuthentication], None]
) -> None:
    site.cloud.enrol(identity(1), "Elin Norberg")
    policy(CardAuthentication.OFF)
    until(lambda: gate.status()["tables"]["roster"] == site.cloud.newest(GATE)["roster"], what="the roster has come")
    tap, shown = tapped(gate, Held(UID, genuine(1)))
    assert (tap.card, tap.also) == (str(identity(1)), ("uid:04A1B2C3D4E5F6",))
    assert tap.person is not None
    assert (tap.outcome, tap.proof, shown) == (Outcome.GRANTED, Proof.NOT_ASKED, Pattern.ADMITTED_IN)
    gate.wait_until_sent()
    assert not site.faults()


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("number", "manners", "odd"),
    [
        (11, Manners(chained_select=True), False),
        (12, Manners(shortest_aid=11), False),
        (13, Manners(version=b"\x02\x00"), False),
        (14, Manners(at_once=128), False),
        (15, Manners(lazy_lengths=True), True),
    ],
    ids=["select-in-two-steps", "whole-name-only", "another-version", "small-answers", "lazy-and-odd"],
)
def test_a_card_is_read_however_it_behaves_within_the_standard(
    gate: SiteTerminal, policy: Callable[[CardAuthentication], None], number: int, manners: Manners, odd: bool
) -> None:
    policy(CardAuthentication.REQUIRE)
    tap = recorded(gate, Held(random_uid(), genuine(number, manners=manners, odd=odd)))
    assert (tap.card, tap.proof) == (str(identity(number)), Proof.GENUINE)


@pytest.mark.feature("F06")
def test_a_chip_that_makes_up_its_serial_is_known_by_its_guid_alone(
    gate: SiteTerminal, policy: Callable[[CardAuthentication], None]
) -> None:
    policy(CardAuthentication.OFF)
    tap = recorded(gate, Held(random_uid(), genuine(20)))
    assert (tap.card, tap.also) == (str(identity(20)), ())


@pytest.mark.feature("F06")
def test_a_card_that_is_no_piv_card_and_makes_up_its_serial_is_refused_and_says_so(gate: SiteTerminal) -> None:
    tap, shown = tapped(gate, Held(random_uid()))
    assert (tap.outcome, tap.reason, shown) == (Outcome.DENIED, Reason.CARD_RANDOM, Pattern.CARD_RANDOM)


@pytest.mark.feature("F04")
def test_a_card_whose_guid_is_nothing_but_zeros_is_known_by_its_serial(gate: SiteTerminal) -> None:
    nameless = PivCard.issued(bytes(16), ISSUER)
    tap = recorded(gate, Held(bytes.fromhex("04C0FFEE000016"), nameless))
    assert tap.card == "uid:04C0FFEE000016"


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("algorithm", "compressed"), [(Algorithm.P256, False), (Algorithm.P384, True), (Algorithm.RSA2048, True)]
)
def test_a_genuine_card_is_admitted_where_proof_is_required(
    gate: SiteTerminal,
    policy: Callable[[CardAuthentication], None],
    algorithm: Algorithm,
    compressed: bool,
) -> None:
    policy(CardAuthentication.REQUIRE)
    began = time.monotonic_ns()
    number = 100 + 10 * list(Algorithm).index(algorithm) + compressed
    tap = recorded(gate, Held(random_uid(), genuine(number, algorithm, manners=Manners(compressed=compressed))))
    assert (tap.outcome, tap.proof) == (Outcome.GRANTED, Proof.GENUINE)
    assert opened_since(gate, began)


FALSE: Final = {
    "a copy with a key of the copier's": (genuine(201).copied(), Reason.CARD_COPIED, Proof.COPIED),
    "a copy of the CHUID alone": (genuine(202).without_key(), Reason.CARD_UNPROVED, Proof.NO_KEY),
    "a copy of all but the key": (replace(genuine(208), key=None), Reason.CARD_COPIED, Proof.COPIED),
    "a good card under another's CHUID": (
        genuine(203).under(genuine(204)),
        Reason.CARD_MISMATCHED,
        Proof.MISMATCHED,
    ),
    "an issuer that nobody trusts": (PivCard.issued(guid(205), STRANGER), Reason.CARD_FOREIGN, Proof.FOREIGN),
    "a card that vouches for itself": (PivCard.issued(guid(206), None), Reason.CARD_FOREIGN, Proof.FOREIGN),
    "a card whose time is over": (genuine(207, valid=OVER), Reason.CARD_EXPIRED, Proof.GENUINE),
}


@pytest.mark.feature("F05", "F11")
@pytest.mark.parametrize("what", FALSE)
def test_where_proof_is_required_each_false_card_is_refused_for_its_own_reason(
    site: Site, gate: SiteTerminal, policy: Callable[[CardAuthentication], None], what: str
) -> None:
    card, reason, proof = FALSE[what]
    policy(CardAuthentication.REQUIRE)
    began = time.monotonic_ns()
    tap, shown = tapped(gate, Held(random_uid(), card))
    assert (tap.outcome, tap.reason, tap.proof) == (Outcome.DENIED, reason, proof)
    assert shown == Pattern(reason.value)
    assert not opened_since(gate, began)
    gate.wait_until_sent()
    assert not site.faults()


@pytest.mark.feature("F05")
def test_where_proof_is_preferred_a_copy_is_refused_and_a_card_without_a_key_admitted(
    gate: SiteTerminal, policy: Callable[[CardAuthentication], None]
) -> None:
    """What the guide says of `prefer`: a copier who leaves the key out passes, so it is for the years of old cards."""
    policy(CardAuthentication.PREFER)
    copied = recorded(gate, Held(random_uid(), genuine(301).copied()))
    assert (copied.outcome, copied.reason) == (Outcome.DENIED, Reason.CARD_COPIED)
    gate.withdraw()
    bare = recorded(gate, Held(random_uid(), genuine(302).without_key()))
    assert (bare.outcome, bare.proof) == (Outcome.GRANTED, Proof.NO_KEY)
    gate.withdraw()
    old = recorded(gate, Held(bytes.fromhex("04C0FFEE000303")))
    assert (old.outcome, old.card) == (Outcome.GRANTED, "uid:04C0FFEE000303")


@pytest.mark.feature("F04", "F05", "F11")
@pytest.mark.parametrize(
    ("after", "pulled"),
    [
        (0, Pulled.AFTER_ATR),
        (0, Pulled.BEFORE_ANSWER),  # SELECT
        (1, Pulled.MID_ANSWER),  # the CHUID
        (3, Pulled.BEFORE_ANSWER),  # what is left of it
        (5, Pulled.MID_ANSWER),  # the certificate
        (7, Pulled.BEFORE_ANSWER),  # the challenge
        (7, Pulled.MID_ANSWER),
    ],
)
def test_a_card_pulled_away_while_it_is_read_answers_hold_still_and_the_next_tap_works(
    gate: SiteTerminal, policy: Callable[[CardAuthentication], None], after: int, pulled: Pulled
) -> None:
    policy(CardAuthentication.REQUIRE)
    number = 400 + 10 * after + list(Pulled).index(pulled)
    until(lambda: are_dark(gate.pins_file), what="the answer to the tap before is over")
    before, logged, began = len(taps(gate)), len(gate.events), time.monotonic_ns()
    gate.hold(Held(random_uid(), genuine(number), pulled=pulled, after=after))
    unread = until(lambda: [each for each in gate.events[logged:] if each.get("event") == "card.unread"])[0]
    if pulled is Pulled.MID_ANSWER:  # what arrived of the answer may look like a whole one
        assert unread["why"].startswith("the card")
    else:
        assert unread["why"] in {"the card was taken away", "the card does not answer"}
    assert answered(gate, began) is Pattern.UNREAD
    assert len(taps(gate)) == before
    gate.withdraw()
    tap = recorded(gate, Held(random_uid(), genuine(number)))
    assert (tap.card, tap.proof) == (str(identity(number)), Proof.GENUINE)


@pytest.mark.feature("A37", "F04")
def test_an_unknown_card_read_in_full_is_one_card_in_the_cloud_and_then_known_by_either_identity(
    site: Site, gate: SiteTerminal, policy: Callable[[CardAuthentication], None]
) -> None:
    """Full-card reading: somebody holds a new card against the terminal, and staff gives it to a person."""
    policy(CardAuthentication.PREFER)
    serial = bytes.fromhex("04C0FFEE000501")
    tap, shown = tapped(gate, Held(serial, genuine(501)))
    assert shown is Pattern.ADMITTED_WITHOUT_PERSON
    both = {str(identity(501)), f"uid:{serial.hex().upper()}"}
    assert {tap.card, *tap.also} == both
    gate.wait_until_sent()
    listed = [found for found in site.cloud.unknown_cards() if both & found]
    assert listed == [both], "the list has it once, with all that was read of it"

    site.cloud.enrol(identity(501), "Olle Wikström", CardId.parse(f"uid:{serial.hex()}"))
    assert not [found for found in site.cloud.unknown_cards() if both & found]
    until(lambda: gate.status()["tables"]["roster"] == site.cloud.newest(GATE)["roster"], what="the roster has come")
    gate.withdraw()
    by_serial = recorded(gate, Held(serial))
    gate.withdraw()
    by_guid, shown = tapped(gate, Held(random_uid(), genuine(501)))
    assert (by_serial.card, by_guid.card) == (f"uid:{serial.hex().upper()}", str(identity(501)))
    assert by_serial.person == by_guid.person is not None
    assert shown is Pattern.ADMITTED_IN


@pytest.mark.feature("A37", "F06")
def test_a_person_known_by_the_serial_is_known_by_the_guid_after_the_first_reading(
    site: Site, gate: SiteTerminal, policy: Callable[[CardAuthentication], None]
) -> None:
    policy(CardAuthentication.PREFER)
    serial = bytes.fromhex("04C0FFEE000502")
    site.cloud.enrol(CardId.from_bytes(CardKind.UID, serial), "Kerstin Åkesson")
    until(lambda: gate.status()["tables"]["roster"] == site.cloud.newest(GATE)["roster"], what="the roster has come")
    whole, shown = tapped(gate, Held(serial, genuine(502)))
    assert (whole.card, shown) == (str(identity(502)), Pattern.ADMITTED_IN)
    assert whole.person is not None
    gate.withdraw()
    gate.wait_until_sent()
    until(lambda: gate.status()["tables"]["roster"] == site.cloud.newest(GATE)["roster"], what="the roster has come")
    by_guid = recorded(gate, Held(random_uid(), genuine(502)))
    assert by_guid.person == whole.person


def test_no_log_holds_a_guid_or_a_serial(site: Site) -> None:
    logs: list[Path] = [site.cloud.program.log, *(terminal.program.log for terminal in site.terminals)]
    said = "".join(log.read_text(errors="replace") for log in logs)
    assert "tap.answered" in said
    assert "C0FFEE00000000" not in said.upper()
    assert UID.hex().upper() not in said.upper()
