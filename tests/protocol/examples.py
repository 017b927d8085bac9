"""One example of everything that goes over the wire or onto disk; the golden vectors hold their bytes."""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.clock import ClockQuality
from protocol.decision import (
    AntiPassback,
    Binding,
    BlockReason,
    CardAuthentication,
    ClockPolicy,
    Direction,
    Enrolment,
    Mode,
    Proof,
    Reason,
    TableName,
)
from protocol.entries import DoorChange, Fact, Outcome, Payload, Source, Tap, digest, encode_payload, genesis, link
from protocol.errors import TerminalId
from protocol.messages import Entries, Message, Pull, Receipt, Status, TableChange, TableVersion
from protocol.rights import Hours, Right
from protocol.signatures import Signer
from protocol.tables import Presence, Table, encode_value, pack_keys, pack_rows, presence_key

TERMINAL = TerminalId("kvarnen-grind-1")
LEDGER = bytes(range(16))
BOOT = bytes(range(16, 32))
SALT = bytes(range(32, 48))
EPOCH = bytes(range(48, 64))
SEVEN = 1_762_326_000_000_000  # 2025-11-05 07:00:00 UTC

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

TAP = Tap(
    version=1,
    occurred_at=SEVEN,
    clock_quality=ClockQuality.SYNCHRONISED,
    boot_id=BOOT,
    monotonic=81_000_000_000,
    registered_at=SEVEN + 240,
    card="uid:04A1B2C3D4E5F6",
    person="7d3c0a5be1f24c68",
    company="0c1d2e3f40516273",
    reader="grind",
    direction=Direction.IN,
    outcome=Outcome.GRANTED,
    reason=None,
    project="a1b2c3d4e5f60718",
    tables={"binding": 3, "blocklist": 4711, "roster": 12},
    source=Source.CARD,
    salt=SALT,
)
DENIED_TAP = Tap(
    version=1,
    occurred_at=SEVEN,
    clock_quality=ClockQuality.UNTRUSTED,
    boot_id=BOOT,
    monotonic=82_000_000_000,
    registered_at=SEVEN + 310,
    card="em:0102030405",
    person=None,
    company=None,
    reader="grind",
    direction=None,
    outcome=Outcome.DENIED,
    reason=Reason.UNBOUND,
    project=None,
    tables={},
    source=Source.CARD,
    salt=SALT,
)
REMARKED_TAP = msgspec.structs.replace(TAP, direction=Direction.OUT, reason=Reason.OUT_OF_HOURS)
DOOR = DoorChange(1, SEVEN, ClockQuality.HELD, BOOT, 83_000_000_000, SEVEN + 100, "grind", "unlocked", "tap 1", SALT)
FACT = Fact(1, SEVEN, ClockQuality.HELD, BOOT, 1, SEVEN + 90, "ledger.opened", {"software": "0.1.0"}, SALT)

PROVED_TAP = msgspec.structs.replace(
    TAP, card="piv:00112233445566778899AABBCCDDEEFF", also=(TAP.card,), proof=Proof.GENUINE
)
COPIED_TAP = msgspec.structs.replace(
    PROVED_TAP, also=(), proof=Proof.COPIED, outcome=Outcome.DENIED, reason=Reason.CARD_COPIED
)

EARLIER_TAPS = {"tap": TAP, "tap_denied": DENIED_TAP, "tap_remarked": REMARKED_TAP}
PAYLOADS: dict[str, Payload] = {
    "tap_plain": TAP,
    "tap_proved": PROVED_TAP,
    "tap_copied": COPIED_TAP,
    "door": DOOR,
    "fact": FACT,
}


def before_proofs(tap: Tap) -> bytes:
    """The bytes of a tap as they were written before entries told of proofs: `also` and `proof` are missing."""
    return msgspec.msgpack.encode(("tap", *msgspec.structs.astuple(tap)[:-2]))


RAW = (encode_payload(FACT), before_proofs(TAP))
START = genesis(TERMINAL, LEDGER)
END = link(link(START, 1, digest(RAW[0])), 2, digest(RAW[1]))

