"""The parsers of `protocol`: what comes over the wire, from the ledger's file and out of an export."""

import io
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from protocol.cards import CardId
from protocol.entries import decode_payload, encode_payload, follow
from protocol.errors import ProtocolError
from protocol.exports import Exported, ExportReader, Heading, end_line, entry_line, header_line
from protocol.messages import (
    LARGEST_UNPACKED,
    LARGEST_UP,
    ZLIB,
    Entries,
    Message,
    Pull,
    Receipt,
    Status,
    TableChange,
    decode,
    encode,
    unpack_up,
)
from protocol.sealing import open_sealed, row_context, seal
from protocol.signatures import LARGEST_ENVELOPE, Verifier
from protocol.tables import (
    Holder,
    Named,
    Table,
    decode_binding,
    decode_enrolment,
    decode_holder,
    decode_named,
    decode_presence,
    encode_value,
    pack_keys,
    pack_rows,
    unpack_keys,
    unpack_rows,
)
from protocol.topics import Down, Up, down, parse_down, parse_up, terminal_id, up
from tests.fuzz.target import KIB, Target
from tests.protocol.examples import (
    BINDING,
    BINDING_ROWS,
    BLOCK_ROWS,
    COMPANY,
    ENROLMENT,
    LEDGER,
    MESSAGES,
    PAYLOADS,
    PERSON,
    PRESENCE,
    PRESENCE_ROWS,
    ROSTER_ROWS,
    SIGNER,
    START,
    STRICT_BINDING,
    TERMINAL,
)

DEEP: Final = b"\x91" * 3000 + b"\xc0"
BOMB: Final = ZLIB + zlib.compress(bytes(3 * KIB * KIB), 9)
"""3 MiB of nothing in 3 KiB."""

LARGE_BOMB: Final = ZLIB + zlib.compress(bytes(64 * KIB * KIB), 9)
"""64 MiB of nothing in 64 KiB."""

HUGE_ARRAY: Final = b"\xdd\xff\xff\xff\xff"
"""The beginning of a list of 4,294,967,295 things."""

REFUSED: Final = (ProtocolError,)
UNPACKED: Final = 16 * KIB * KIB
"""What a message up may take: it is inflated to at most 2 MiB, and then decoded."""

NAME: Final = encode_value(Named("Åsa Öberg", "19811218-9876"))
KEY: Final = derive_private_key(4711, SECP256R1())
PLACE: Final = row_context(Table.PEOPLE, BINDING.project, b"person")
SEALED: Final = seal(KEY.public_key(), NAME, PLACE)

_PACKED: Final = {kind: [encode(each) for each in MESSAGES.values() if type(each) is kind] for kind in Message.__args__}
_RAW: Final = [encode_payload(payload) for payload in PAYLOADS.values()]


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda given: parse(given.decode(errors="replace"))


def _up(kind: type[Entries | Pull | Status]) -> Target:
    zipped = [ZLIB + zlib.compress(packed) for packed in _PACKED[kind]]
    seeds = [b"\x00" + packed for packed in _PACKED[kind]]
    largest = ZLIB + zlib.compress(b"\x93\x01" + HUGE_ARRAY + b"\x90" * (LARGEST_UNPACKED - 7))
    return Target(
        lambda given: unpack_up(kind, given),
        REFUSED,
        (*seeds, *zipped, BOMB, b"\x00" + DEEP),
        slack=UNPACKED,
        worst=(LARGE_BOMB, largest, bytes(LARGEST_UP + 1)),
        share=8,
    )


def _message(kind: type[Message]) -> Target:
    return Target(
        lambda given: decode(kind, given),
        REFUSED,
        (*_PACKED[kind], b"\x92\x01" + DEEP),
        worst=(b"\x93\x01" + HUGE_ARRAY,),
    )


