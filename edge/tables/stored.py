"""Turns rows that travelled into the rows that lie in the file."""

from collections.abc import Iterable

from protocol.passes import Direction, Movement
from protocol.tables import Table, decode_presence, unpack_keys, unpack_rows


def stored_rows(table: Table, packed: bytes) -> Iterable[tuple[bytes | int | None, ...]]:
    """The values of `edge.tables.schema.PUT`, row by row. Raises MessageMalformed."""
    rows = unpack_rows(table, packed)
    if table is Table.BLOCKLIST:
        return ((_signed(key), reason[0]) for key, reason in rows)
    if table is Table.PRESENCE:
        moved = ((key, value, movement_of(value)) for key, value in rows)
        return ((key, value, last.at if last.direction is Direction.IN else None) for key, value, last in moved)
    return rows


def stored_keys(table: Table, packed: bytes) -> Iterable[tuple[bytes | int]]:
    """The keys of `edge.tables.schema.DROP`. Raises MessageMalformed."""
    if table is not Table.BLOCKLIST:
        return [(key,) for key in unpack_keys(table, packed)]
    return [(_signed(key),) for key in unpack_keys(table, packed)]


def movement_of(value: bytes) -> Movement:
    """The movement in a row of presence. Raises MessageMalformed."""
    presence = decode_presence(value)
    return Movement(presence.direction, presence.at)


def _signed(key: bytes) -> int:
    return int.from_bytes(key, "big", signed=True)
