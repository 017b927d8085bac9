"""Finds entries in a write-ahead log that SQLite no longer sees, since something before them there is damaged.

SQLite ends a log at the first frame whose checksum is wrong (WAL File Format, section 4.4), and says nothing: whatever
was recorded after it would be overwritten by the next entry.
"""

import mmap
from pathlib import Path
from typing import Final

from edge.ledger.carving import Carved, carve, entry_pattern
from protocol.entries import digest, link
from protocol.errors import ChainBroken

LOOKED_AHEAD: Final = tuple(1 << power for power in range(12))
"""Which of the next entries are looked for: of many that are gone from sight, one is found."""


def remnant(log: Path, last_seq: int, last_hash: bytes) -> bytes | None:
    """The payload of the one entry in a log that continues a chain beyond what its ledger shows; mostly none.

    One is what a power cut leaves of a commit that was torn. Raises ChainBroken where there are more: those were
    durable, and the log is damaged. Raises OSError.
    """
    try:
        with log.open("rb") as file:
            if not (size := file.seek(0, 2)):
                return None
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
                if all(mapped.find(entry_pattern(last_seq + ahead)) < 0 for ahead in LOOKED_AHEAD):
                    return None
                return _continuing(carve(mapped[:]), last_seq, last_hash)
    except FileNotFoundError:
        return None


def _continuing(carved: Carved, last_seq: int, last_hash: bytes) -> bytes | None:
    digests = {(seq, entry_digest): entry_hash for seq, entry_digest, entry_hash in carved.entries}
    continuing = None
    for seq, payload in carved.payloads:
        entry_hash = digests.get((seq, digest(payload)))
        if entry_hash is None or seq <= last_seq:
            continue
        if seq > last_seq + 1:
            raise ChainBroken(last_seq + 1, "it cannot be seen, and later ones are in the write-ahead log")
        if link(last_hash, seq, digest(payload)) == entry_hash:
            continuing = payload
    return continuing
