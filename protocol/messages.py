"""What is said over MQTT: each message as a typed value, encoded and decoded side by side.

Structs are MessagePack arrays with a leading version. A field is only ever added at the end; a version that is not
known is refused by name. Every length is bounded before anything is unpacked.
"""

import zlib
from typing import Annotated, Any, TypeVar

import msgspec

from protocol.clock import ClockQuality
from protocol.errors import UNREADABLE, MessageFromFuture, MessageMalformed, MessageTooLarge

VERSION = 1
LARGEST_UP = 1024 * 1024
LARGEST_UNPACKED = 2 * 1024 * 1024
LARGEST_BATCH = 1000
LARGEST_CERTIFICATE = 8 * 1024
COMPRESS_FROM = 1024
RAW, ZLIB = b"\x00", b"\x01"

Ledger = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(max_length=120)]
Epoch = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class Entries(msgspec.Struct, frozen=True, array_like=True):
    """Up: entries `first` onward without a gap, chained to `previous` and ending in `last_hash`."""

    version: int
    ledger: Ledger
    first: Seq
    previous: Hash
    payloads: Annotated[tuple[bytes, ...], msgspec.Meta(min_length=1, max_length=LARGEST_BATCH)]
    last_hash: Hash

    @property
    def last(self) -> int:
        """The number of the last entry in the batch."""
        return self.first + len(self.payloads) - 1


class TableVersion(msgspec.Struct, frozen=True, array_like=True):
    """Which version of a table a terminal holds; versions compare within name, scope and epoch only."""

    name: Name
    scope: Name
    epoch: Epoch
    held: Count


class Pull(msgspec.Struct, frozen=True, array_like=True):
    """Up: the tables a terminal has, sent on connect and when a change does not fit.

    `certificate`: its own, as DER (X.509), whose key the cloud seals names to; empty where it does not say.
    """

    version: int
    tables: Annotated[tuple[TableVersion, ...], msgspec.Meta(max_length=16)]
    certificate: Annotated[bytes, msgspec.Meta(max_length=LARGEST_CERTIFICATE)] = b""


class Status(msgspec.Struct, frozen=True, array_like=True):
    """Up, retained, with a will: how a terminal is. `at` is microseconds UTC by its clock; `oldest_unsent` likewise.

    `readers`: whether each is there. `doors`: the state of each. `conditions`: what is wrong while nobody taps.
    """

    version: int
    online: bool
    nonce: Annotated[bytes, msgspec.Meta(max_length=16)]
    at: int
    clock_quality: ClockQuality
    software: Name
    ledger: Ledger
    last_seq: Count
    queue_depth: Count
    oldest_unsent: int | None
    readers: Annotated[dict[Name, bool], msgspec.Meta(max_length=32)]
    doors: Annotated[dict[Name, Name], msgspec.Meta(max_length=32)]
    tables: Annotated[tuple[TableVersion, ...], msgspec.Meta(max_length=16)]
    conditions: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """Down: the cloud durably has entries 1 to `upto` of a ledger (0: none), the chain's hash there being `hash`.

    A receipt below what was sent asks for the rest again.
    """

    version: int
    ledger: Ledger
    upto: Count
    hash: Hash


class TableChange(msgspec.Struct, frozen=True, array_like=True):
    """Down: a table's rows from one version to another; `from_version` 0 is a snapshot that replaces everything.

    A large snapshot comes in `chunks`, numbered from 0; `checksum` is SHA-256 over the `rows` of all chunks in order.
    `rows` and `drops` are packed as `protocol.tables` says.
    """

    version: int
    name: Name
    scope: Name
    epoch: Epoch
    from_version: Count
    to_version: Count
    chunk: Count
    chunks: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    checksum: Hash
    rows: bytes
    drops: bytes


Message = Entries | Pull | Status | Receipt | TableChange
M = TypeVar("M", bound=Message)


class _Head(msgspec.Struct, array_like=True):
    version: int


_encoder = msgspec.msgpack.Encoder()
_head = msgspec.msgpack.Decoder(_Head)
_decoders: dict[type[msgspec.Struct], msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (Entries, Pull, Status, Receipt, TableChange)
}


def encode(message: Message) -> bytes:
    """A message's bytes, as they go into an envelope."""
    return _encoder.encode(message)


def decode(kind: type[M], raw: bytes) -> M:
    """Read a message of a known kind. Raises MessageMalformed, MessageFromFuture."""
    what = f"a message {kind.__name__}"
    try:
        version = _head.decode(raw).version
        if version > VERSION:
            raise MessageFromFuture(what, version, VERSION)
        if version < 1:
            raise MessageMalformed(what, f"version {version} never was")
        message: M = _decoders[kind].decode(raw)
    except UNREADABLE as exc:
        raise MessageMalformed(what, str(exc)) from exc
    return message


def pack_up(message: Entries | Pull | Status) -> bytes:
    """The bytes a terminal publishes: a mark, then the message, with zlib where it is over 1 KiB."""
    raw = encode(message)
    if len(raw) <= COMPRESS_FROM:
        return RAW + raw
    return ZLIB + zlib.compress(raw, 1)


def unpack_up(kind: type[M], packed: bytes) -> M:
    """Read what a terminal published. Raises MessageTooLarge, MessageMalformed, MessageFromFuture."""
    if len(packed) > LARGEST_UP:
        raise MessageTooLarge("a message up", LARGEST_UP)
    mark, rest = packed[:1], packed[1:]
    if mark == RAW:
        return decode(kind, rest)
    if mark != ZLIB:
        raise MessageMalformed("a message up", f"it begins with {mark.hex() or 'nothing'}, not with 00 or 01")
    return decode(kind, _inflate(rest))


def _inflate(packed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, LARGEST_UNPACKED)
    except zlib.error as exc:
        raise MessageMalformed("a message up", str(exc)) from exc
    if inflater.unconsumed_tail:
        raise MessageTooLarge("an unpacked message up", LARGEST_UNPACKED)
    if not inflater.eof:
        raise MessageMalformed("a message up", "its compressed part is cut off")
    return raw
