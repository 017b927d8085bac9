"""Takes a ledger in from a file, for a terminal whose box died and whose card survived: the same way as from the wire.

The file is read twice: first all of it is checked, and that what is missing in it is here; then it is taken in, batch
by batch. So a fault in it changes nothing, and a run that was interrupted is simply run again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.attendance.models import Entry, Refused
from cloud.audit.service import Action, record
from cloud.clock import Clock
from cloud.database import Database
from cloud.errors import LedgerIncomplete, LedgerNotTaken, NotFound
from cloud.scope import Scope
from cloud.sync.batches import Batch, LedgerKey
from cloud.sync.decoding import RefusedBecause
from cloud.sync.gaps import Gaps
from cloud.sync.ingest import Ingest, Outcome
from cloud.sync.ledger_files import LedgerFile, opened
from cloud.units.models import Unit
from protocol.entries import HASH_BYTES, digest
from protocol.exports import Exported, Heading, Lost
from protocol.messages import VERSION, Entries

BATCH: Final = 500
UNKNOWN: Final = bytes(HASH_BYTES)
"""Stands for the hash before an entry whose predecessor is lost: the chain begins again there."""

Progress = Callable[[str, int, int], None]
"""Is told what is done, and how many of how many entries."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: which numbers it has, how many of them were new, here already, or of another branch.

    `purged`: how many the terminal had forgotten after their receipt; `lost`: how many it had lost.
    """

    heading: Heading
    new: int
    held: int
    aside: int
    purged: int
    lost: int


@dataclass(slots=True)
class _Count:
    new: int = 0
    held: int = 0
    aside: int = 0
    purged: int = 0
    lost: int = 0


class Import:
    """One file into one database, on behalf of `scope`."""

    def __init__(self, database: Database, clock: Clock, scope: Scope, progress: Progress) -> None:
        self._database = database
        self._clock = clock
        self._scope = scope
        self._progress = progress

    def run(self, path: Path, *, dry: bool = False) -> Imported:
        """Check it and take it in; `dry`: say what would be, and change nothing.

        Raises LedgerFileUnusable, NotFound for an unknown terminal, LedgerIncomplete, LedgerNotTaken.
        """
        heading = self._check(path)
        key = LedgerKey(heading.terminal, heading.ledger)
        ingest = Ingest(self._database, self._clock)
        count = _Count()
        with opened(path) as file:
            for piece in _pieces(file):
                if isinstance(piece, Lost):
                    count.lost += piece.last - piece.first + 1
                elif isinstance(piece, Exported):
                    count.purged += 1
                else:
                    self._take(ingest, Batch(key, *piece), count, dry)
                    self._progress("taking in", piece[0].last, heading.last)
        found = Imported(heading, count.new, count.held, count.aside, count.purged, count.lost)
        if not dry:
            self._record(found)
        return found

    def _check(self, path: Path) -> Heading:
        """Read the whole file, and see that what it lacks is here or was declared lost."""
        with opened(path) as file:
            heading = file.heading
            with self._database.reading() as session:
                self._check_terminal(session, heading)
                key = LedgerKey(heading.terminal, heading.ledger)
                reached = Ingest(self._database, self._clock).held(*key).upto
                gaps = Gaps(session)
                for piece in _pieces(file):
                    if isinstance(piece, Lost | Exported):
                        continue
                    entries = piece[0]
                    if entries.first > reached + 1 and not gaps.cover(key, reached + 1, entries.first - 1):
                        raise LedgerIncomplete(path, reached + 1, entries.first - 1)
                    reached = max(reached, entries.last)
                    self._progress("checking", entries.last, heading.last)
        return heading

    def _check_terminal(self, session: Session, heading: Heading) -> None:
        unit = session.get(Unit, heading.terminal)
        if unit is None or not self._scope.covers(unit.customer_id):
            raise NotFound("terminal", heading.terminal)

    def _take(self, ingest: Ingest, batch: Batch, count: _Count, dry: bool) -> None:
        """Take a batch in, and count what it brought: compared before, since afterwards all of it is here."""
        with self._database.reading() as session:
            here = _digests(session, batch)
        theirs = {seq: batch.link_at(seq).digest for seq in range(batch.entries.first, batch.entries.last + 1)}
        missing = theirs.keys() - here.keys()
        other = [seq for seq, found in here.items() if found != theirs[seq]]
        forked = bool(other)
        if not dry:
            (answer,) = ingest.take([batch])
            if answer.outcome not in {Outcome.TAKEN, Outcome.DUPLICATE, Outcome.FORK}:
                raise LedgerNotTaken(batch.entries.first, batch.entries.last, answer.outcome)
            forked = answer.outcome is Outcome.FORK
        count.held += len(here) - len(other)
        count.aside += len(other) + (len(missing) if forked else 0)
        count.new += 0 if forked else len(missing)

    def _record(self, found: Imported) -> None:
        heading = found.heading
        details: dict[str, object] = {
            "ledger": heading.ledger.hex(),
            "first": heading.first,
            "last": heading.last,
            "new": found.new,
            "held": found.held,
            "aside": found.aside,
        }
        with self._database.transaction() as session:
            record(session, self._scope, self._clock.now(), Action.LEDGER_IMPORTED, heading.terminal, details)


_Piece = tuple[Entries, list[tuple[bytes, bytes]]]
"""Entries that lie together with their payloads, and the (digest, hash) of each."""


def _pieces(file: LedgerFile) -> Iterator[_Piece | Exported | Lost]:
    """The file in batches; what has no payload, and what is lost, comes as it is and ends one."""
    gathered: list[Exported] = []
    ledger, previous = file.heading.ledger, file.heading.previous
    for item in file:
        if isinstance(item, Exported) and item.payload is not None:
            gathered.append(item)
            if len(gathered) < BATCH:
                continue
        if gathered:
            yield _piece(ledger, previous, gathered)
            previous, gathered = gathered[-1].hash, []
        if isinstance(item, Lost):
            previous = UNKNOWN
            yield item
        elif item.payload is None:
            previous = item.hash
            yield item
    if gathered:
        yield _piece(ledger, previous, gathered)


def _piece(ledger: bytes, previous: bytes, gathered: list[Exported]) -> _Piece:
    payloads = tuple(entry.payload for entry in gathered if entry.payload is not None)
    entries = Entries(VERSION, ledger, gathered[0].seq, previous, payloads, gathered[-1].hash)
    return entries, [(entry.digest, entry.hash) for entry in gathered]


def _digests(session: Session, batch: Batch) -> dict[int, bytes]:
    """What is held of the batch's numbers: as entries, or kept aside since it could not be read."""
    here = {"terminal": batch.key.terminal, "ledger": batch.key.ledger}
    span = (batch.entries.first, batch.entries.last)
    read = select(Entry.seq, Entry.digest).filter_by(**here).where(Entry.seq.between(*span))
    aside = select(Refused.seq, Refused.payload).filter_by(**here).where(Refused.seq.between(*span))
    aside = aside.where(Refused.reason != RefusedBecause.FORK.value)
    held = {seq: digest(raw) for seq, raw in session.execute(aside)}
    return held | dict(session.execute(read).all())
