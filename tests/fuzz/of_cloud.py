"""The parsers of `cloud`: what terminals publish, files that somebody brings, and forms of the portal."""

import ssl
import tempfile
import zlib
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from cloud.errors import CertificateRefused, LedgerFileUnusable
from cloud.joining.certificates import check_certificate
from cloud.portal.forms import posted
from cloud.sync.batches import Batch
from cloud.sync.decoding import columns_of
from cloud.sync.gaps import Declared
from cloud.sync.ledger_files import opened
from cloud.sync.statuses import check
from protocol.entries import encode_payload
from protocol.errors import ProtocolError
from protocol.messages import ZLIB, Status, encode, unpack_up
from tests.fuzz.of_protocol import BOMB, DEEP, UNPACKED
from tests.fuzz.of_protocol import TARGETS as PROTOCOL
from tests.fuzz.target import KIB, Target
from tests.protocol.examples import MESSAGES, PAYLOADS, TERMINAL
from tests.support.certificates import CertificateAuthority

T = TypeVar("T")

_made: Final = tempfile.TemporaryDirectory()
FILE: Final = Path(_made.name) / "brought"


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    coroutine.close()
    raise RuntimeError("it waits for something")


def _form(given: bytes) -> None:
    """The first byte says how the browser packed it."""
    kind = (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=X")[given[0] % 2 if given else 0]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": given[1:], "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind)]}
    form = _at_once(posted(Request(scope, receive)))
    assert all(len(text) <= 1000 for text in form.texts("name"))


def _shown(given: bytes) -> None:
    """A terminal's certificate, beside the one that is known."""
    check_certificate(given, TERMINAL, OWN, AUTHORITY.certificate)


def _status(given: bytes) -> None:
    check(unpack_up(Status, given))


def _declared(given: bytes) -> None:
    details = msgspec.json.decode(given, type=dict[str, str])
    declared = Declared.parse(details)
    assert declared is None or all(each.first <= each.last for each in declared.ranges)


def _brought(given: bytes) -> None:
    FILE.write_bytes(given)
    with opened(FILE) as ledger:
        for _ in ledger:
            pass


AUTHORITY: Final = CertificateAuthority(Path(_made.name) / "ca")
OWN: Final = ssl.PEM_cert_to_DER_cert(AUTHORITY.issue(TERMINAL).certificate.read_text(encoding="ascii"))
RECEIVED: Final = 1_781_000_000_000_000  # microseconds UTC, in 2026
STATUS: Final = encode(next(each for each in MESSAGES.values() if isinstance(each, Status)))
ENTRIES: Final = encode(MESSAGES["entries"])

TARGETS: Final[Mapping[str, Target]] = {
    "columns": Target(
        lambda given: columns_of(given, RECEIVED),
        (),
        (*map(encode_payload, PAYLOADS.values()), b"\x93\xa3hol\x07" + DEEP),
    ),
    "batch": Target(
        lambda given: Batch.open(TERMINAL, given),
        (ProtocolError,),
        (b"\x00" + ENTRIES, ZLIB + zlib.compress(ENTRIES), BOMB),
        slack=UNPACKED,
        share=8,
    ),
    "status": Target(
        _status, (ProtocolError,), (b"\x00" + STATUS, ZLIB + zlib.compress(STATUS), BOMB), slack=UNPACKED, share=8
    ),
    "certificate": Target(_shown, (CertificateRefused,), (OWN, OWN[:-70], b"\x30\x82\xff\xff" * 9), share=8),
    "declared": Target(
        _declared,
        (msgspec.MsgspecError, UnicodeDecodeError, RecursionError),
        (b'{"ledger":"' + b"ab" * 16 + b'","numbers":"501-520 533"}',),
    ),
    "brought": Target(_brought, (LedgerFileUnusable,), PROTOCOL["export"].seeds, 8 * KIB, share=4),
    "form": Target(
        _form,
        (HTTPException, MultiPartException),
        (
            b"\x00name=Anna&name=%00&x=%F6",
            b'\x01--X\r\nContent-Disposition: form-data; name="name"\r\n\r\nAnna\r\n--X--\r\n',
        ),
        slack=2 * KIB * KIB,
    ),
}
