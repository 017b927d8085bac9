"""A PIV card at the gate: each that is not what it says is refused for its own reason, which stands in the ledger."""

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.answers import Answer, reason_of
from edge.piv.applet import PivCard
from edge.piv.exchange import Asks
from edge.piv.issuer import Holder, Issuer, Valid, chuid
from edge.readers.fitting import fitted_prover
from edge.settings import CardSettings
from edge.signals.patterns import Pattern
from protocol.cards import CardId
from protocol.decision import CardAuthentication, Mode, Proof, Reason
from protocol.entries import Outcome, Tap
from protocol.passes import Direction
from tests.support.gate import Gate, gate
from tests.support.held_card import CHIP, HeldCard

OFF, PREFER, REQUIRE = CardAuthentication.OFF, CardAuthentication.PREFER, CardAuthentication.REQUIRE
GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
OTHER_GUID = bytes.fromhex("FEDCBA9876543210FEDCBA9876543210")
NAMED = CardId.parse(f"piv:{GUID.hex()}")
ISSUER = Issuer.created("ID06 on trial")
CARD = PivCard.issued(GUID, ISSUER)
PAST: Valid = (
    datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(2026, 6, 9, 12, tzinfo=datetime.UTC),  # yesterday at the gate
)
CERTIFICATE_EXPIRED = replace(PivCard.issued(GUID, ISSUER, valid=PAST), chuid=CARD.chuid)
CHUID_EXPIRED = replace(CARD, chuid=chuid(Holder.of(GUID), PAST[1].date()))
LAST_DAY = replace(CARD, chuid=chuid(Holder.of(GUID), datetime.date(2026, 6, 10)))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Gate]:
    with gate(tmp_path) as opened:
        yield opened


@pytest.fixture
def prover(here: Gate, tmp_path: Path) -> Asks:
    path = tmp_path / "id06.pem"
    path.write_bytes(ISSUER.pem)
    fitted = fitted_prover(CardSettings(issuers=(path,)), here.tables)
    assert fitted is not None
    return fitted


def held(here: Gate, prover: Asks | None, card: PivCard | None, chip: bytes = CHIP, reader: str = "in") -> Answer:
    """What the terminal answers to a card whose every byte was read."""
    found = HeldCard(card, chip).read(prover)
    return here.tap(found.card, reader, found.also, found.credential)


def told(here: Gate, answer: Answer) -> Tap:
    """The entry of an answer, which is the newest, and says the same."""
    assert here.taps[-1].outcome is answer.outcome
    return here.taps[-1]


@pytest.mark.feature("F05")
@pytest.mark.parametrize("policy", [PREFER, REQUIRE])
@pytest.mark.parametrize(
    ("card", "reason", "proof"),
    [
        (CARD.copied(), Reason.CARD_COPIED, Proof.COPIED),
        (replace(CARD, key=None), Reason.CARD_COPIED, Proof.COPIED),
        (PivCard.issued(OTHER_GUID, ISSUER).under(CARD), Reason.CARD_MISMATCHED, Proof.MISMATCHED),
        (PivCard.issued(GUID, None), Reason.CARD_FOREIGN, Proof.FOREIGN),
        (PivCard.issued(GUID, Issuer.created("ID06 on trial")), Reason.CARD_FOREIGN, Proof.FOREIGN),
        (CERTIFICATE_EXPIRED, Reason.CARD_EXPIRED, Proof.GENUINE),
        (CHUID_EXPIRED, Reason.CARD_EXPIRED, Proof.GENUINE),
    ],
    ids=["copied", "no key", "another's name", "self-signed", "foreign", "expired certificate", "expired CHUID"],
)
def test_a_card_that_is_not_what_it_says_is_refused_for_its_own_reason(
    here: Gate, prover: Asks, policy: CardAuthentication, card: PivCard, reason: Reason, proof: Proof
) -> None:
    here.cloud.bind(card_authentication=policy)
    here.cloud.enrol(NAMED, "anna")
    answer = held(here, prover, card)
    tap = told(here, answer)
    assert (tap.outcome, tap.reason, tap.proof, tap.card) == (Outcome.DENIED, reason, proof, str(NAMED))
    assert answer.shown is Pattern(reason.value)
    assert "lock-gate" not in here.lit()


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("policy", "outcome", "reason"),
    [
        (OFF, Outcome.GRANTED, None),
        (PREFER, Outcome.GRANTED, None),
        (REQUIRE, Outcome.DENIED, Reason.CARD_UNPROVED),
    ],
)
def test_a_copied_chuid_without_a_key_opens_nothing_where_proof_is_required(
    here: Gate, prover: Asks, policy: CardAuthentication, outcome: Outcome, reason: Reason | None
) -> None:
    here.cloud.bind(card_authentication=policy)
    answer = held(here, prover, CARD.without_key())
    assert (answer.outcome, reason_of(answer.verdict)) == (outcome, reason)
    assert told(here, answer).proof is (Proof.NOT_ASKED if policy is OFF else Proof.NO_KEY)


