"""Writes tables that only one terminal may read: each row sealed to the key of that terminal's certificate.

Such a table has an epoch of its own for each key (`protocol.tables.sealed_epoch`), so that after a renewal the terminal
lacks it and asks for it, as for any other table.
"""

from dataclasses import dataclass
from typing import Final, Self

from cloud.joining.certificates import sealing_key
from cloud.sync.models import TableHead
from protocol.sealing import Sealer, key_id, row_context
from protocol.tables import Table, sealed_epoch

SEALED: Final = frozenset({Table.PEOPLE})
"""The tables that lie here in plain and leave only sealed, each row for one terminal."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A terminal whose certificate is known, for one batch of rows."""

    sealer: Sealer
    key_id: bytes

    @classmethod
    def of(cls, certificate: bytes) -> Self:
        """Who has this certificate, which was checked when it came."""
        public = sealing_key(certificate)
        return cls(Sealer(public), key_id(public))

    def epoch(self, head: TableHead) -> bytes:
        """The epoch under which this terminal is told of a table."""
        return sealed_epoch(self.key_id, head.epoch)

    def sealed(self, head: TableHead, key: bytes, value: bytes) -> bytes:
        """The value of a row as this terminal gets it."""
        return self.sealer.seal(value, row_context(head.name, head.scope, key))