def _rows(table: Table, seed: bytes) -> Target:
    many = b"\xdd\x00\x00\x80\x00" + b"\x92\xc4\x00\xc4\x00" * 0x8000
    worst = (HUGE_ARRAY, many, bytes(LARGEST_ENVELOPE // 9 * 9))
    return Target(lambda given: unpack_rows(table, given), REFUSED, (seed, seed * 9, b"\x91" + DEEP), worst=worst)


def _export() -> Target:
    def read(given: bytes) -> list[object]:
        return list(ExportReader(io.BytesIO(given).readline))

    chained = follow(START, 1, _RAW)
    lines = [header_line(Heading(TERMINAL, LEDGER, 1, len(_RAW), START))]
    lines += [
        entry_line(Exported(seq, *links, raw), {"kind": "tap"})
        for seq, (raw, links) in enumerate(zip(_RAW, chained, strict=True), 1)
    ]
    whole = b"".join([*lines, end_line(len(_RAW), chained[-1][1])])
    nested = lines[0] + b'{"seq":1,"x":' + b"[" * 3000 + b"\n"
    return Target(read, REFUSED, (whole, whole[:-40], nested), 8 * KIB)


TARGETS: Final[Mapping[str, Target]] = {
    "up-entries": _up(Entries),
    "up-pull": _up(Pull),
    "up-status": _up(Status),
    "message-entries": _message(Entries),
    "message-receipt": _message(Receipt),
    "message-table": _message(TableChange),
    "payload": Target(decode_payload, REFUSED, (*_RAW, b"\x93\xa3hol\x07" + DEEP)),
    "rows-binding": _rows(Table.BINDING, BINDING_ROWS),
    "rows-roster": _rows(Table.ROSTER, ROSTER_ROWS),
    "rows-presence": _rows(Table.PRESENCE, PRESENCE_ROWS),
    "rows-people": _rows(Table.PEOPLE, pack_rows(Table.PEOPLE, [(b"person", SEALED)])),
    "named": Target(decode_named, REFUSED, (NAME, b"\x92" + DEEP)),
    "holder": Target(decode_holder, REFUSED, (encode_value(Holder(PERSON, COMPANY)), b"\x92" + DEEP)),
    "sealed": Target(lambda given: open_sealed(KEY, given, PLACE), REFUSED, (SEALED, SEALED[:46]), share=4),
    "rows-blocklist": _rows(Table.BLOCKLIST, BLOCK_ROWS),
    "keys": Target(
        lambda given: [unpack_keys(table, given) for table in (Table.ROSTER, Table.BLOCKLIST)],
        REFUSED,
        (pack_keys(Table.ROSTER, [b"uid:04A1B2C3"]), pack_keys(Table.BLOCKLIST, [bytes(8)]), DEEP),
    ),
    "binding": Target(decode_binding, REFUSED, (encode_value(BINDING), encode_value(STRICT_BINDING))),
    "enrolment": Target(decode_enrolment, REFUSED, (encode_value(ENROLMENT), msgspec.msgpack.encode(["p", "c"]))),
    "presence": Target(decode_presence, REFUSED, (encode_value(PRESENCE),)),
    "card": Target(
        _text(lambda text: str(CardId.parse(text))),
        REFUSED,
        (b"uid:04A1B2C3", b"id06:AB-2401-123456", b" em:0102030405"),
    ),
    "topic-up": Target(_text(parse_up), REFUSED, tuple(up(TERMINAL, what).encode() for what in Up)),
    "topic-down": Target(
        _text(lambda text: parse_down(text, TERMINAL)),
        REFUSED,
        (down(TERMINAL, Down.TABLE).encode(), b"gv1/all/blocklist"),
    ),
    "terminal": Target(_text(terminal_id), REFUSED, (TERMINAL.encode(),)),
    "envelope": Target(
        lambda given: Verifier.of(SIGNER.private.public_key()).open(TERMINAL, Down.RECEIPT, given),
        REFUSED,
        (SIGNER.seal(TERMINAL, Down.RECEIPT, encode(MESSAGES["receipt"])), b"\x94" + DEEP),
    ),
    "export": _export(),
}
