"""What a terminal holds of its tables, for tests: it opens what the cloud sends and applies it as a terminal must."""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.decision import Binding
from protocol.errors import TerminalId
from protocol.messages import Receipt, TableChange, TableVersion, decode
from protocol.signatures import LARGEST_ENVELOPE, Signer, Verifier
from protocol.tables import Table, decode_binding, unpack_keys, unpack_rows
from protocol.topics import Down, parse_down

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VERIFIER = Verifier.of(SIGNER.private.public_key())


@dataclass
class Held:
    """One table as a terminal has it."""

    scope: str
    epoch: bytes
    version: int
    rows: dict[bytes, bytes]


@dataclass
class Wire:
    """Where the cloud's messages go; `deaf` loses them. Terminals listen with `hear`."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    is_up: bool = True

    def send(self, topic: str, envelope: bytes) -> bool:
        """A `cloud.sync.publish.Send`."""
        if self.is_up:
            assert len(envelope) <= LARGEST_ENVELOPE
            self.sent.append((topic, envelope))
        return self.is_up

    def taken(self) -> list[tuple[str, bytes]]:
        """What was sent since the last time."""
        taken, self.sent = self.sent, []
        return taken


@dataclass
class Listening:
    """A terminal's side: verifies, keeps versions apart by epoch, and refuses what does not fit."""

    terminal: TerminalId
    tables: dict[str, Held] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    heard: list[TableChange] = field(default_factory=list)
    misfits: int = 0
    _chunks: list[TableChange] = field(default_factory=list)

    def hear(self, *messages: tuple[str, bytes]) -> None:
        """Take what is addressed to this terminal or to all."""
        for topic, envelope in messages:
            if not topic.startswith(("gv1/all/", f"gv1/down/{self.terminal}/")):
                continue
            audience, what = parse_down(topic, self.terminal)
            payload = VERIFIER.open(audience, what, envelope)
            if what is Down.RECEIPT:
                self.receipts.append(decode(Receipt, payload))
            else:
                self.apply(decode(TableChange, payload))

    def apply(self, change: TableChange) -> None:
        """A change or a part of a snapshot."""
        self.heard.append(change)
        held = self.tables.get(change.name)
        known = held is not None and (held.scope, held.epoch) == (change.scope, change.epoch)
        version = held.version if held is not None and known else 0
        if change.to_version <= version:
            return
        if change.from_version > version:
            self.misfits += 1
            return
        table = Table(change.name)
        if change.from_version == 0:
            self._chunks = [*self._chunks, change] if change.chunk else [change]
            if len(self._chunks) < change.chunks:
                return
            assert [part.chunk for part in self._chunks] == list(range(change.chunks))
            assert sha256(b"".join(part.rows for part in self._chunks)).digest() == change.checksum
            rows = dict(row for part in self._chunks for row in unpack_rows(table, part.rows))
        else:
            assert sha256(change.rows).digest() == change.checksum
            assert held is not None
            rows = held.rows | dict(unpack_rows(table, change.rows))
            for key in unpack_keys(table, change.drops):
                rows.pop(key, None)
        self.tables[change.name] = Held(change.scope, change.epoch, change.to_version, rows)

    def held(self) -> tuple[TableVersion, ...]:
        """What it says in pulls and in its status."""
        return tuple(TableVersion(name, held.scope, held.epoch, held.version) for name, held in self.tables.items())

    @property
    def binding(self) -> Binding | None:
        """Where it is bound, as far as it knows."""
        held = self.tables.get("binding")
        return decode_binding(held.rows[b""]) if held and held.rows else None
