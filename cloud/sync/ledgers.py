"""What the database and the transaction under way know of terminals' ledgers: heads, hashes and what is kept aside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry, LedgerHead, Refused
from cloud.database import insert_into
from cloud.sync.batches import LedgerKey
from cloud.sync.decoding import RefusedBecause
from cloud.sync.rows import Row, write_entries
from protocol.entries import genesis
from protocol.errors import TerminalId


@dataclass(slots=True)
class Head:
    """Entries 1 to `upto` are held, or will be with this transaction; `new` are the hashes that come with it."""

    upto: int
    hash: bytes
    new: dict[int, bytes] = field(default_factory=dict)

    def advance(self, seq: int, chain_hash: bytes) -> None:
        """One more entry is held."""
        self.upto, self.hash = seq, chain_hash
        self.new[seq] = chain_hash


class Ledgers:
    """The heads of some ledgers, locked until the transaction ends, and the rows that it will add."""

    def __init__(self, session: Session, keys: Iterable[LedgerKey]) -> None:
        self._session = session
        self.entries: list[Row] = []
        self.refused: list[dict[str, Any]] = []
        self.heads = self._locked(sorted(set(keys)))

    def hashes(self, key: LedgerKey, first: int, last: int) -> dict[int, bytes]:
        """The chain as it is held for these numbers: a payload that could not be read has its place in it too."""
        held: dict[int, bytes] = {}
        for table in (Entry, Refused):
            found = select(table.seq, table.hash).where(table.terminal == key.terminal, table.ledger == key.ledger)
            found = found.where(table.seq.between(first, last))
            if table is Refused:
                found = found.where(Refused.reason != RefusedBecause.FORK.value)
            held.update((seq, chain_hash) for seq, chain_hash in self._session.execute(found))
        new = self.heads[key].new
        return held | {seq: new[seq] for seq in range(first, last + 1) if seq in new}

    def is_fork_at(self, key: LedgerKey, seq: int, chain_hash: bytes) -> bool:
        """Says whether this link is on a branch that is kept aside."""
        about = {"terminal": key.terminal, "ledger": key.ledger, "seq": seq, "hash": chain_hash}
        fork = RefusedBecause.FORK.value
        if any(row["reason"] == fork and about.items() <= row.items() for row in self.refused):
            return True
        found = select(Refused.id).filter_by(**about, reason=fork)
        return self._session.scalar(found) is not None

    def save(self) -> None:
        """Write everything down; rows that are there already stay as they are."""
        connection = self._session.connection()
        if self.entries:
            write_entries(connection, self.entries)
        if self.refused:
            connection.execute(insert_into(self._session, Refused.__table__).on_conflict_do_nothing(), self.refused)
        moved = [
            {"of_terminal": key.terminal, "of_ledger": key.ledger, "upto": head.upto, "hash": head.hash}
            for key, head in self.heads.items()
            if head.new
        ]
        if moved:
            connection.execute(_MOVE, moved)

    def _locked(self, keys: Sequence[LedgerKey]) -> dict[LedgerKey, Head]:
        held = dict(self._select(keys))
        missing = [key for key in keys if key not in held]
        if missing:
            rows = [
                {"terminal": key.terminal, "ledger": key.ledger, "upto": 0, "hash": genesis(key.terminal, key.ledger)}
                for key in missing
            ]
            self._session.execute(insert_into(self._session, LedgerHead).on_conflict_do_nothing(), rows)
            held.update(self._select(missing))
        return held

    def _select(self, keys: Sequence[LedgerKey]) -> Iterator[tuple[LedgerKey, Head]]:
        columns = (LedgerHead.terminal, LedgerHead.ledger)
        found = select(*columns, LedgerHead.upto, LedgerHead.hash).where(tuple_(*columns).in_(keys))
        for terminal, ledger, upto, chain_hash in self._session.execute(found.order_by(*columns).with_for_update()):
            yield LedgerKey(TerminalId(terminal), ledger), Head(upto, chain_hash)


_MOVE = (
    update(LedgerHead.__table__)  # type: ignore[arg-type]
    .where(LedgerHead.terminal == bindparam("of_terminal"), LedgerHead.ledger == bindparam("of_ledger"))
    .values(upto=bindparam("upto"), hash=bindparam("hash"))
)
