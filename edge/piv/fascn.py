"""Reads the number that a US agency, or an issuer in its manner, gave a card: the FASC-N."""

from typing import Final

from edge.errors import CardFault

BYTES: Final = 25
"""40 characters of five bits."""

_START, _SEPARATOR, _END = 0xB, 0xD, 0xF
_FIELDS: Final = (4, 4, 6, 1, 1)  # agency, system, credential, series, issue: each with a separator behind it
_REST: Final = 16  # person 10, category 1, organisation 4, association 1
_NO_AGENCY: Final = "9999"  # SP 800-73-4 part 1, 3.3: what issuers outside the US government write


def digits(raw: bytes) -> str:
    """Its 32 digits: agency (4), system (4), credential (6), series, issue, person (10), category, employer (4), tie.

    PACS technical guidance 2.3, section 2.1: four bits, least significant first, and an odd parity bit for each, marks
    around and between them, and a redundancy check at the end. Raises CardFault where one of these is wrong.
    """
    if len(raw) != BYTES:
        raise CardFault(f"its FASC-N has {len(raw)} bytes, expected {BYTES}")
    bits = f"{int.from_bytes(raw):0{BYTES * 8}b}"
    characters = [bits[at : at + 5] for at in range(0, len(bits), 5)]
    codes = [int(each[3::-1], 2) for each in characters]
    check = 0
    for code in codes[:-1]:
        check ^= code
    if any(each.count("1") % 2 == 0 for each in characters) or check != codes[-1]:
        raise CardFault("its FASC-N does not add up")
    return _between_marks(codes[:-1])


def _between_marks(codes: list[int]) -> str:
    found, at = list[int](), 1
    for size in _FIELDS:
        found += codes[at : at + size]
        if codes[at + size] != _SEPARATOR:
            raise CardFault("its FASC-N has no separator where one belongs")
        at += size + 1
    found += codes[at : at + _REST]
    if codes[0] != _START or codes[at + _REST] != _END or max(found) > 9:
        raise CardFault("its FASC-N is not made of digits between two marks")
    return "".join(map(str, found))


def is_its_own(raw: bytes) -> bool:
    """Says whether it tells this card from others: a filler of one digit, or of no agency, stands on many cards."""
    try:
        number = digits(raw)
    except CardFault:
        return False
    return not number.startswith(_NO_AGENCY) and len(set(number[:14])) > 1
