"""A terminal's end of the wire for tests: certificate, will, entries, status and pull, over a real broker."""

import ssl
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from cloud.joining.authority import Identity
from protocol.clock import ClockQuality
from protocol.errors import TerminalId
from protocol.messages import VERSION, Entries, Pull, Status, TableVersion, pack_up
from protocol.topics import EVERY_ALL, Up, every_down, up
from tests.cloud.wire import Listening
from tests.support.waiting import until

LEDGER = bytes(16)


def status(nonce: bytes = b"1", **changed: Any) -> Status:
    """A status like many."""
    fields: dict[str, Any] = {
        "version": VERSION,
        "online": True,
        "nonce": nonce,
        "at": 1_762_326_000_000_000,
        "clock_quality": ClockQuality.SYNCHRONISED,
        "software": "0.1.0",
        "ledger": LEDGER,
        "last_seq": 0,
        "queue_depth": 0,
        "oldest_unsent": None,
        "readers": {"grind": True},
        "doors": {"grind": "locked"},
        "tables": (),
    }
    return Status(**(fields | changed))


class TerminalEnd:
    """Connected for as long as the `with` lasts; `listening` has what was understood."""

    def __init__(self, terminal: TerminalId, port: int, ca: Path, identity: Identity) -> None:
        self.terminal = terminal
        self.listening = Listening(terminal)
        self.messages: deque[tuple[str, bytes]] = deque()
        self._heard_by: Callable[[str, bytes], object] = self._take
        self._subscribed = threading.Event()
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(identity.certificate, identity.key)
        self.client = Client(CallbackAPIVersion.VERSION2, terminal, True, None, MQTTv311, reconnect_on_failure=False)
        self.client.tls_set_context(context)
        self.client.will_set(up(terminal, Up.STATUS), pack_up(status(online=False)), 1, True)
        self.client.on_connect = lambda client, *_: client.subscribe([(every_down(terminal), 1), (EVERY_ALL, 1)])
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._heard
        self._port = port
        pem = identity.certificate.read_text(encoding="ascii")
        self.certificate = ssl.PEM_cert_to_DER_cert(pem)

    def __enter__(self) -> Self:
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        assert self._subscribed.wait(10), "the broker does not take the subscription"
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client.on_connect = self.client.on_subscribe = self.client.on_message = None

    def subscribe(self, topic: str, heard: Callable[[str, bytes], object]) -> None:
        """Listen to one more topic, and have everything that comes given to `heard` instead."""
        self._heard_by = heard
        self._subscribed.clear()
        self.client.subscribe(topic, 1)
        assert self._subscribed.wait(10), "the broker does not answer the subscription"

    def vanish(self) -> None:
        """Be cut off without a word: the broker speaks the will."""
        self.client.loop_stop()
        sock = self.client.socket()
        assert sock is not None
        sock.close()

    def say(self, what: Up, message: Entries | Pull | Status) -> None:
        """Publish, as a terminal does."""
        self.publish(up(self.terminal, what), pack_up(message), retain=what is Up.STATUS)

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publish anything anywhere."""
        self.client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def pull(self) -> None:
        """Ask for what is lacking."""
        self.say(Up.PULL, Pull(VERSION, self.listening.held()))

    def show(self, certificate: bytes) -> None:
        """The same, with a certificate."""
        self.say(Up.PULL, Pull(VERSION, self.listening.held(), certificate))

    def held(self, *more: TableVersion) -> tuple[TableVersion, ...]:
        """For a status."""
        return (*self.listening.held(), *more)

    def receipted(self, upto: int) -> None:
        """Wait for the receipt up to this number."""
        until(lambda: any(each.upto == upto for each in self.listening.receipts), 15, f"a receipt up to {upto}")

    def _take(self, topic: str, payload: bytes) -> None:
        self.messages.append((topic, payload))
        self.listening.hear((topic, payload))

    def _heard(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        self._heard_by(message.topic, bytes(message.payload))
