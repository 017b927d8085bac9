"""What is said to a PIV card comes to an end with every card, whole, and names it by its GUID."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CardFault
from edge.piv.applet import Manners, PivCard
from edge.piv.exchange import LARGEST_ANSWER, MOST_STEPS, TAKEN_AWAY, carried
from edge.piv.issuer import Issuer
from edge.readers.pcsc.contactless import GET_UID, identified
from protocol.cards import CardId
from protocol.decision import Proof
from tests.support.held_card import CHIP, SUCCESS, HeldCard, trusting

pytestmark = pytest.mark.feature("F04")

GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
ISSUER = Issuer.created("ID06 on trial")
CARD = PivCard.issued(GUID, ISSUER)
NAMED = CardId.parse(f"piv:{GUID.hex()}")
SERIAL = CardId.parse(f"uid:{CHIP.hex()}")
SELECT = [bytes.fromhex(f"00A40400{name}00") for name in ("09A00000030800001000", "0BA000000308000010000100")]


def scripted(*answers: bytes, last: bytes = b"\x6a\x82") -> Callable[[bytes], bytes]:
    """A card that answers these in their order, and then the last for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if left else last


def read(transmit: Callable[[bytes], bytes]) -> CardId:
    return carried(identified(None, is_reversed=False), transmit).card


@pytest.mark.parametrize(
    "manners",
    [
        Manners(),
        Manners(chained_select=True),
        Manners(version=b"\x02\x00"),
        Manners(shortest_aid=11),
        Manners(at_once=64),
        Manners(at_once=255, lazy_lengths=True),
        Manners(compressed=True),
    ],
)
def test_a_card_is_named_by_its_guid_however_it_answers(manners: Manners) -> None:
    held = HeldCard(replace(CARD, manners=manners))
    found = held.read()
    assert found.card == NAMED
    assert found.also == (SERIAL,)
    assert found.raw == CARD.chuid
    assert found.credential.proof is Proof.NOT_ASKED
    assert found.credential.valid_until is not None


def test_an_odd_chuid_names_the_same_card() -> None:
    assert HeldCard(PivCard.issued(GUID, ISSUER, odd=True)).read().card == NAMED


def test_a_card_without_the_application_is_named_by_its_chip() -> None:
    held = HeldCard(None)
    assert held.read().card == SERIAL
    assert held.asked == [*SELECT, GET_UID]


@pytest.mark.parametrize("chuid", [b"", bytes.fromhex("3410" + "00" * 16 + "FE00")])
def test_a_card_without_a_guid_is_named_by_its_chip(chuid: bytes) -> None:
    assert HeldCard(replace(CARD, chuid=chuid)).read().card == SERIAL


@pytest.mark.parametrize("status", ["6A82", "6A88", "6982", "6D00"])
def test_a_card_that_shows_no_chuid_is_named_by_its_chip(status: str) -> None:
    assert read(scripted(SUCCESS, bytes.fromhex(status), CHIP + SUCCESS)) == SERIAL


def test_a_serial_number_that_the_chip_makes_up_is_no_identity_of_a_piv_card() -> None:
    found = HeldCard(CARD, chip=bytes.fromhex("08A1B2C3")).read()
    assert (found.card, found.also) == (NAMED, ())


def test_a_random_serial_number_is_handed_on_for_the_decision_to_refuse() -> None:
    assert HeldCard(None, chip=bytes.fromhex("08A1B2C3")).read().card.is_random


@pytest.mark.feature("F06")
@pytest.mark.parametrize("chip", ["04A1B2C3", "04A1B2C3D4E5F6", "04A1B2C3D4E5F6070809"])
def test_a_reader_that_turns_serial_numbers_round_gives_the_same_card(chip: str) -> None:
    held = HeldCard(None, chip=bytes.fromhex(chip)[::-1])
    assert held.read(is_reversed=True).card == CardId.parse(f"uid:{chip}")
    assert held.read(is_reversed=True).raw == bytes.fromhex(chip)[::-1] + SUCCESS


@pytest.mark.parametrize("answers", range(10))
def test_a_card_taken_away_is_known_whole_or_not_at_all(answers: int) -> None:
    prover = trusting(ISSUER)
    all_of_it = HeldCard(CARD)
    whole = all_of_it.read(prover)
    held = HeldCard(CARD, gone_after=answers)
    if answers < len(all_of_it.asked) - 1:
        with pytest.raises(CardFault, match=TAKEN_AWAY):
            held.read(prover)
    else:  # all but the serial number was read
        assert replace(held.read(prover), also=whole.also) == whole


@pytest.mark.parametrize(
    ("transmit", "why"),
    [
        (scripted(b""), TAKEN_AWAY),
        (scripted(SUCCESS, b"\x53\x10\x34"), TAKEN_AWAY),
        (scripted(SUCCESS, b"\x53\x10\x34\x90\x00"), "the card gave less than it announced"),
        (scripted(SUCCESS, b"\x70\x01\x00\x90\x00"), "the card gave a field 70 where 53 was expected"),
        (scripted(SUCCESS, b"\x6f\x00"), "the card answered 6F 00"),
        (scripted(SUCCESS, b"\x65\x81"), "the card answered 65 81"),
        (scripted(last=b"\x61\x00"), f"the card has not come to an end after {MOST_STEPS} answers"),
        (scripted(last=b"\x6c\x10"), f"the card has not come to an end after {MOST_STEPS} answers"),
        (scripted(SUCCESS, last=b"\x53" * 256 + b"\x61\x00"), f"the card gave more than {LARGEST_ANSWER} bytes"),
        (scripted(last=b"\x63\x00"), "the reader could not read the card"),
    ],
)
def test_a_card_that_says_something_else_is_unread_with_the_reason(
    transmit: Callable[[bytes], bytes], why: str
) -> None:
    with pytest.raises(CardFault) as told:
        read(transmit)
    assert told.value.why == why


def test_a_card_that_wants_another_length_is_asked_again_with_it() -> None:
    asked = list[bytes]()

    def transmit(command: bytes) -> bytes:
        asked.append(command)
        if command[1] == 0xA4:
            return SUCCESS
        return b"\x53\x12\x34\x10" + GUID + SUCCESS if command[-1] == 0x14 else b"\x6c\x14"

    assert read(transmit) == NAMED
    assert asked[2] == asked[1][:-1] + b"\x14"


@given(st.lists(st.binary(max_size=260), max_size=12), st.binary(min_size=2, max_size=4))
def test_no_card_keeps_the_reader_for_ever(answers: list[bytes], last: bytes) -> None:
    steps = 0
    transmit = scripted(*answers, last=last)

    def counted(command: bytes) -> bytes:
        nonlocal steps
        steps += 1
        return transmit(command)

    with suppress(CardFault):
        carried(identified(trusting(ISSUER), is_reversed=False), counted)
    assert steps <= 6 * MOST_STEPS