BINDING = Binding(
    project="a1b2c3d4e5f60718",
    project_name="Kvarnen etapp 2",
    place="Norra grinden",
    zone="Europe/Stockholm",
    mode=Mode.OPEN,
    ended=False,
    reset="03:00",
    doors=("grind",),
    tables=(TableName("roster", "a1b2c3d4e5f60718", EPOCH), TableName("blocklist", "global", EPOCH)),
)
PERSON, COMPANY = "7d3c0a5be1f24c68", "0c1d2e3f40516273"
STRICT_BINDING = msgspec.structs.replace(
    BINDING,
    mode=Mode.CLOSED,
    doors=("grind", "bod"),
    rights=(
        Right("arbetare", ("grind",), (Hours((0, 1, 2, 3, 4), 6 * 60, 18 * 60), Hours((0, 1, 2, 3), 22 * 60, 6 * 60))),
        Right("platsledning"),
    ),
    holidays=("2026-06-19", "2026-06-20"),
    anti_passback=AntiPassback.TIMED,
    anti_passback_minutes=30,
    occupancy_limit=200,
    doors_expire_after_offline=72 * 60,
    clock_untrusted=ClockPolicy.ALWAYS_ONLY,
)
PROVING_BINDING = msgspec.structs.replace(
    STRICT_BINDING,
    card_authentication=CardAuthentication.REQUIRE,
    site_id="2024-0815",
    developer="Kvarnen Bostad AB",
    developer_number="556677-8899",
)
ENROLMENT = Enrolment(PERSON, COMPANY, rights=("arbetare",), long_access=True)
PRESENCE = Presence(Direction.IN, SEVEN, TERMINAL)
BINDING_ROWS = pack_rows(Table.BINDING, [(b"", encode_value(PROVING_BINDING))])
ROSTER_ROWS = pack_rows(Table.ROSTER, [(TAP.card.encode(), encode_value(ENROLMENT))])
BLOCK_ROWS = pack_rows(Table.BLOCKLIST, [((-5).to_bytes(8, "big", signed=True), encode_value(BlockReason.LOST))])
PRESENCE_ROWS = pack_rows(
    Table.PRESENCE,
    [
        (presence_key(TAP.card, PERSON, COMPANY), encode_value(PRESENCE)),
        (presence_key(DENIED_TAP.card, None, None), encode_value(PRESENCE)),
    ],
)
NOTHING = {table: pack_keys(table, []) for table in Table}


def change(table: Table, scope: str, rows: bytes, versions: tuple[int, int] = (0, 3)) -> TableChange:
    """A change in one piece."""
    return TableChange(1, table, scope, EPOCH, *versions, 0, 1, digest(rows), rows, NOTHING[table])


MESSAGES: dict[str, Message] = {
    "entries": Entries(1, LEDGER, 1, START, RAW, END),
    "pull_with_certificate": Pull(1, (TableVersion("binding", TERMINAL, EPOCH, 3),), bytes(range(64))),
    "status_with_conditions": Status(
        version=1,
        online=True,
        nonce=bytes(16),
        at=SEVEN,
        clock_quality=ClockQuality.SYNCHRONISED,
        software="0.1.0",
        ledger=LEDGER,
        last_seq=2,
        queue_depth=1,
        oldest_unsent=SEVEN,
        readers={"grind": True},
        doors={"grind": "locked"},
        tables=(TableVersion("binding", TERMINAL, EPOCH, 3),),
        conditions=("clock_untrusted", "reader_fault"),
    ),
    "receipt": Receipt(1, LEDGER, 2, END),
    "table_binding_with_card_authentication": change(Table.BINDING, TERMINAL, BINDING_ROWS),
    "table_roster_with_rights": change(Table.ROSTER, BINDING.project, ROSTER_ROWS),
    "table_blocklist": change(Table.BLOCKLIST, "global", BLOCK_ROWS, (4710, 4711)),
    "table_presence": change(Table.PRESENCE, BINDING.project, PRESENCE_ROWS),
}
