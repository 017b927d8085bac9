"""Rows are found in raw bytes wherever they lie, and bytes that are none raise nothing."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ledger.carving import as_varint, carve, carve_ends
from edge.ledger.ledger import Ledger
from protocol.messages import VERSION, Receipt
from tests.support.entries import tap
from tests.support.gate import HandClock
from tests.support.wreck import TERMINAL, Wreck, killed_ledger


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Wreck:
    return killed_ledger(tmp_path_factory.mktemp("whole"), 200, checkpointed=199, receipted=150)


@given(raw=st.binary(max_size=4000))
def test_any_bytes_are_taken(raw: bytes) -> None:
    carve(raw)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_raises_nothing_and_what_is_found_is_bounded(whole: Wreck, data: st.DataObject) -> None:
    raw = bytearray(whole.file.read_bytes()[:20_000])
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=200)):
        raw[at] ^= data.draw(st.integers(1, 255))
    found = carve(bytes(raw))
    assert len(found.entries) + len(found.payloads) < len(raw) // 4


def test_every_row_of_a_file_is_found_and_nothing_else(whole: Wreck) -> None:
    found = carve(whole.file.read_bytes() + whole.log.read_bytes())
    assert found.entries == {(seq, digest, hashed) for seq, (digest, hashed, _) in whole.rows.items()}
    assert found.payloads == {(seq, payload) for seq, (_, _, payload) in whole.rows.items()}
    assert set(found.ledgers) == {(whole.ledger, TERMINAL)}
    assert set(found.receipts) == {(150, whole.rows[150][1])}


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 60_000))
def test_rows_need_nothing_of_what_lies_around_them(whole: Wreck, cut: int) -> None:
    """Neither header, schema nor tree: any piece of the file gives what is whole in it."""
    piece = whole.file.read_bytes()[cut : cut + 30_000]
    found = carve(piece)
    assert {seq for seq, _ in found.payloads} <= whole.rows.keys()
    assert all(whole.rows[seq][2] == payload for seq, payload in found.payloads if payload in piece)


@pytest.mark.parametrize("upto", [0, 1, 2, 127, 128, 255])
def test_a_receipt_is_found_whatever_its_number(tmp_path: Path, upto: int) -> None:
    """SQLite has a form of its own for 0 and 1, and as many bytes as are needed for the others."""
    with closing(Ledger.open(tmp_path / "ledger.db", TERMINAL, HandClock())) as ledger:
        for number in range(260):
            ledger.append(tap(number))
        ledger.note_receipt(Receipt(VERSION, ledger.id, 200, ledger.hash_at(200)))
        ledger.save_receipt()
        ledger.note_receipt(Receipt(VERSION, ledger.id, upto, ledger.hash_at(upto)))
        ledger.save_receipt()
        found = carve_ends(ledger.path, tmp_path / "ledger.db-wal")
        assert found.receipts[-1] == (upto, ledger.hash_at(upto))


@given(number=st.integers(0, 2**55))
def test_numbers_are_read_as_they_are_written(number: int) -> None:
    row = b"\x44" + as_varint(number) + b"\x04\x00\x4c\x4c" + b"d" * 32 + b"h" * 32
    assert carve(row).entries == {(number, b"d" * 32, b"h" * 32)}
