"""PIV cards over a real pcscd: named by their GUID, proved, refused, pulled away at any moment, and mute."""

from collections.abc import Iterator

import pytest

from edge.piv.applet import Manners, PivCard
from edge.piv.issuer import Algorithm, Issuer
from edge.readers import CardSeen, CardUnread, ReaderBack, ReaderLost
from edge.readers.pcsc.pcsc import PcscReader
from edge.readers.pcsc.virtual_card import Held, Pulled, VirtualCard, random_uid
from edge.readers.pcsc.virtual_reader import VirtualReader, reader_name
from protocol.cards import CardId
from protocol.decision import Proof
from tests.support.held_card import CHIP, trusting
from tests.support.mute_card import mute_card
from tests.support.pcscd import FieldWatcher, free_port_pairs, running_pcscd
from tests.support.sightings import Sightings

(PORT,) = free_port_pairs(1)
GUID = bytes.fromhex("0123456789ABCDEF0123456789ABCDEF")
NAMED = CardId.parse(f"piv:{GUID.hex()}")
SERIAL = CardId.parse(f"uid:{CHIP.hex()}")
ISSUER = Issuer.created("ID06 on trial")
CARD = PivCard.issued(GUID, ISSUER)
OTHER = PivCard.issued(bytes(range(16)), ISSUER)


@pytest.fixture(scope="module")
def pcscd() -> Iterator[VirtualReader]:
    with running_pcscd([PORT]) as running:
        yield running


@pytest.fixture
def card(pcscd: VirtualReader) -> Iterator[VirtualCard]:
    held = VirtualCard(PORT)
    yield held
    held.remove()
    FieldWatcher(PORT).wait_until_empty()


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


@pytest.fixture
def reader(pcscd: VirtualReader, seen: Sightings) -> Iterator[PcscReader]:
    watched = PcscReader("gate", f"{reader_name(PORT)} 00 00", prover=trusting(ISSUER))
    watched.start(seen.take)
    yield watched
    watched.stop()


def read(seen: Sightings) -> CardSeen:
    """The card that is read next."""
    sighting = seen.next()
    assert isinstance(sighting, CardSeen)
    return sighting


@pytest.mark.feature("F04", "F05")
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_card_is_named_by_its_guid_and_proves_itself(
    reader: PcscReader, card: VirtualCard, seen: Sightings, algorithm: Algorithm
) -> None:
    manners = Manners(at_once=200, chained_select=True, compressed=True)
    issued = PivCard.issued(GUID, ISSUER, algorithm, manners=manners, odd=True)
    card.hold(Held(CHIP, issued))
    found = read(seen)
    assert (found.card, found.also, found.credential.proof) == (NAMED, (SERIAL,), Proof.GENUINE)
    assert found.raw == issued.chuid
    assert found.took > 0
    assert found.chip == "processor card"


@pytest.mark.feature("F05")
@pytest.mark.parametrize(
    ("held", "proof"),
    [
        (CARD.copied(), Proof.COPIED),
        (CARD.without_key(), Proof.NO_KEY),
        (OTHER.under(CARD), Proof.MISMATCHED),
        (PivCard.issued(GUID, None), Proof.FOREIGN),
    ],
    ids=["copied", "without a key", "another's name", "self-signed"],
)
def test_a_card_that_is_not_what_it_says_is_told_with_what_it_is(
    reader: PcscReader, card: VirtualCard, seen: Sightings, held: PivCard, proof: Proof
) -> None:
    card.hold(Held(random_uid(), held))
    found = read(seen)
    assert (found.card, found.also, found.credential.proof) == (NAMED, (), proof)


@pytest.mark.feature("F04")
@pytest.mark.parametrize("pulled", [Pulled.BEFORE_ANSWER, Pulled.MID_ANSWER])
@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_card_pulled_at_any_moment_is_unread_and_the_next_one_works(
    reader: PcscReader, card: VirtualCard, seen: Sightings, pulled: Pulled, after: int
) -> None:
    card.hold(Held(CHIP, CARD, pulled=pulled, after=after))
    sighting = seen.next()
    assert isinstance(sighting, CardUnread)
    assert sighting.why in {"the card was taken away", "the card does not answer"}
    card.remove()
    FieldWatcher(PORT).wait_until_empty()
    card.hold(Held(CHIP, CARD))
    assert read(seen).card == NAMED


@pytest.mark.feature("F06")
def test_a_reader_that_turns_serial_numbers_round_is_set_right(card: VirtualCard, seen: Sightings) -> None:
    turned = PcscReader("gate", f"{reader_name(PORT)} 00 00", is_reversed=True)
    turned.start(seen.take)
    card.hold(Held(CHIP[::-1]))
    assert read(seen).card == SERIAL
    turned.stop()


@pytest.mark.feature("F09")
def test_a_card_that_answers_nothing_keeps_its_reader_only_while_it_is_there(
    reader: PcscReader, card: VirtualCard, seen: Sightings
) -> None:
    with mute_card(PORT) as asked:
        assert asked.wait(5)
        told = seen.until(lambda sighting: isinstance(sighting, ReaderLost), seconds=30)
    assert isinstance(told[-1], ReaderLost)
    FieldWatcher(PORT).wait_until_empty()
    card.hold(Held(CHIP, CARD))
    until_read = seen.until(lambda sighting: isinstance(sighting, CardSeen), seconds=30)
    assert isinstance(until_read[-1], CardSeen)
    assert until_read[-1].card == NAMED
    assert ReaderBack("gate") in until_read
