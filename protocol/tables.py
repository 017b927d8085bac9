"""The tables that flow down: their names, and how rows are packed, written once for all of them.

A row is a key and a value, both bytes. A binding has one row with an empty key; a roster maps CardId to Enrolment;
a blocklist maps an 8-byte key to one byte of reason and is packed without any framing: 9 bytes a card (DESIGN 8);
presence maps a person for a company, or a card without a person, to their newest movement on the project; people maps
the id of a person or company to their name and number, and a CardId that was seen though it is not enrolled to its
holder, each sealed for one terminal (`protocol.sealing`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, time
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from protocol.cards import CardId
from protocol.decision import Binding, BlockReason, Direction, Enrolment
from protocol.errors import UNREADABLE, MessageMalformed

LARGEST_ROW = 16 * 1024
LONGEST_NAME = 200
LONGEST_NUMBER = 60
SEALED_ADDS = 62
"""Bytes that a sealed value is longer than the plain one."""
LARGEST_SEALED = 2048
BLOCK_KEY_BYTES = 8
BLOCK_REASONS = tuple(BlockReason)
EVERYBODY = "global"

Row = tuple[bytes, bytes]


class Table(StrEnum):
    """Every table there is."""

    BINDING = "binding"
    ROSTER = "roster"
    BLOCKLIST = "blocklist"
    PRESENCE = "presence"
    PEOPLE = "people"


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """A row of presence: which way somebody went last, when (microseconds UTC), and at which terminal."""

    direction: Direction
    at: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    terminal: Annotated[str, msgspec.Meta(max_length=120)]


class Named(msgspec.Struct, frozen=True, array_like=True):
    """A row of people, once opened: what a person or company is called, and the number that `country` gave them.

    `number`: personnummer, samordningsnummer, organisationsnummer or what another country has instead; "" where it is
    not known. `country`: ISO 3166 alpha-2.
    """

    name: Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
    number: Annotated[str, msgspec.Meta(max_length=LONGEST_NUMBER)]
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "SE"


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """A row of people that has a CardId as its key: who holds the card, for which company, by id."""

    person: Annotated[str, msgspec.Meta(max_length=120)]
    company: Annotated[str, msgspec.Meta(max_length=120)]


_encoder = msgspec.msgpack.Encoder()
_rows = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])
_keys = msgspec.msgpack.Decoder(list[bytes])
_binding = msgspec.msgpack.Decoder(Binding)
_enrolment = msgspec.msgpack.Decoder(Enrolment)
_presence = msgspec.msgpack.Decoder(Presence)
_named = msgspec.msgpack.Decoder(Named)
_holder = msgspec.msgpack.Decoder(Holder)


def block_key(salt: bytes, card: CardId) -> int:
    """A card's key in a blocklist, a signed 64-bit number; the salt is the table's epoch."""
    return int.from_bytes(hashlib.sha256(b"gv1 block\0" + salt + str(card).encode()).digest()[:8], "big", signed=True)


def presence_key(card: str, person: str | None, company: str | None) -> bytes:
    """The key of a row of presence: of the person for the company, or of a card that nobody is known to hold."""
    return card.encode() if person is None else f"{person}\0{company or ''}".encode()


def pack_rows(table: Table, rows: Iterable[Row]) -> bytes:
    """Rows as they travel."""
    if table is Table.BLOCKLIST:
        return b"".join(key + value for key, value in rows)
    return _encoder.encode(list(rows))


def unpack_rows(table: Table, packed: bytes) -> list[Row]:
    """Rows that arrived, each value checked for its table. Raises MessageMalformed."""
    if table is Table.BLOCKLIST:
        return _unpack_blocks(packed)
    try:
        rows = _rows.decode(packed)
    except UNREADABLE as exc:
        raise MessageMalformed(f"rows of table {table}", str(exc)) from exc
    for key, value in rows:
        _check_row(table, key, value)
    return rows


def pack_keys(table: Table, keys: Sequence[bytes]) -> bytes:
    """Keys of rows that are dropped, as they travel."""
    if table is Table.BLOCKLIST:
        return b"".join(keys)
    return _encoder.encode(list(keys))


def unpack_keys(table: Table, packed: bytes) -> list[bytes]:
    """Keys of dropped rows that arrived. Raises MessageMalformed."""
    if table is Table.BLOCKLIST:
        if len(packed) % BLOCK_KEY_BYTES:
            raise MessageMalformed("drops of table blocklist", "the length is no multiple of 8")
        return [packed[at : at + BLOCK_KEY_BYTES] for at in range(0, len(packed), BLOCK_KEY_BYTES)]
    try:
        return _keys.decode(packed)
    except UNREADABLE as exc:
        raise MessageMalformed(f"drops of table {table}", str(exc)) from exc


def encode_value(value: Binding | Enrolment | BlockReason | Presence | Named | Holder) -> bytes:
    """A row's value as bytes."""
    if isinstance(value, BlockReason):
        return bytes([BLOCK_REASONS.index(value)])
    return _encoder.encode(value)


