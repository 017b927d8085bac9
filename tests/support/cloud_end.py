"""The cloud's end of the wire for tests of the terminal: hears everything that comes up, says what it is told to."""

import ssl
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from protocol.errors import TerminalId
from protocol.messages import Entries, Pull, Receipt, Status, TableChange, encode, unpack_up
from protocol.signatures import Signer
from protocol.topics import ALL_BLOCKLIST, AUDIENCE_ALL, EVERY_UP, Down, Up, down, parse_up
from tests.support.certificates import Issued
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

M = TypeVar("M", Entries, Pull, Status)

KINDS: Final = {Entries: Up.ENTRIES, Pull: Up.PULL, Status: Up.STATUS}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came up."""

    topic: str
    payload: bytes
    retained: bool


class CloudEnd:
    """A connection with the cloud's certificate; `signer` is what terminals have pinned."""

    def __init__(self, broker: Mosquitto, identity: Issued) -> None:
        self._broker = broker
        self._identity = identity
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.heard: list[Heard] = []
        self._listens = threading.Event()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.disconnect()

    @property
    def pinned(self) -> bytes:
        """The public key that terminals check signatures with."""
        return self.signer.private.public_key().public_bytes_raw()

    def connect(self) -> None:
        """Connect, anew after the broker was away, and wait until everything that comes up is heard."""
        self._listens.clear()
        client = Client(CallbackAPIVersion.VERSION2, "cloud", clean_session=True, reconnect_on_failure=False)
        context = ssl.create_default_context(cafile=self._identity.ca)
        context.load_cert_chain(self._identity.certificate, self._identity.key)
        client.tls_set_context(context)
        client.on_message = self._hear
        client.on_subscribe = lambda *_: self._listens.set()
        client.connect("127.0.0.1", self._broker.port, 20)
        client.loop_start()
        client.subscribe(EVERY_UP, 1)
        assert self._listens.wait(10), "the broker let nobody subscribe"
        self._client = client

    def disconnect(self) -> None:
        """Leave; what was heard stays."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def of(self, kind: type[M], terminal: TerminalId) -> list[M]:
        """What a terminal has said so far, of one kind of message."""
        said = []
        for heard in list(self.heard):
            topic = parse_up(heard.topic)
            if (topic.terminal, topic.what) == (terminal, KINDS[kind]):
                said.append(unpack_up(kind, heard.payload))
        return said

    def tell(self, terminal: TerminalId, message: Receipt | TableChange) -> None:
        """Say something to one terminal, signed."""
        what = Down.RECEIPT if isinstance(message, Receipt) else Down.TABLE
        self.publish(down(terminal, what), self.signer.seal(terminal, what, encode(message)))

    def tell_all(self, change: TableChange) -> None:
        """Say something to every terminal, signed."""
        self.publish(ALL_BLOCKLIST, self.signer.seal(AUDIENCE_ALL, Down.BLOCKLIST, encode(change)))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Say anything at all, as somebody who has taken the broker can."""
        assert self._client is not None, "not connected"
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        until(sent.is_published, 10, f"a publish on {topic}")

    def _hear(self, _client: Client, _own: object, message: MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))
