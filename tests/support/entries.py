"""Payloads for ledgers, and a cloud reduced to what terminals are promised: it keeps each entry once, in order."""

import secrets
from dataclasses import dataclass, field

from protocol.clock import ClockQuality
from protocol.decision import Direction
from protocol.entries import VERSION, Outcome, Source, Tap, follow, genesis
from protocol.errors import TerminalId
from protocol.messages import VERSION as MESSAGE_VERSION
from protocol.messages import Entries, Receipt
from tests.support.gate import NOON


def tap(number: int = 0, *, at: int = NOON, quality: ClockQuality = ClockQuality.SYNCHRONISED) -> Tap:
    """A granted tap of a person; `number` tells it from others."""
    return Tap(
        version=VERSION,
        occurred_at=at,
        clock_quality=quality,
        boot_id=b"b" * 16,
        monotonic=1_000_000_000,
        registered_at=at,
        card=f"uid:{number:08X}",
        person="00000000000000b1",
        company="00000000000000c1",
        reader="in",
        direction=Direction.IN,
        outcome=Outcome.GRANTED,
        reason=None,
        project="00000000000000a1",
        tables={"binding": 1, "roster": 3},
        source=Source.CARD,
        salt=secrets.token_bytes(16),
    )


@dataclass
class ModelCloud:
    """Takes batches in any order and number, and answers each with what it durably has (DESIGN 8, Up)."""

    terminal: TerminalId
    ledger: bytes
    payloads: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hashes.append(genesis(self.terminal, self.ledger))

    def take(self, entries: Entries) -> Receipt:
        """Keep what is new and follows, and say up to where everything is here."""
        assert entries.ledger == self.ledger
        held = len(self.payloads)
        if entries.first <= held + 1:
            assert entries.previous == self.hashes[entries.first - 1]
            chained = follow(entries.previous, entries.first, list(entries.payloads))
            assert chained[-1][1] == entries.last_hash
            for payload, (_, hashed) in list(zip(entries.payloads, chained, strict=True))[held + 1 - entries.first :]:
                self.payloads.append(payload)
                self.hashes.append(hashed)
        return self.receipt()

    def receipt(self) -> Receipt:
        """What is here."""
        return Receipt(MESSAGE_VERSION, self.ledger, len(self.payloads), self.hashes[-1])

    def restore(self, upto: int) -> None:
        """Go back to an earlier backup."""
        del self.payloads[upto:], self.hashes[upto + 1 :]
