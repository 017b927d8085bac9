"""What the database and the transaction under way know of terminals' ledgers: heads, hashes and what is kept aside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry, LedgerHead, Refused
from cloud.database import insert_into
from cloud.sync.batches import Batch, LedgerKey, Link
from cloud.sync.decoding import RefusedBecause
from cloud.sync.gaps import Gaps
from cloud.sync.rows import Row, write_entries
from protocol.entries import digest, genesis, link
from protocol.errors import TerminalId


@dataclass(slots=True)
class Head:
    """Entries 1 to `upto` are held or declared lost, or will be with this transaction; `new` comes with it."""

    upto: int
    hash: bytes
    new: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def add(self, seq: int, links: tuple[bytes, bytes]) -> None:
        """One more entry, with its digest and hash, is held: the next, or one that had been declared lost."""
        self.new[seq] = links
        if seq > self.upto:
            self.upto, self.hash = seq, links[1]

    def begin_again(self, upto: int, previous: bytes) -> None:
        """What follows up to there was declared lost: the chain goes on from `previous`, which the terminal names."""
        self.upto, self.hash = upto, previous


class Ledgers:
    """The heads of some ledgers, locked until the transaction ends, and the rows that it will add."""

    def __init__(self, session: Session, keys: Iterable[LedgerKey]) -> None:
        self._session = session
        self.entries: list[Row] = []
        self.refused: list[dict[str, Any]] = []
        self.gaps = Gaps(session)
        self.heads = self._locked(sorted(set(keys)))

    def links(self, key: LedgerKey, first: int, last: int) -> dict[int, Link]:
        """The chain as it is held for these numbers: a payload that could not be read has its place in it too."""
        read = select(Entry.seq, Entry.digest, Entry.hash).filter_by(terminal=key.terminal, ledger=key.ledger)
        aside = select(Refused.seq, Refused.payload, Refused.hash).filter_by(terminal=key.terminal, ledger=key.ledger)
        aside = aside.where(Refused.reason != RefusedBecause.FORK.value, Refused.seq.between(first, last))
        rows = self._session.execute(read.where(Entry.seq.between(first, last)))
        held = {seq: Link(payload_digest, chain_hash) for seq, payload_digest, chain_hash in rows}
        held |= {seq: Link(digest(raw), chain_hash) for seq, raw, chain_hash in self._session.execute(aside)}
        new = self.heads[key].new
        return held | {seq: Link(*new[seq]) for seq in range(first, last + 1) if seq in new}

    def lost_of(self, batch: Batch) -> list[int]:
        """The numbers of the batch below the head that were declared lost, and are not held from elsewhere."""
        first, last = batch.entries.first, min(batch.entries.last, self.heads[batch.key].upto)
        lost: list[int] = []
        for each in self.gaps.within(batch.key, first, last):
            lost.extend(range(max(each.first, lost[-1] + 1 if lost else first), each.last + 1))
        held = self.links(batch.key, first, last) if lost else {}
        return [seq for seq in lost if seq not in held]

    def belongs(self, batch: Batch) -> bool:
        """Says whether a batch with entries that were lost is of the ledger we hold, not of a branch.

        What both have must be the same; where they share nothing, it must hang together with an entry beside it.
        Hashes count for the latter only: after a gap, what the terminal salvaged may be chained anew.
        """
        entries = batch.entries
        held = self.links(batch.key, entries.first - 1, entries.last + 1)
        below, above = held.pop(entries.first - 1, None), held.pop(entries.last + 1, None)
        if held:
            return all(batch.link_at(seq).digest == each.digest for seq, each in held.items())
        follows = below is not None and below.hash == entries.previous
        leads = above is not None and link(entries.last_hash, entries.last + 1, above.digest) == above.hash
        return follows or leads or (below is None and above is None)

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
        self.gaps.save()
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
