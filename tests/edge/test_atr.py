"""What an answer to reset announces is told in words, and a card is the same whatever it announces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.pcsc.atr import announced
from edge.readers.pcsc.virtual_card import ATR, ATR_PIV

GOLDEN = {
    # Gemalto, PC/SC guide of the Prox-DU and Prox-SU, DOC119811A, page 101
    "3B8F8001804F0CA000000306030001000000006A": "MIFARE Classic 1K",
    "3B8F8001804F0CA0000003060300020000000069": "MIFARE Classic 4K",
    "3B8F8001804F0CA0000003060300030000000068": "MIFARE Ultralight",
    # a MIFARE Plus at level 1, and an ICODE SLIX, which the list above does not name
    "3B8F8001804F0CA000000306030036000000005D": "storage card 00 36",
    "3B8F8001804F0CA0000003060B00140000000077": "storage card 00 14",
    # MIFARE Plus at level 3, DESFire, and a bank card: ISO/IEC 14443-4
    "3B878001C1052F2F01BCD6A9": "processor card",
    "3B8180018080": "processor card",
    "3B8B80010031C0640844037700900037": "processor card",
    # with contacts: an ATR of T=0 with no check byte
    "3B6500002063CB6600": "",
}


@pytest.mark.feature("F06")
@pytest.mark.parametrize(("atr", "kind"), GOLDEN.items())
def test_an_atr_is_told_as_readers_make_it(atr: str, kind: str) -> None:
    assert announced(bytes.fromhex(atr)) == kind


def test_the_simulated_cards_announce_what_they_are() -> None:
    assert (announced(ATR), announced(ATR_PIV)) == ("MIFARE Classic 1K", "processor card")


@given(st.binary(max_size=40))
def test_whatever_a_reader_makes_up_is_told_or_left(atr: bytes) -> None:
    assert len(announced(b"\x3b" + atr)) < 40
    assert announced(atr[:4]) == ""


@given(st.integers(1, 19), st.integers(1, 255))
def test_a_damaged_atr_announces_nothing(at: int, change: int) -> None:
    damaged = bytearray(ATR)
    damaged[at] ^= change
    assert announced(bytes(damaged)) == ""
