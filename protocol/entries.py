"""A ledger entry's payload and the hash chain that ties entries together (DESIGN 7)."""

import hashlib
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from protocol.clock import ClockQuality
from protocol.decision import Direction, Proof, Reason
from protocol.errors import UNREADABLE, ChainBroken, MessageFromFuture, MessageMalformed, MessageTooLarge, TerminalId

VERSION = 1
LARGEST_PAYLOAD = 4096
HASH_BYTES = 32
LEDGER_BYTES = 16
SALT_BYTES = 16
MOST_ALSO: Final = 4
"""How many further identities of the same card an entry tells."""


class Outcome(StrEnum):
    """What the terminal answered."""

    GRANTED = "granted"
    DENIED = "denied"


class Source(StrEnum):
    """What a tap came from."""

    CARD = "card"
    PHONE = "phone"
    MANUAL = "manual"
    SYSTEM = "system"


class Tap(msgspec.Struct, frozen=True, array_like=True, tag="tap"):
    """A card seen by a reader at a time, and its verdict. Times: microseconds UTC; `monotonic`: ns since the boot.

    `registered_at` is read just before the durable commit. `salt` keeps a purged payload's digest from being guessed.
    `also` are further identities of the card that were read while it was held there; `proof` is how it proved itself.
    """

    version: int
    occurred_at: int
    clock_quality: ClockQuality
    boot_id: bytes
    monotonic: int
    registered_at: int
    card: str
    person: str | None
    company: str | None
    reader: str
    direction: Direction | None
    outcome: Outcome
    reason: Reason | None
    project: str | None
    tables: dict[str, int]
    source: Source
    salt: bytes
    also: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_ALSO)] = ()
    proof: Proof = Proof.NOT_ASKED


class DoorChange(msgspec.Struct, frozen=True, array_like=True, tag="door"):
    """A door changed its state, and why."""

    version: int
    occurred_at: int
    clock_quality: ClockQuality
    boot_id: bytes
    monotonic: int
    registered_at: int
    door: str
    state: str
    cause: str
    salt: bytes


class Fact(msgspec.Struct, frozen=True, array_like=True, tag="fact"):
    """Something added later: a ledger's beginning, a boot, a clock offset, a salvage. `details` are words by name."""

    version: int
    occurred_at: int
    clock_quality: ClockQuality
    boot_id: bytes
    monotonic: int
    registered_at: int
    subject: str
    details: dict[str, str]
    salt: bytes


Payload = Tap | DoorChange | Fact


class _Head(msgspec.Struct, array_like=True):
    kind: str
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Payload)
_head_decoder = msgspec.msgpack.Decoder(_Head)


def encode_payload(payload: Payload) -> bytes:
    """The bytes that are stored, hashed and sent; they are never encoded again."""
    return _encoder.encode(payload)


def decode_payload(raw: bytes) -> Payload:
    """Read stored or received bytes. Raises MessageMalformed, MessageTooLarge, MessageFromFuture."""
    if len(raw) > LARGEST_PAYLOAD:
        raise MessageTooLarge("an entry", LARGEST_PAYLOAD)
    try:
        payload: Payload = _decoder.decode(raw)
    except UNREADABLE as exc:
        _refuse_future(raw)
        raise MessageMalformed("an entry", str(exc)) from exc
    if payload.version != VERSION:
        raise MessageFromFuture("an entry", payload.version, VERSION)
    return payload


def _refuse_future(raw: bytes) -> None:
    try:
        head = _head_decoder.decode(raw)
    except UNREADABLE:
        return
    if head.version > VERSION:
        raise MessageFromFuture(f"an entry of kind {head.kind[:20]!r}", head.version, VERSION)


def genesis(terminal: TerminalId, ledger: bytes) -> bytes:
    """The hash before entry 1 of a ledger."""
    return hashlib.sha256(b"gv1 ledger\0" + terminal.encode() + b"\0" + ledger).digest()


def digest(payload: bytes) -> bytes:
    """SHA-256 of a payload's stored bytes."""
    return hashlib.sha256(payload).digest()


def link(previous: bytes, seq: int, payload_digest: bytes) -> bytes:
    """The hash of entry `seq`: it covers every entry before it."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + payload_digest).digest()


def follow(previous: bytes, first: int, payloads: list[bytes]) -> list[tuple[bytes, bytes]]:
    """(digest, hash) of each payload from `first` on, chained to `previous`."""
    chained = []
    for seq, payload in enumerate(payloads, first):
        payload_digest = digest(payload)
        previous = link(previous, seq, payload_digest)
        chained.append((payload_digest, previous))
    return chained


def check_link(previous: bytes, seq: int, payload_digest: bytes, stored_hash: bytes, payload: bytes | None) -> None:
    """Check one stored entry against the one before it. A purged payload is None. Raises ChainBroken."""
    if payload is not None and digest(payload) != payload_digest:
        raise ChainBroken(seq, "its payload is not the one that was recorded")
    if link(previous, seq, payload_digest) != stored_hash:
        raise ChainBroken(seq, "its hash does not continue the entry before it")
