"""Opens a batch of entries and checks its chain, before the database hears of it."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from protocol.entries import follow, genesis
from protocol.errors import ChainBroken, TerminalId
from protocol.messages import Entries, unpack_up


class LedgerKey(NamedTuple):
    """Which ledger of which terminal."""

    terminal: TerminalId
    ledger: bytes


class Link(NamedTuple):
    """A payload's digest, and the chain's hash there."""

    digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries whose chain holds in itself; `chained` has the digest and hash of each."""

    key: LedgerKey
    entries: Entries
    chained: list[tuple[bytes, bytes]]

    @classmethod
    def open(cls, terminal: TerminalId, packed: bytes) -> Self:
        """Read what a terminal published. Raises MessageTooLarge, MessageMalformed, MessageFromFuture, ChainBroken."""
        return cls.of(terminal, unpack_up(Entries, packed))

    @classmethod
    def of(cls, terminal: TerminalId, entries: Entries) -> Self:
        """Check the chain of entries of a terminal. Raises ChainBroken."""
        if entries.first == 1 and entries.previous != genesis(terminal, entries.ledger):
            raise ChainBroken(1, "it does not begin where this terminal's ledger begins")
        chained = follow(entries.previous, entries.first, list(entries.payloads))
        if chained[-1][1] != entries.last_hash:
            raise ChainBroken(entries.last, "the batch does not end in the hash it names")
        return cls(LedgerKey(terminal, entries.ledger), entries, chained)

    def link_at(self, seq: int) -> Link:
        """The chain at an entry of the batch."""
        return Link(*self.chained[seq - self.entries.first])

    def hash_at(self, seq: int) -> bytes:
        """The chain's hash at an entry of the batch."""
        return self.chained[seq - self.entries.first][1]
