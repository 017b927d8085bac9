"""What is said to a PIV card over the contactless interface: commands out, answers in, without reader or pcscd.

An exchange is a generator: it yields command APDUs, is sent the card's answers, and returns what came of them. Whoever
carries the APDUs throws CardFault into it where the card did not answer.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from edge.errors import CardFault
from edge.piv.chuid import Chuid
from edge.piv.tlv import fields, unwrapped, wrapped
from edge.words import msgid
from protocol.cards import CardId
from protocol.decision import Credential

T = TypeVar("T")
Exchange = Generator[bytes, bytes, T]

# NIST SP 800-73-5 part 1, 2.2: the application's name without its version, as every card must know it, and with it
APPLICATION: Final = (bytes.fromhex("A00000030800001000"), bytes.fromhex("A000000308000010000100"))
CHUID: Final = bytes.fromhex("5FC102")
CERTIFICATE: Final = bytes.fromhex("5FC101")  # X.509 certificate for card authentication
CARD_AUTHENTICATION: Final = 0x9E

LARGEST_ANSWER: Final = 8192
"""Bytes of one answer that are taken; SP 800-73-5 part 1, appendix A has no object of half that size."""

MOST_STEPS: Final = 96
"""Commands for one answer; a chain of 8192 bytes has 32 parts, or 64 of half the size."""

SUCCESS: Final = b"\x90\x00"
TAKEN_AWAY: Final = msgid("the card was taken away")
_ENDED_EARLY: Final = b"\x62\x82"  # ISO/IEC 7816-4, 5.6: the end was reached before Le bytes
_GET_RESPONSE: Final = bytes.fromhex("00C00000")
_LINK: Final = 0xFF
_REFUSED: Final = frozenset({0x69, 0x6A, 0x6D, 0x6E})
"""First bytes of a status that says no (ISO/IEC 7816-4, 5.6): not allowed, not there, not known. Others are faults."""

_STATUS_WORDS: Final[dict[bytes, str]] = {
    b"\x63\x00": msgid("the reader could not read the card"),
    b"\x62\x82": msgid("the card gave less than was asked for"),
    b"\x6a\x81": msgid("the card has no serial number to read"),
}


class Asks(Protocol):
    """Whoever wants a card to prove that it is the one that was issued."""

    @property
    def asks(self) -> bool:
        """Says whether it does now."""

    def prove(self, chuid: Chuid) -> Exchange[Credential]:
        """Challenge the card that gave this CHUID."""


@dataclass(frozen=True, slots=True)
class PivCard:
    """A card that its GUID names, with what it says of itself and the CHUID as it came."""

    card: CardId
    credential: Credential
    raw: bytes


def carried(exchange: Exchange[T], transmit: Callable[[bytes], bytes]) -> T:
    """Carry an exchange to its end; `transmit` raises CardFault where the card does not answer. Raises CardFault."""
    try:
        command = next(exchange)
        while True:
            try:
                answer = transmit(command)
            except CardFault as fault:
                command = exchange.throw(fault)
            else:
                command = exchange.send(answer)
    except StopIteration as end:
        found: T = end.value
        return found


def read_piv(prover: Asks | None) -> Exchange[PivCard | None]:
    """The card by its GUID, proved where `prover` asks for it; None for a card that has none. Raises CardFault."""
    if not (yield from _select()):
        return None
    content = yield from read_object(CHUID)
    if content is None:
        return None
    chuid = Chuid.parse(content)
    if chuid.card is None:
        return None
    if prover is not None and prover.asks:
        credential = yield from prover.prove(chuid)
    else:
        credential = Credential(valid_until=chuid.valid_until)
    return PivCard(chuid.card, credential, content)


def read_object(name: bytes) -> Exchange[bytes | None]:
    """What a data object holds (part 2, 3.1.2); None where the card has none, or none to be read. Raises CardFault."""
    command = bytes.fromhex("00CB3FFF") + bytes([len(name) + 2]) + wrapped(0x5C, name) + b"\x00"
    answer, status = yield from answered(command)
    if status in {SUCCESS, _ENDED_EARLY}:
        return (unwrapped(answer, 0x53) if answer else b"") or None  # part 1, 3: an empty object is one that is missing
    if status[0] in _REFUSED:
        return None
    raise CardFault(told(status))


def authenticate(algorithm: int, challenge: bytes) -> Exchange[bytes | None]:
    """The card-authentication key's signature of a challenge; None where the card refuses. Raises CardFault.

    GENERAL AUTHENTICATE, internal (part 2, 3.2.4 and appendix A.3); what does not fit one command is chained.
    """
    body = wrapped(0x7C, b"\x82\x00" + wrapped(0x81, challenge))
    head = bytes([0x87, algorithm, CARD_AUTHENTICATION])
    while len(body) > _LINK:
        _, status = yield from answered(b"\x10" + head + bytes([_LINK]) + body[:_LINK])
        if status != SUCCESS:
            _expect_refusal(status)
            return None
        body = body[_LINK:]
    answer, status = yield from answered(b"\x00" + head + bytes([len(body)]) + body + b"\x00")
    if status != SUCCESS:
        _expect_refusal(status)
        return None
    return next((value for tag, value in fields(unwrapped(answer, 0x7C)) if tag == 0x82), None)


def answered(command: bytes) -> Exchange[tuple[bytes, bytes]]:
    """The whole answer and its status, however many parts the card makes of it (ISO/IEC 7816-4, 5.3.4).

    Raises CardFault where there is no end to it, or no status: then the card went in the middle of an answer.
    """
    answer = b""
    for _ in range(MOST_STEPS):
        response = yield command
        part, status = response[:-2], response[-2:]
        if len(status) < 2 or status[0] >> 4 not in {0x6, 0x9}:  # ISO/IEC 7816-4, 5.6: no status begins otherwise
            raise CardFault(TAKEN_AWAY)
        answer += part
        if len(answer) > LARGEST_ANSWER:
            raise CardFault(f"the card gave more than {LARGEST_ANSWER} bytes")
        if status[0] == 0x61:
            command = _GET_RESPONSE + status[1:]
        elif status[0] == 0x6C:
            command = command[:-1] + status[1:]  # the same again, with the length that the card wants
        else:
            return answer, status
    raise CardFault(f"the card has not come to an end after {MOST_STEPS} answers")


def told(status: bytes) -> str:
    """What a status that is no success means, in words."""
    return _STATUS_WORDS.get(status, f"the card answered {status.hex(' ').upper()}")


def _select() -> Exchange[bool]:
    """Whether the card has the PIV application; some know it by its whole name only."""
    for name in APPLICATION:
        _, status = yield from answered(bytes.fromhex("00A40400") + bytes([len(name)]) + name + b"\x00")
        if status == SUCCESS:
            return True
    return False


def _expect_refusal(status: bytes) -> None:
    if status[0] not in _REFUSED:
        raise CardFault(told(status))
