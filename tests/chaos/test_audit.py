"""The audit that everything here rests on finds what is wrong: each kind of loss and doubling, planted by hand."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest

from tests.support.audit import EXPLAINS_FOR, CloudCopy, Copy, Green, Row, asleep, audit

TERMINAL: Final = "gate-1"
LEDGER: Final = b"sixteen bytes id"
CARDS: Final = ("uid:04A1B2C3D4E501", "uid:04A1B2C3D4E502", "uid:04A1B2C3D4E503")
SECOND: Final = 1_000_000_000
SLEPT: Final = asleep()


def tap(number: int, **changed: Any) -> bytes:
    """The payload of a granted tap of somebody known, `number` seconds after the start."""
    fields = {
        "kind": "tap",
        "version": 1,
        "occurred_at": 0,
        "clock_quality": "held",
        "boot_id": bytes(16),
        "monotonic": number * 10 * SECOND + SLEPT,
        "registered_at": 0,
        "card": CARDS[number % len(CARDS)],
        "person": "anna",
        "company": "builders",
        "reader": "gate",
        "direction": "in",
        "outcome": "granted",
        "reason": None,
        "project": "kvarnen",
        "tables": {},
        "source": "card",
        "salt": bytes([number]) * 16,
    }
    return msgspec.msgpack.encode(list({**fields, **changed}.values()))


def chained(payloads: list[bytes]) -> tuple[Row, ...]:
    """Entries from 1 on, by the written rule."""
    previous = hashlib.sha256(b"gv1 ledger\0" + TERMINAL.encode() + b"\0" + LEDGER).digest()
    rows = []
    for seq, payload in enumerate(payloads, 1):
        digest = hashlib.sha256(payload).digest()
        previous = hashlib.sha256(previous + seq.to_bytes(8, "big") + digest).digest()
        rows.append(Row(seq, digest, previous, payload))
    return tuple(rows)


ROWS: Final = chained([tap(number) for number in range(5)])
HERE: Final = Copy("here", TERMINAL, LEDGER, ROWS)
GREENS: Final = [Green(TERMINAL, CARDS[number % len(CARDS)], number + 1) for number in range(5)]
LIGHTS: Final = [number * 10 * SECOND + 2_000_000 for number in range(5)]


def cloud(rows: tuple[Row, ...] = ROWS, **changed: Any) -> CloudCopy:
    """A cloud that has these entries."""
    ends = {LEDGER: (rows[-1].seq, rows[-1].hash)}
    whole = CloudCopy((Copy("there", TERMINAL, LEDGER, rows),), ends, {LEDGER: [row.seq for row in rows]}, ())
    return replace(whole, **changed)


def with_rows(*rows: Row) -> Copy:
    """The terminal with other entries."""
    return replace(HERE, rows=rows)


def test_a_sound_ledger_has_no_faults() -> None:
    assert audit(HERE, cloud(), GREENS, LIGHTS) == []


CASES: Final[dict[str, tuple[Callable[[], list[str]], str]]] = {
    "an entry is missing": (lambda: audit(with_rows(*ROWS[:2], *ROWS[3:]), None, [], []), "entry 3 is missing"),
    "a payload was changed": (
        lambda: audit(with_rows(replace(ROWS[0], payload=tap(7)), *ROWS[1:]), None, [], []),
        "entry 1 has not the payload of its digest",
    ),
    "an entry was put in its place": (
        lambda: audit(
            with_rows(ROWS[0], replace(ROWS[1], digest=ROWS[2].digest, payload=ROWS[2].payload)), None, [], []
        ),
        "the chain breaks at entry 2",
    ),
    "it begins as another ledger": (
        lambda: audit(replace(HERE, ledger=bytes(16)), None, [], []),
        "the chain breaks at entry 1",
    ),
    "a tap was recorded twice": (
        lambda: audit(replace(HERE, rows=chained([tap(1), tap(1)])), None, [], []),
        "2 entries hold the same tap",
    ),
    "the cloud has less": (lambda: audit(HERE, cloud(ROWS[:4]), [], []), "entry 5 is not the same or missing"),
    "the cloud has more": (lambda: audit(with_rows(*ROWS[:4]), cloud(), [], []), "entry 5 is not the same or missing"),
    "the cloud has another": (
        lambda: audit(HERE, cloud(chained([tap(number, card="uid:04FF") for number in range(5)])), [], []),
        "entry 1 is not the same",
    ),
    "the cloud has nothing": (lambda: audit(HERE, cloud(ledgers=()), [], []), "the cloud has nothing of this ledger"),
    "the cloud has a stranger's": (
        lambda: audit(HERE, cloud(ledgers=(*cloud().ledgers, replace(HERE, ledger=bytes(16), rows=()))), [], []),
        "is not the terminal's",
    ),
    "the cloud took them in another order": (
        lambda: audit(HERE, cloud(arrivals={LEDGER: [2, 1, 3, 4, 5]}), [], []),
        "did not arrive in their order",
    ),
    "the cloud ends elsewhere": (
        lambda: audit(HERE, cloud(ends={LEDGER: (4, ROWS[3].hash)}), [], []),
        "the ledger ends at",
    ),
    "the cloud refused one": (lambda: audit(HERE, cloud(refused=((2, "fork"),)), [], []), "entry 2 was refused: fork"),
    "a green answer has no entry": (
        lambda: audit(HERE, None, [Green(TERMINAL, CARDS[0], 6)], []),
        "answered green as entry 6, and is not in the ledger",
    ),
    "a green answer has another's entry": (
        lambda: audit(HERE, None, [Green(TERMINAL, CARDS[0], 2)], []),
        "answered green as entry 2, and is not in the ledger",
    ),
    "a green answer has a denied tap's entry": (
        lambda: audit(replace(HERE, rows=chained([tap(0, outcome="denied")])), None, GREENS[:1], []),
        "answered green as entry 1, and is not in the ledger",
    ),
    "two green answers have one entry": (
        lambda: audit(HERE, None, [GREENS[0], GREENS[0]], []),
        "two green answers name entry 1",
    ),
    "green was shown before any tap": (lambda: audit(HERE, None, [], [-SECOND]), "no tap in the ledger explains it"),
    "green was shown long after": (
        lambda: audit(HERE, None, [], [LIGHTS[4] + EXPLAINS_FOR + SECOND]),
        "no tap in the ledger explains it",
    ),
    "green was shown twice for one tap": (
        lambda: audit(HERE, None, [], [LIGHTS[0], LIGHTS[0] + 1]),
        "no tap in the ledger explains it",
    ),
    "green was shown for a denied tap": (
        lambda: audit(replace(HERE, rows=chained([tap(0, outcome="denied")])), None, [], LIGHTS[:1]),
        "no tap in the ledger explains it",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_the_audit_finds_it(what: str) -> None:
    found, words = CASES[what]
    assert any(words in fault for fault in found()), found()
