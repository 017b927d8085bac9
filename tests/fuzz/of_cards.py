"""The parsers of what cards say: serial numbers, PIV cards and their certificates, issuers, and our own simulator."""

import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.errors import CardFault, SimulatedCardUnusable
from edge.piv.apdu import EXTENDED_MOST
from edge.piv.applet import Applet, PivCard
from edge.piv.chuid import Chuid
from edge.piv.exchange import MOST_STEPS, carried
from edge.piv.fascn import digits
from edge.piv.issuer import Holder, Issuer
from edge.piv.kept import Kept, keep, take
from edge.piv.tlv import wrapped
from edge.piv.trusted import load
from edge.readers.pcsc.contactless import card_of, identified
from protocol.decision import Proof
from tests.fuzz.target import KIB, Target
from tests.support.held_card import SUCCESS, HeldCard, trusting

ISSUER: Final = Issuer.created("fuzzed")
CARD: Final = PivCard.issued(bytes(range(16)), ISSUER)
NAMED: Final = Chuid.parse(CARD.chuid)
PROVER: Final = trusting(ISSUER)
SELECT: Final = bytes.fromhex("00A40400 09 A00000030800001000 00")
COMMANDS: Final = tuple(
    b"".join(bytes([len(command)]) + command for command in map(bytes.fromhex, spoken))
    for spoken in (
        ("00CB3FFF055C035FC10200", "00C0000000", "00C0000040"),
        (f"0087119E267C2482008120{'00' * 32}00",),
        ("1087119E0A7C248200812001020304", f"0087119E1C{'05' * 28}00"),
        ("00CB3FFF0000055C035FC1010000", "0020008000"),
    )
)
_made: Final = tempfile.TemporaryDirectory()
FOLDER: Final = Path(_made.name)
keep(Kept(CARD, None), FOLDER)


def _commanded(given: bytes) -> None:
    """Commands of any kind, each behind its length, to a PIV card that is selected: each is answered with a status."""
    applet = Applet(CARD)
    applet.answer(SELECT)
    while given:
        size, given = given[0], given[1:]
        assert 2 <= len(applet.answer(given[:size])) <= EXTENDED_MOST + 2
        given = given[size:]


def _kept(given: bytes) -> None:
    (FOLDER / "card.json").write_bytes(given)
    take(FOLDER)


def _issuers(given: bytes) -> None:
    path = FOLDER / "issuers.pem"
    path.write_bytes(given)
    load([path])


def _answered(given: bytes) -> None:
    """A card that gives these answers, each behind its length: it comes to an end, and proves nothing."""
    answers, steps = list[bytes](), 0
    while given:
        size = int.from_bytes(given[:2])
        answers.append(given[2 : 2 + size])
        given = given[2 + size :]

    def transmit(command: bytes) -> bytes:
        nonlocal steps
        steps += 1
        return answers[steps - 1] if steps <= len(answers) else b"\x6a\x82"

    try:
        assert carried(identified(PROVER, is_reversed=False), transmit).credential.proof is not Proof.GENUINE
    finally:
        assert steps <= 8 * MOST_STEPS


def _certificate(given: bytes) -> None:
    """The object of a certificate on a card that has no key: it is never believed."""
    said = iter((wrapped(0x53, given) + SUCCESS,))
    assert carried(PROVER.prove(NAMED), lambda _: next(said, b"\x6a\x80")).proof is not Proof.GENUINE


def _recorded() -> bytes:
    """The answers of a card that proves itself, which prove nothing the second time."""
    held, answers = HeldCard(CARD), list[bytes]()

    def transmit(command: bytes) -> bytes:
        answers.append(held.answer(command))
        return answers[-1]

    carried(identified(PROVER, is_reversed=False), transmit)
    return b"".join(len(answer).to_bytes(2) + answer for answer in answers)


DER: Final = CARD.certificate or b""
TARGETS: Final[Mapping[str, Target]] = {
    "uid": Target(
        lambda given: card_of(given[:-2], given[-2:]), (CardFault,), (bytes.fromhex("04A1B2C39000"), b"\x63\x00")
    ),
    "chuid": Target(
        Chuid.parse, (CardFault,), (CARD.chuid, PivCard.issued(bytes(range(16)), ISSUER, odd=True).chuid, b"\x34\x83")
    ),
    "fasc-n": Target(digits, (CardFault,), (Holder.of(bytes(range(16))).fasc_n,), longest=64),
    "piv-exchange": Target(_answered, (CardFault,), (_recorded(), b"\x00\x02\x61\x00" * 8), share=4),
    "piv-certificate": Target(
        _certificate,
        (CardFault,),
        (
            wrapped(0x70, DER) + b"\x71\x01\x00\xfe\x00",
            wrapped(0x70, gzip.compress(DER, mtime=0)) + b"\x71\x01\x01\xfe\x00",
        ),
        worst=(wrapped(0x70, gzip.compress(bytes(16 * KIB * KIB))) + b"\x71\x01\x01",),
        share=8,
    ),
    "issuers": Target(_issuers, (), (ISSUER.pem, ISSUER.pem * 3, b"-----BEGIN CERTIFICATE-----\n"), share=8),
    "piv-applet": Target(_commanded, (), COMMANDS, share=4),
    "piv-kept": Target(
        _kept,
        (SimulatedCardUnusable,),
        (b'{"uid":"04A1B2C3"}', b'{"uid":"","manners":{"version":"AgA=","at_once":7,"compressed":true}}'),
        share=4,
    ),
}
