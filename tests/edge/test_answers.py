"""Every reason has a signal of its own, and the page that explains them says what the code does."""

import re
from pathlib import Path
from typing import Final

from edge.answers import SHOWN_FOR, pattern_of
from edge.signals.patterns import PATTERNS
from protocol.decision import BlockReason, Denied, Reason

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/reasons.md").read_text(encoding="utf-8")


def test_every_reason_has_a_signal_of_its_own() -> None:
    shown = [pattern_of(Denied(reason), None, online=True) for reason in Reason]
    assert len(set(shown)) == len(Reason)


def test_the_page_of_reasons_has_a_row_for_each_in_the_order_of_decision_with_its_signal() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+) \| (.+) \| `([a-z_]+)`: (.+) \|$", PAGE, re.MULTILINE)
    expected = [(reason, SHOWN_FOR[reason], PATTERNS[SHOWN_FOR[reason]].words) for reason in Reason]
    assert [(reason, pattern, words) for reason, _, _, pattern, words in rows] == expected
    assert all(meaning and advice for _, meaning, advice, _, _ in rows)


def test_the_page_of_reasons_names_why_a_card_can_be_blocked() -> None:
    (sentence,) = re.findall(r"^A card is blocked for one of these:(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`([a-z_]+)`", sentence) == list(BlockReason)
