"""An exported ledger is read as it was written, and every way in which it can be wrong is named with its line."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import encode_payload, follow, genesis
from protocol.errors import ChainBroken, ExportCutOff, ExportInvalid
from protocol.exports import (
    LONGEST_LINE,
    Exported,
    ExportReader,
    Heading,
    Lost,
    end_line,
    entry_line,
    header_line,
    lost_line,
)
from tests.protocol.examples import LEDGER, PAYLOADS, TERMINAL

RAW = [encode_payload(PAYLOADS[name]) for name in sorted(PAYLOADS)] * 3
CHAIN = follow(genesis(TERMINAL, LEDGER), 1, RAW)
LAST = len(RAW)


def entry(seq: int, *, purged: bool = False) -> Exported:
    return Exported(seq, *CHAIN[seq - 1], None if purged else RAW[seq - 1])


def exported(first: int = 1, last: int = LAST, *, purged: int = 0, lost: Sequence[Lost] = ()) -> list[bytes]:
    """The lines of an export; the first `purged` entries have a receipt and no payload any more."""
    previous = CHAIN[first - 2][1] if first > 1 else genesis(TERMINAL, LEDGER)
    receipted_hash = CHAIN[purged - 1][1] if purged else None
    lines = [header_line(Heading(TERMINAL, LEDGER, first, last, previous, purged, receipted_hash))]
    gone = {seq for gap in lost for seq in range(gap.first, gap.last + 1)}
    there = [seq for seq in range(first, last + 1) if seq not in gone]
    gaps = {gap.first: lost_line(gap) for gap in lost}
    for seq in range(first, last + 1):
        if seq in gaps:
            lines.append(gaps[seq])
        if seq in there:
            lines.append(entry_line(entry(seq, purged=seq <= purged), {"kind": "tap"}))
    return [*lines, end_line(len(there), CHAIN[there[-1] - 1][1])]


def read(lines: Sequence[bytes]) -> list[Exported | Lost]:
    return list(ExportReader(io.BytesIO(b"".join(lines)).readline))


@pytest.mark.parametrize(("first", "last", "purged"), [(1, LAST, 0), (1, LAST, 3), (4, 6, 4), (LAST, LAST, 0)])
def test_what_was_exported_is_read(first: int, last: int, purged: int) -> None:
    expected = [entry(seq, purged=seq <= purged) for seq in range(first, last + 1)]
    assert read(exported(first, last, purged=purged)) == expected


def test_the_heading_tells_whose_ledger_it_is() -> None:
    heading = ExportReader(io.BytesIO(b"".join(exported(2, 5))).readline).heading
    assert heading == Heading(TERMINAL, LEDGER, 2, 5, CHAIN[0][1])


def test_entries_that_the_ledger_had_lost_are_a_gap_and_the_chain_begins_again_after_it() -> None:
    found = read(exported(lost=[Lost(3, 4)]))
    assert found == [entry(1), entry(2), Lost(3, 4), *(entry(seq) for seq in range(5, LAST + 1))]


@pytest.mark.parametrize("kept", range(1, LAST + 2))
def test_an_export_cut_off_after_any_line_is_recognised(kept: int) -> None:
    with pytest.raises(ExportCutOff, match=f"cut off after entry {kept - 1} of {LAST}") as cut:
        read(exported()[:kept])
    assert cut.value.held == kept - 1


def test_an_export_cut_off_within_any_line_is_recognised() -> None:
    whole = b"".join(exported(1, 2))
    for length in range(whole.index(b"\n") + 1, len(whole)):
        with pytest.raises(ExportCutOff):
            read([whole[:length]])
    for length in range(whole.index(b"\n")):
        with pytest.raises(ExportInvalid):
            read([whole[:length]])


def changed(line: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(line) | fields).encode() + b"\n"


WRONG: list[tuple[Callable[[list[bytes]], object], type[Exception], str]] = [
    (lambda lines: lines.pop(3), ChainBroken, "entry 3: it is missing: line 4 has entry 4"),
    (lambda lines: lines.insert(3, lines[2]), ChainBroken, "entry 3: it is missing: line 4 has entry 2"),
    (lambda lines: lines.__setitem__(3, changed(lines[3], payload="AAAA")), ChainBroken, "entry 3: its payload is not"),
    (lambda lines: lines.__setitem__(3, changed(lines[3], payload=None)), ChainBroken, "no receipt covers it"),
    (lambda lines: lines.__setitem__(3, changed(lines[3], hash="00" * 32)), ChainBroken, "entry 3: its hash"),
    (lambda lines: lines.__setitem__(3, changed(lines[3], digest="zz")), ExportInvalid, r"line 4 .*digest"),
    (lambda lines: lines.__setitem__(3, b"{}\n"), ExportInvalid, "line 4 .*neither an entry nor the end"),
    (lambda lines: lines.__setitem__(3, b"\xff\n"), ExportInvalid, "line 4 "),
    (lambda lines: lines.__setitem__(3, b'{"x":' + b"[" * 5000 + b"\n"), ExportInvalid, "line 4 "),
    (lambda lines: lines.__setitem__(3, b"x" * LONGEST_LINE + b"\n"), ExportInvalid, "line 4 .*longer than 65536"),
    (lambda lines: lines.append(b"\n"), ExportInvalid, "something follows"),
    (lambda lines: lines.__setitem__(-1, changed(lines[-1], entries=1)), ExportInvalid, "its count or last hash"),
    (lambda lines: lines.__setitem__(0, changed(lines[0], last=LAST + 1)), ChainBroken, f"entry {LAST + 1}: it is"),
    (lambda lines: lines.__setitem__(0, changed(lines[0], format="diary")), ExportInvalid, "its format is 'diary'"),
    (lambda lines: lines.__setitem__(0, changed(lines[0], version=2)), ExportInvalid, "version 2.*upgrade"),
    (lambda lines: lines.__setitem__(0, changed(lines[0], terminal="gate-9")), ChainBroken, "does not begin where"),
    (lambda lines: lines.__setitem__(0, changed(lines[0], terminal="Gate/9")), ExportInvalid, "line 1 "),
    (lambda lines: lines.__setitem__(0, b"SQLite format 3\0\n"), ExportInvalid, "line 1 .*not the first line"),
    (
        lambda lines: lines.__setitem__(0, changed(lines[0], receipted=3, receipted_hash="11" * 32)),
        ChainBroken,
        "entry 3: its hash is not the one that the cloud has receipted",
    ),
    (lambda lines: lines.insert(3, lost_line(Lost(2, 3))), ExportInvalid, "cannot be lost after entry 2"),
]


@pytest.mark.parametrize(("spoil", "kind", "why"), WRONG, ids=[why for _, _, why in WRONG])
def test_what_is_wrong_is_named(spoil: Callable[[list[bytes]], object], kind: type[Exception], why: str) -> None:
    lines = exported()
    spoil(lines)
    with pytest.raises(kind, match=why):
        read(lines)


def test_nothing_larger_than_a_line_is_ever_asked_for() -> None:
    """A file without an end of line must not be taken into memory."""
    asked: list[int] = []

    def endless(size: int) -> bytes:
        asked.append(size)
        return b"x" * size

    with pytest.raises(ExportInvalid, match="longer than"):
        ExportReader(endless)
    assert max(asked) == LONGEST_LINE + 1


@given(st.binary(max_size=400), st.integers(0, LAST + 1))
def test_any_bytes_in_place_of_a_line_are_named(line: bytes, at: int) -> None:
    lines = exported()
    lines[at] = line
    with pytest.raises((ExportInvalid, ChainBroken)):
        read(lines)
