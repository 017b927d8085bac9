"""Tells a project's terminals who is inside: the newest movement of everybody, whichever gate saw it.

A movement counts by when it really happened, so that a backlog takes nobody back. A tap by a clock that nobody trusts
happened when it arrived, if its terminal had nothing waiting; else nobody knows when, and it counts only where nothing
better is known, until the terminal says when that boot began.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.attendance.facts import began_at, boot_of
from cloud.attendance.models import Entry
from cloud.clock import microseconds
from cloud.sync.batches import LedgerKey
from cloud.sync.decoding import Columns, place
from cloud.sync.models import TableHead, TableRow
from cloud.sync.statuses import SILENT_AFTER
from cloud.sync.tables import drop, head_of, put_into
from cloud.units.models import UnitStatus
from protocol.clock import ClockQuality
from protocol.decision import Direction
from protocol.entries import Fact, Outcome, Tap, decode_payload
from protocol.passes import LONGEST_PASS
from protocol.tables import Presence, Table, decode_presence, encode_value, presence_key

DROPS_REMEMBERED: Final = 10_000
"""Versions for which a dropped row is still told; a terminal that lacks more has rows that are too old to count."""

LOOKED_BACK: Final = 5_000  # entries of a boot whose clock was put right: more than anybody taps in 13 hours

_QUALITY, _CARD, _PERSON = place(Entry.clock_quality), place(Entry.card), place(Entry.person)
_COMPANY, _PROJECT, _DIRECTION = place(Entry.company), place(Entry.project), place(Entry.direction)
_OUTCOME, _SORTED_AT = place(Entry.outcome), place(Entry.sorted_at)


@dataclass(frozen=True, slots=True)
class Moved:
    """A movement as it came: `seq` in which ledger. Where the clock was not trusted, `at` is the arrival."""

    ledger: LedgerKey
    seq: int
    direction: Direction
    at: int
    trusted: bool


class Movements:
    """The newest movements among the entries of one transaction, at time `now` in microseconds UTC."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._newest: dict[str, dict[bytes, Moved]] = {}
        self._put_right: list[tuple[LedgerKey, int, tuple[str, int], str]] = []

    def note(self, ledger: LedgerKey, seq: int, columns: Columns) -> None:
        """Take in what is an admitted tap: one on the project that the terminal is bound to, and recent enough."""
        if columns[_OUTCOME] != Outcome.GRANTED or columns[_DIRECTION] is None:
            return
        key = presence_key(columns[_CARD], columns[_PERSON], columns[_COMPANY])
        trusted = columns[_QUALITY] != ClockQuality.UNTRUSTED
        moved = Moved(ledger, seq, Direction(columns[_DIRECTION]), columns[_SORTED_AT], trusted)
        self._offer(columns[_PROJECT], key, moved)

    def put_right(self, ledger: LedgerKey, seq: int, payload: bytes, project: str) -> None:
        """Take note of the fact `clock.set`, entry `seq`: what this terminal did not know the time of, it does now."""
        fact = decode_payload(payload)
        if isinstance(fact, Fact) and (began := began_at(fact)) is not None:
            self._put_right.append((ledger, seq, (boot_of(fact), began), project))

    def save(self, session: Session) -> None:
        """Write down those that are newer than what is known; whatever order transactions come in, the newest stays."""
        for ledger, seq, boot, project in self._put_right:
            self._look_again(session, ledger, seq, boot, project)
        for project, newest in sorted(self._newest.items()):
            head = head_of(session, Table.PRESENCE, project)
            here = (TableRow.name == head.name, TableRow.scope == head.scope, TableRow.key.in_(newest))
            known = {
                key: decode_presence(value).at
                for key, value in session.execute(select(TableRow.key, TableRow.value).where(*here))
                if value is not None
            }
            live = _live(session, (moved for moved in newest.values() if not moved.trusted), self._now)
            rows = {
                key: encode_value(Presence(moved.direction, moved.at, moved.ledger.terminal))
                for key, moved in newest.items()
                if self._counts(moved, known.get(key), live)
            }
            if rows:
                put_into(session, head, rows)

    def _offer(self, project: str, key: bytes, moved: Moved) -> None:
        newest = self._newest.setdefault(project, {})
        held = newest.get(key)
        if held is None or _beats(moved, held):
            newest[key] = moved

    def _look_again(self, session: Session, ledger: LedgerKey, seq: int, boot: tuple[str, int], project: str) -> None:
        """The taps of a boot before the fact that its clock was put right, by their true time."""
        name, began = boot
        before = select(Entry.seq, Entry.payload).filter_by(
            terminal=ledger.terminal,
            ledger=ledger.ledger,
            project=project,
            outcome=Outcome.GRANTED.value,
            clock_quality=ClockQuality.UNTRUSTED.value,
        )
        for number, raw in session.execute(before.where(Entry.seq.between(seq - LOOKED_BACK, seq)).order_by(Entry.seq)):
            tap = decode_payload(raw)
            if not isinstance(tap, Tap) or tap.direction is None or tap.boot_id.hex() != name:
                continue
            at = min(began + tap.monotonic // 1000, self._now)
            if at > self._now - LONGEST_PASS:
                key = presence_key(tap.card, tap.person, tap.company)
                self._offer(project, key, Moved(ledger, number, tap.direction, at, True))

    def _counts(self, moved: Moved, known: int | None, live: set[Moved]) -> bool:
        if known is None or known <= self._now - LONGEST_PASS:
            return True
        return moved.at >= known and (moved.trusted or moved in live)


def _beats(moved: Moved, held: Moved) -> bool:
    """Says which of two that came together is the newer: within a ledger its order, else the time, if one is known."""
    if moved.ledger == held.ledger:
        return moved.seq >= held.seq
    if moved.trusted is not held.trusted:
        return moved.trusted
    return moved.at >= held.at


def _live(session: Session, untrusted: Iterable[Moved], now: int) -> set[Moved]:
    """Those recorded after their terminal said, a moment ago, how far its ledger goes: so they happened just now."""
    waiting = set(untrusted)
    if not waiting:
        return set()
    terminals = {moved.ledger.terminal for moved in waiting}
    found = {
        LedgerKey(moved.ledger.terminal, status.ledger): status.last_seq
        for status in session.scalars(select(UnitStatus).where(UnitStatus.unit_id.in_(terminals), UnitStatus.online))
        for moved in waiting
        if moved.ledger.terminal == status.unit_id
        and now - microseconds(status.seen_at) < SILENT_AFTER / timedelta(microseconds=1)
    }
    return {moved for moved in waiting if moved.seq > found.get(moved.ledger, moved.seq)}


def projects(session: Session) -> list[str]:
    """The projects that have presence, in the order in which they are locked."""
    found = select(TableHead.scope).where(TableHead.name == Table.PRESENCE.value)
    return list(session.scalars(found.order_by(TableHead.scope)))


def expire(session: Session, project: str, now: int) -> int:
    """Take out what is too old to count, and forget what was taken out long ago; how many rows went."""
    head = head_of(session, Table.PRESENCE, project)  # locked first: who taps meanwhile waits, and is not taken out
    here = (TableRow.name == head.name, TableRow.scope == head.scope)
    rows = session.execute(select(TableRow.key, TableRow.value).where(*here, TableRow.value.is_not(None)))
    old = [key for key, value in rows if value is not None and decode_presence(value).at <= now - LONGEST_PASS]
    if old:
        drop(session, Table.PRESENCE, project, old)
    long_ago = TableRow.version < head.version - DROPS_REMEMBERED
    forgotten = delete(TableRow).where(*here, TableRow.value.is_(None), long_ago)
    session.execute(forgotten.execution_options(synchronize_session=False))
    return len(old)
