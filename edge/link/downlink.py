"""Opens what comes down: nothing that the cloud did not sign for this terminal and this topic gets any further."""

import base64
import binascii
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import LinkUnprepared
from edge.settings import LinkSettings
from protocol.errors import MessageMalformed, TerminalId
from protocol.messages import Receipt, TableChange, decode
from protocol.signatures import Verifier
from protocol.tables import Table
from protocol.topics import Down, parse_down


def open_down(topic: bytes, sealed: bytes, terminal: TerminalId, verifier: Verifier) -> Receipt | TableChange:
    """The message in an envelope from the broker. Raises a ProtocolError that says why it is not obeyed."""
    audience, what = parse_down(topic.decode(errors="replace"), terminal)
    payload = verifier.open(audience, what, sealed)
    if what is Down.RECEIPT:
        return decode(Receipt, payload)
    change = decode(TableChange, payload)
    if what is Down.BLOCKLIST and change.name != Table.BLOCKLIST:
        raise MessageMalformed("a change for everybody", "it is not of the blocklist")
    return change


def pinned_keys(settings: LinkSettings) -> Verifier:
    """The cloud's public keys, from the settings and the files they name. Raises LinkUnprepared."""
    raw = [*settings.signing_keys, *map(_key_in, settings.signing_key_files)]
    if not raw:
        raise LinkUnprepared("no signing key of the cloud is pinned")
    try:
        return Verifier.of(*map(Ed25519PublicKey.from_public_bytes, raw))
    except ValueError as exc:
        raise LinkUnprepared(f"a signing key is not usable: {exc}") from exc


def _key_in(path: Path) -> bytes:
    try:
        return base64.b64decode(path.read_text(encoding="ascii").strip(), validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as exc:
        raise LinkUnprepared(f"signing key {path}: {exc}") from exc