def decode_binding(raw: bytes) -> Binding:
    """Read a binding row; its zone, reset time and holidays are known to work afterwards. Raises MessageMalformed."""
    try:
        binding = _binding.decode(raw)
        ZoneInfo(binding.zone)
        if binding.reset is not None:
            time.fromisoformat(binding.reset)
        for day in binding.holidays:
            date.fromisoformat(day)
    except (*UNREADABLE, ValueError, ZoneInfoNotFoundError, OSError) as exc:
        raise MessageMalformed("a binding", str(exc)) from exc
    return binding


def decode_enrolment(raw: bytes) -> Enrolment:
    """Read a roster row. Raises MessageMalformed."""
    try:
        return _enrolment.decode(raw)
    except UNREADABLE as exc:
        raise MessageMalformed("an enrolment", str(exc)) from exc


def decode_presence(raw: bytes) -> Presence:
    """Read a row of presence. Raises MessageMalformed."""
    try:
        return _presence.decode(raw)
    except UNREADABLE as exc:
        raise MessageMalformed("a presence", str(exc)) from exc


def sealed_epoch(recipient: bytes, epoch: bytes) -> bytes:
    """The epoch under which a sealed table counts at the terminal whose key has this id.

    It begins with the id: after a renewal the rows for the old key are of another epoch, and the terminal asks anew.
    """
    return recipient + epoch[: len(epoch) - len(recipient)]


def is_sealed_for(recipient: bytes, epoch: bytes) -> bool:
    """Says whether a sealed table of this epoch is for the key of this id."""
    return epoch.startswith(recipient)


def decode_named(plain: bytes) -> Named:
    """Read an opened row of people; it can be shown as it is. Raises MessageMalformed."""
    try:
        named = _named.decode(plain)
    except UNREADABLE as exc:
        raise MessageMalformed("a name", str(exc)) from exc
    if not (named.name.isprintable() and named.number.isprintable()):
        raise MessageMalformed("a name", "there are characters in it that nobody writes")
    return named


def decode_holder(plain: bytes) -> Holder:
    """Read an opened row of people whose key is a card's. Raises MessageMalformed."""
    try:
        return _holder.decode(plain)
    except UNREADABLE as exc:
        raise MessageMalformed("a card's holder", str(exc)) from exc


def check_sealed(value: bytes) -> None:
    """Whether these can be sealed bytes at all, for who has no key to open them. Raises MessageMalformed."""
    if not SEALED_ADDS <= len(value) <= LARGEST_SEALED:
        raise MessageMalformed("a sealed value", f"{len(value)} bytes are too few or too many")
    if value[0] < 1:
        raise MessageMalformed("a sealed value", f"version {value[0]} never was")


def block_reason(code: int) -> BlockReason:
    """The reason behind a byte; one that is not known here yet still blocks."""
    return BLOCK_REASONS[code] if code < len(BLOCK_REASONS) else BlockReason.OTHER


def _unpack_blocks(packed: bytes) -> list[Row]:
    if len(packed) % (BLOCK_KEY_BYTES + 1):
        raise MessageMalformed("rows of table blocklist", "the length is no multiple of 9")
    step = BLOCK_KEY_BYTES + 1
    return [(packed[at : at + 8], packed[at + 8 : at + step]) for at in range(0, len(packed), step)]


def _check_row(table: Table, key: bytes, value: bytes) -> None:
    if len(key) + len(value) > LARGEST_ROW:
        raise MessageMalformed(f"a row of table {table}", f"larger than {LARGEST_ROW} bytes")
    if table is Table.BINDING:
        decode_binding(value)
    elif table is Table.ROSTER:
        decode_enrolment(value)
    elif table is Table.PRESENCE:
        decode_presence(value)
    elif table is Table.PEOPLE:
        check_sealed(value)
