"""Puts the rows found in a damaged ledger back into one chain, and says of each whether the chain proves it.

Pure. Several rows may claim a number, and a row may be gone: what a later hash confirms was there before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from protocol.entries import digest, link

MOST_BRANCHES: Final = 8
MOST_PENDING: Final = 5_000  # entries that wait for a later one to prove them


@dataclass(frozen=True, slots=True)
class Found:
    """What was found under one number: (digest, hash) of its entry, and bytes of its payload."""

    seq: int
    entries: tuple[tuple[bytes, bytes], ...]
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Woven:
    """An entry that can be believed. `follows`: it is chained to the entry before, whose hash is known too.

    Without that its payload is the one that was recorded, and nobody can be shown where in the chain it stands.
    """

    seq: int
    digest: bytes
    hash: bytes
    payload: bytes | None
    follows: bool


@dataclass(slots=True)
class _Branch:
    """A way the chain may have gone since it was last proven; `stands` when its last hash was found on disk."""

    tip: bytes
    stands: bool
    rows: list[Woven] = field(default_factory=list)


def weave(found: Iterable[Found], begins: bytes | None) -> Iterator[Woven | int]:
    """Each number that was found, in order: what stands there, or the bare number where nothing can be believed.

    `begins` is the hash before entry 1, if the ledger's name is known. `found` comes in ascending order.
    """
    weaver = _Weaver(begins)
    for each in found:
        yield from weaver.take(each)
    yield from weaver.end()


class _Weaver:
    def __init__(self, begins: bytes | None) -> None:
        self._expected = 1
        self._branches = [] if begins is None else [_Branch(begins, True)]
        self._pending: list[Found] = []

    def take(self, found: Found) -> Iterator[Woven | int]:
        """Go on with the next number; gives what is settled by it."""
        if found.seq != self._expected:
            yield from self.end()
        self._expected = found.seq + 1
        self._pending.append(found)
        grown = list(self._grow(found))
        standing = [branch for branch in grown if branch.stands]
        if len(standing) == 1:
            yield from self._settle(standing[0])
        elif standing:
            self._branches = standing[:MOST_BRANCHES]
        else:
            self._branches = [*_anchors(found), *grown][:MOST_BRANCHES]
            if len(self._pending) > MOST_PENDING:
                yield from self._give_up()

    def end(self) -> Iterator[Woven | int]:
        """The chain is interrupted: settle what waits."""
        standing = next((branch for branch in self._branches if branch.stands), None)
        if standing is None:
            yield from self._give_up()
        else:
            yield from self._settle(standing)
        self._branches = []

    def _grow(self, found: Found) -> Iterator[_Branch]:
        hashes = {entry_hash for _, entry_hash in found.entries}
        candidates = {digest(payload): payload for payload in found.payloads}
        digests: dict[bytes, bytes | None] = {each: candidates.get(each) for each, _ in found.entries}
        digests.update(candidates)
        for branch in self._branches:
            for each, payload in digests.items():
                tip = link(branch.tip, found.seq, each)
                yield _Branch(tip, tip in hashes, [*branch.rows, Woven(found.seq, each, tip, payload, True)])

    def _settle(self, branch: _Branch) -> Iterator[Woven | int]:
        proven = {row.seq: row for row in branch.rows}
        for found in self._pending:
            yield proven.get(found.seq) or _by_itself(found)
        self._pending = []
        self._branches = [_Branch(branch.tip, True)]

    def _give_up(self) -> Iterator[Woven | int]:
        for found in self._pending:
            yield _by_itself(found)
        self._pending = []
        for branch in self._branches:
            branch.rows = []


def _anchors(found: Found) -> Iterator[_Branch]:
    """The chain may begin again at an entry whose hash is right, which the next one proves."""
    for entry_digest, entry_hash in found.entries:
        payload = next((each for each in found.payloads if digest(each) == entry_digest), None)
        yield _Branch(entry_hash, False, [Woven(found.seq, entry_digest, entry_hash, payload, False)])


def _by_itself(found: Found) -> Woven | int:
    """A payload that has its digest is the one that was recorded; anything less cannot be believed."""
    for entry_digest, entry_hash in found.entries:
        for payload in found.payloads:
            if digest(payload) == entry_digest:
                return Woven(found.seq, entry_digest, entry_hash, payload, False)
    return found.seq
