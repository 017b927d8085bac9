"""Regains the entries of a write-ahead log that SQLite no longer sees, since something before them there is damaged.

SQLite ends a log at the first frame whose checksum is wrong (WAL File Format, section 4.4), and says nothing: whatever
was recorded after it would be overwritten by the next entry.
"""

import mmap
from pathlib import Path
from typing import Final

from edge.carving import Carved, carve, entry_pattern
from protocol.entries import digest, link
from protocol.errors import ChainBroken

LOOKED_AHEAD: Final = tuple(1 << power for power in range(12))
"""Which of the next entries are looked for: of many that are gone from sight, one is found."""


def remnant(log: Path, last_seq: int, last_hash: bytes) -> list[bytes]:
    """The payloads in a log that continue a chain beyond what its ledger shows; mostly none.

    Raises ChainBroken where later entries are there and the next one is not, and OSError.
    """
    try:
        with log.open("rb") as file:
            if not (size := file.seek(0, 2)):
                return []
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
                if all(mapped.find(entry_pattern(last_seq + ahead)) < 0 for ahead in LOOKED_AHEAD):
                    return []
                return _continuing(carve(mapped[:]), last_seq, last_hash)
    except FileNotFoundError:
        return []


def _continuing(carved: Carved, last_seq: int, last_hash: bytes) -> list[bytes]:
    found = {(seq, entry_hash): entry_digest for seq, entry_digest, entry_hash in carved.entries}
    by_seq: dict[int, list[bytes]] = {}
    for seq, payload in carved.payloads:
        by_seq.setdefault(seq, []).append(payload)
    payloads: list[bytes] = []
    seq, previous = last_seq + 1, last_hash
    while True:
        for payload in by_seq.get(seq, ()):
            tip = link(previous, seq, digest(payload))
            if found.get((seq, tip)) == digest(payload):
                payloads.append(payload)
                seq, previous = seq + 1, tip
                break
        else:
            break
    digests = {(number, entry_digest) for number, entry_digest, _ in carved.entries}
    if any(number >= seq and (number, digest(payload)) in digests for number, payload in carved.payloads):
        raise ChainBroken(seq, "it is missing, and later ones are in the write-ahead log")
    return payloads
