"""The bytes on wire and disk never change by accident: every example is compared with its golden vector."""

import json
from pathlib import Path

import msgspec
import pytest

import protocol
from protocol.cards import CardId
from protocol.decision import Enrolment
from protocol.entries import decode_payload, encode_payload
from protocol.messages import Pull, Status, TableChange, decode, encode
from protocol.signatures import Verifier
from protocol.tables import Table, block_key, decode_binding, decode_enrolment, unpack_rows
from protocol.topics import ALL_BLOCKLIST, Down, Up, down, shard, up
from tests.protocol import examples

VECTORS = json.loads((Path(protocol.__file__).parent / "vectors" / "v1.json").read_text())

EARLIER = {"pull", "status", "table_binding", "table_binding_with_rights", "table_roster"}


@pytest.mark.parametrize("name", examples.PAYLOADS)
def test_an_entry_has_its_golden_bytes(name: str) -> None:
    """What is in ledgers today must be readable for as long as the law keeps it."""
    payload = examples.PAYLOADS[name]
    assert encode_payload(payload).hex() == VECTORS["payloads"][name]
    assert decode_payload(bytes.fromhex(VECTORS["payloads"][name])) == payload


@pytest.mark.parametrize("name", examples.EARLIER_TAPS)
def test_an_entry_from_before_proofs_still_means_the_same(name: str) -> None:
    """Nobody proved anything then, and no card had a second identity; its stored bytes stay as they are."""
    raw = bytes.fromhex(VECTORS["payloads"][name])
    assert raw == examples.before_proofs(examples.EARLIER_TAPS[name])
    assert decode_payload(raw) == examples.EARLIER_TAPS[name]


@pytest.mark.parametrize("name", examples.MESSAGES)
def test_a_message_has_its_golden_bytes(name: str) -> None:
    """A terminal of today must be understood by the cloud of tomorrow, and the reverse."""
    message = examples.MESSAGES[name]
    assert encode(message).hex() == VECTORS["messages"][name]
    assert decode(type(message), bytes.fromhex(VECTORS["messages"][name])) == message


def test_what_was_sent_before_rights_conditions_and_certificates_still_means_the_same() -> None:
    """Fields were added at the end since: of a cloud or a terminal that has none of them, they are the defaults."""
    sent = {name: bytes.fromhex(VECTORS["messages"][name]) for name in EARLIER}
    telling = examples.MESSAGES["pull_with_certificate"]
    assert decode(Pull, sent["pull"]) == msgspec.structs.replace(telling, certificate=b"")
    now = examples.MESSAGES["status_with_conditions"]
    assert decode(Status, sent["status"]) == msgspec.structs.replace(now, conditions=())
    ((_, binding),) = unpack_rows(Table.BINDING, decode(TableChange, sent["table_binding"]).rows)
    assert decode_binding(binding) == examples.BINDING
    ((_, strict),) = unpack_rows(Table.BINDING, decode(TableChange, sent["table_binding_with_rights"]).rows)
    assert decode_binding(strict) == examples.STRICT_BINDING
    ((_, enrolment),) = unpack_rows(Table.ROSTER, decode(TableChange, sent["table_roster"]).rows)
    assert decode_enrolment(enrolment) == Enrolment(examples.PERSON, examples.COMPANY, rights=None, long_access=False)


def test_every_vector_is_compared() -> None:
    """None is left over from an example that is gone."""
    assert VECTORS["payloads"].keys() == examples.PAYLOADS.keys() | examples.EARLIER_TAPS.keys()
    assert VECTORS["messages"].keys() == examples.MESSAGES.keys() | EARLIER


def test_the_chain_has_its_golden_hashes() -> None:
    """Anybody can recompute a ledger's chain from the written rule."""
    assert examples.START.hex() == VECTORS["chain"]["genesis"]
    assert examples.END.hex() == VECTORS["chain"]["after_2"]


def test_an_envelope_has_its_golden_bytes() -> None:
    """Ed25519 is deterministic, so a signed receipt has one right form."""
    payload = encode(examples.MESSAGES["receipt"])
    sealed = examples.SIGNER.seal(examples.TERMINAL, Down.RECEIPT, payload)
    assert sealed.hex() == VECTORS["envelope"]["receipt"]
    verifier = Verifier.of(examples.SIGNER.private.public_key())
    assert verifier.open(examples.TERMINAL, Down.RECEIPT, sealed) == payload


def test_topics_and_keys_have_their_golden_values() -> None:
    """Shards, topics and blocklist keys are computed alike on both sides."""
    assert VECTORS["topics"] == {
        "shard": shard(examples.TERMINAL),
        "entries": up(examples.TERMINAL, Up.ENTRIES),
        "table": down(examples.TERMINAL, Down.TABLE),
        "blocklist": ALL_BLOCKLIST,
    }
    assert VECTORS["block_key"] == block_key(examples.EPOCH, CardId.parse("uid:04A1B2C3D4E5F6"))
