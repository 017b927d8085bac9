"""Changes of tables as the cloud sends them, whole or in parts."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from protocol.cards import CardId
from protocol.decision import Binding, BlockReason, Enrolment, Mode, TableName
from protocol.messages import VERSION, TableChange
from protocol.tables import EVERYBODY, Row, Table, block_key, encode_value, pack_keys, pack_rows

EPOCH: Final = b"e" * 16
PROJECT: Final = "00000000000000a1"


def binding(*tables: TableName, project: str = PROJECT, mode: Mode = Mode.CLOSED) -> Binding:
    """A binding to a project that names these tables, or a roster and a blocklist of `EPOCH`."""
    both = (TableName(Table.ROSTER, project, EPOCH), TableName(Table.BLOCKLIST, EVERYBODY, EPOCH))
    return Binding(project, "Kvarnen", "North gate", "Europe/Stockholm", mode, False, None, ("gate",), tables or both)


def binding_row(bound: Binding) -> Row:
    """The one row of a binding."""
    return b"", encode_value(bound)


def roster_row(card: CardId, person: str, company: str = "00000000000000c1") -> Row:
    """A card's row in a roster."""
    return str(card).encode(), encode_value(Enrolment(person, company))


def block_row(card: CardId, reason: BlockReason = BlockReason.LOST, salt: bytes = EPOCH) -> Row:
    """A card's row in a blocklist."""
    return block_key(salt, card).to_bytes(8, "big", signed=True), encode_value(reason)


def change(
    table: Table,
    scope: str,
    versions: tuple[int, int],
    rows: Sequence[Row] = (),
    drops: Sequence[bytes] = (),
    epoch: bytes = EPOCH,
) -> TableChange:
    """A change from one version to another."""
    packed = pack_rows(table, rows)
    checksum = hashlib.sha256(packed).digest()
    return TableChange(VERSION, table, scope, epoch, *versions, 0, 1, checksum, packed, pack_keys(table, drops))


def parts(
    table: Table, scope: str, version: int, rows: Sequence[Row], count: int, epoch: bytes = EPOCH
) -> list[TableChange]:
    """A snapshot in so many parts."""
    packed = [pack_rows(table, rows[number::count]) for number in range(count)]
    checksum = hashlib.sha256(b"".join(packed)).digest()
    drops = pack_keys(table, [])
    return [
        TableChange(VERSION, table, scope, epoch, 0, version, number, count, checksum, each, drops)
        for number, each in enumerate(packed)
    ]


class History:
    """A table of the cloud with all that ever happened to it, so that any change between two versions can be made."""

    def __init__(self, table: Table, scope: str, steps: Sequence[Mapping[bytes, bytes | None]]) -> None:
        self.table = table
        self.scope = scope
        self._steps = steps

    @property
    def version(self) -> int:
        """The newest."""
        return len(self._steps)

    def at(self, version: int) -> dict[bytes, bytes]:
        """All rows as they were at a version."""
        return {key: value for key, value in self._touched(0, version).items() if value is not None}

    def change(self, start: int, end: int) -> TableChange:
        """What happened from one version to another; from 0 it is a snapshot."""
        touched = self._touched(start, end)
        puts = [(key, value) for key, value in touched.items() if value is not None]
        drops = [key for key, value in touched.items() if value is None]
        return change(self.table, self.scope, (start, end), puts, drops)

    def _touched(self, start: int, end: int) -> dict[bytes, bytes | None]:
        touched: dict[bytes, bytes | None] = {}
        for step in self._steps[start:end]:
            touched.update(step)
        return touched