@pytest.mark.feature("F04", "F05")
@pytest.mark.parametrize("policy", list(CardAuthentication))
def test_the_card_that_was_issued_is_admitted(here: Gate, prover: Asks, policy: CardAuthentication) -> None:
    here.cloud.bind(card_authentication=policy)
    here.cloud.enrol(NAMED, "anna")
    tap = told(here, held(here, prover, CARD))
    assert (tap.outcome, tap.person, tap.card) == (Outcome.GRANTED, "anna", str(NAMED))
    assert tap.also == (() if policy is REQUIRE else (f"uid:{CHIP.hex().upper()}",))
    assert tap.proof is (Proof.NOT_ASKED if policy is OFF else Proof.GENUINE)


@pytest.mark.feature("F05")
def test_a_terminal_that_knows_no_issuer_cannot_believe_a_card(here: Gate) -> None:
    here.cloud.bind(card_authentication=REQUIRE)
    answer = held(here, None, CARD)
    assert reason_of(answer.verdict) is Reason.CARD_UNPROVED
    assert told(here, answer).proof is Proof.NOT_ASKED


@pytest.mark.feature("F04")
def test_a_card_is_good_until_the_end_of_its_last_day(here: Gate, prover: Asks) -> None:
    here.cloud.bind()
    assert held(here, prover, LAST_DAY).outcome is Outcome.GRANTED
    here.clock.pass_by(12 * 3600)
    assert reason_of(held(here, prover, LAST_DAY).verdict) is Reason.CARD_EXPIRED


@pytest.mark.feature("F05")
def test_whoever_is_inside_is_let_out_with_any_card(here: Gate, prover: Asks) -> None:
    here.cloud.bind(card_authentication=REQUIRE)
    held(here, prover, CARD)
    tap = told(here, held(here, prover, CARD.copied(), reader="out"))
    assert (tap.outcome, tap.direction, tap.reason) == (Outcome.GRANTED, Direction.OUT, Reason.CARD_COPIED)
    assert tap.person is None, "a copy says nothing about its owner"


@pytest.mark.feature("F05")
@pytest.mark.parametrize("policy", [CardAuthentication.PREFER, REQUIRE])
def test_a_copy_does_not_come_in_on_its_owners_way_out(here: Gate, prover: Asks, policy: CardAuthentication) -> None:
    here.cloud.bind(card_authentication=policy)
    here.cloud.enrol(NAMED, "anna")
    assert told(here, held(here, prover, CARD, reader="both")).direction is Direction.IN
    here.clock.pass_by(60)
    copy = told(here, held(here, prover, CARD.copied(), reader="both"))
    assert (copy.outcome, copy.direction, copy.reason) == (Outcome.DENIED, Direction.IN, Reason.CARD_COPIED)
    here.clock.pass_by(60)
    assert told(here, held(here, prover, CARD, reader="both")).direction is Direction.OUT


@pytest.mark.feature("F06")
def test_a_card_that_makes_up_its_serial_number_is_refused_for_that(here: Gate, prover: Asks) -> None:
    here.cloud.bind()
    answer = held(here, prover, None, chip=bytes.fromhex("08A1B2C3"))
    assert reason_of(answer.verdict) is Reason.CARD_RANDOM
    assert answer.shown is Pattern.CARD_RANDOM


@pytest.mark.feature("F06")
def test_an_old_enrolment_by_serial_number_holds_for_the_piv_card_too(here: Gate, prover: Asks) -> None:
    here.cloud.bind()
    here.cloud.enrol(CardId.parse(f"uid:{CHIP.hex()}"), "anna")
    assert told(here, held(here, prover, CARD)).person == "anna"


@pytest.mark.feature("F05")
def test_a_serial_number_beside_a_proved_card_makes_it_nobody_else(here: Gate, prover: Asks) -> None:
    """A chip can be made to say any serial number: somebody's own good card under Anna's is still his."""
    here.cloud.bind(Mode.CLOSED, card_authentication=REQUIRE)
    here.cloud.enrol(CardId.parse(f"uid:{CHIP.hex()}"), "anna")
    tap = told(here, held(here, prover, CARD))
    assert (tap.proof, tap.outcome, tap.reason) == (Proof.GENUINE, Outcome.DENIED, Reason.NOT_ENROLLED)
    assert (tap.person, tap.also) == (None, ())


@pytest.mark.feature("F05")
def test_a_proved_card_is_refused_where_its_serial_number_is_blocked(here: Gate, prover: Asks) -> None:
    here.cloud.bind(card_authentication=REQUIRE)
    here.cloud.block(CardId.parse(f"uid:{CHIP.hex()}"))
    assert told(here, held(here, prover, CARD)).reason is Reason.BLOCKED
