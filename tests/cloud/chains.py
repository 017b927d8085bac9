"""Ledgers as terminals make them, for tests: entries, batches and branches."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cloud.customers.models import Customer
from cloud.database import Database
from cloud.units.models import Unit
from protocol.clock import ClockQuality
from protocol.decision import Direction
from protocol.entries import Outcome, Source, Tap, encode_payload, follow, genesis
from protocol.errors import TerminalId
from protocol.messages import VERSION, Entries, pack_up

SEVEN = 1_762_326_000_000_000


def tap(number: int = 1, **changed: object) -> Tap:
    """A tap like many."""
    fields = {
        "version": 1,
        "occurred_at": SEVEN + number,
        "clock_quality": ClockQuality.SYNCHRONISED,
        "boot_id": bytes(16),
        "monotonic": number,
        "registered_at": SEVEN + number + 200,
        "card": "uid:04A1B2C3D4E5F6",
        "person": "7d3c0a5be1f24c68",
        "company": "0c1d2e3f40516273",
        "reader": "grind",
        "direction": Direction.IN,
        "outcome": Outcome.GRANTED,
        "reason": None,
        "project": "a1b2c3d4e5f60718",
        "tables": {"binding": 3, "roster": 12, "blocklist": 4711},
        "source": Source.CARD,
        "salt": secrets.token_bytes(16),
    }
    return Tap(**(fields | changed))  # type: ignore[arg-type]


@dataclass
class Chain:
    """A terminal's ledger; `branch` copies it, as somebody does who copies the card it is on."""

    terminal: TerminalId
    ledger: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    payloads: list[bytes] = field(default_factory=list)

    def tap(self, times: int = 1) -> "Chain":
        """Record taps."""
        return self.add(*(encode_payload(tap(len(self.payloads) + n)) for n in range(1, times + 1)))

    def add(self, *payloads: bytes) -> "Chain":
        """Record these bytes."""
        self.payloads.extend(payloads)
        return self

    def branch(self) -> "Chain":
        """The same up to here, and its own from here on."""
        return Chain(self.terminal, self.ledger, list(self.payloads))

    def hash_at(self, seq: int) -> bytes:
        """The chain's hash."""
        return ([genesis(self.terminal, self.ledger)] + [link for _, link in self._followed()])[seq]

    def entries(self, first: int, last: int) -> Entries:
        """A batch of these numbers."""
        chosen = tuple(self.payloads[first - 1 : last])
        return Entries(VERSION, self.ledger, first, self.hash_at(first - 1), chosen, self.hash_at(last))

    def packed(self, first: int, last: int) -> bytes:
        """The same as it is published."""
        return pack_up(self.entries(first, last))

    def _followed(self) -> Sequence[tuple[bytes, bytes]]:
        return follow(genesis(self.terminal, self.ledger), 1, self.payloads)


def add_terminal(database: Database, now: datetime, terminal: str) -> TerminalId:
    """A customer with a terminal of this id, unbound."""
    with database.transaction() as session:
        customer = Customer(name="Bygg AB", created_at=now)
        session.add(customer)
        session.flush()
        session.add(Unit(id=terminal, customer_id=customer.id, name=terminal))
    return TerminalId(terminal)
