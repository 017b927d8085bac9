"""Lists within lists within lists are refused by name: 2 KB of them must not end the program that reads them."""

from collections.abc import Callable

import msgspec
import pytest

from protocol.entries import decode_payload, encode_payload
from protocol.errors import MessageFromFuture, MessageMalformed, ProtocolError
from protocol.messages import RAW, Entries, Pull, Receipt, Status, TableChange, decode, encode, unpack_up
from protocol.signatures import Verifier
from protocol.tables import (
    Table,
    decode_binding,
    decode_enrolment,
    decode_presence,
    encode_value,
    unpack_keys,
    unpack_rows,
)
from protocol.topics import Down
from tests.protocol.examples import BINDING, ENROLMENT, MESSAGES, PRESENCE, SIGNER, TAP, TERMINAL

DEEP = b"\x91" * 2000 + b"\xc0"
SEALED = SIGNER.seal(TERMINAL, Down.RECEIPT, b"")


def deeper(packed: bytes) -> bytes:
    """The same array with a deep one at its end, where a newer version adds its fields and an old one passes over."""
    return msgspec.msgpack.encode([*msgspec.msgpack.decode(packed), msgspec.Raw(DEEP)])


READ: dict[str, Callable[[], object]] = {
    "payload": lambda: decode_payload(deeper(encode_payload(TAP))),
    "pull": lambda: decode(Pull, deeper(encode(MESSAGES["pull_with_certificate"]))),
    "entries": lambda: decode(Entries, deeper(encode(MESSAGES["entries"]))),
    "receipt": lambda: decode(Receipt, deeper(encode(MESSAGES["receipt"]))),
    "table": lambda: decode(TableChange, deeper(encode(MESSAGES["table_presence"]))),
    "status": lambda: unpack_up(Status, RAW + deeper(encode(MESSAGES["status_with_conditions"]))),
    "binding": lambda: decode_binding(deeper(encode_value(BINDING))),
    "enrolment": lambda: decode_enrolment(deeper(encode_value(ENROLMENT))),
    "presence": lambda: decode_presence(deeper(encode_value(PRESENCE))),
    "roster": lambda: unpack_rows(Table.ROSTER, msgspec.msgpack.encode([(b"k", deeper(encode_value(ENROLMENT)))])),
    "keys": lambda: unpack_keys(Table.ROSTER, DEEP),
    "envelope": lambda: Verifier.of(SIGNER.private.public_key()).open(TERMINAL, Down.RECEIPT, deeper(SEALED)),
}


@pytest.mark.parametrize("what", READ)
def test_what_is_nested_too_deep_is_malformed(what: str) -> None:
    with pytest.raises(MessageMalformed):
        READ[what]()


def test_a_future_entry_that_is_nested_too_deep_is_refused_by_name() -> None:
    with pytest.raises(ProtocolError) as refused:
        decode_payload(msgspec.msgpack.encode(["hologram", 7, msgspec.Raw(DEEP)]))
    assert type(refused.value) in {MessageFromFuture, MessageMalformed}
