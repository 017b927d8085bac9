"""Somebody at the broker with a certificate that is not his to use, and messages of his own making."""

import queue
import secrets
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.certificates import Issued

PATIENCE: Final = 10.0
GRANTED: Final = "Success"
REFUSED: Final = "Not authorized"


class Intruder:
    """Connected inside `with`; MQTT 5, since only it tells whether the broker refused a message."""

    def __init__(self, port: int, issued: Issued) -> None:
        self._port = port
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client = Client(
            CallbackAPIVersion.VERSION2, f"intruder-{secrets.token_hex(4)}", protocol=MQTTv5, reconnect_on_failure=False
        )
        self._client.tls_set(str(issued.ca), str(issued.certificate), str(issued.key))
        self._client.on_connect = lambda _c, _u, _f, code, _p: self._answers.put(str(code))
        self._client.on_subscribe = lambda _c, _u, _mid, codes, _p: self._answers.put(str(codes[0]))
        self._client.on_publish = self._published
        self._client.on_message = self._arrived

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._answer() == GRANTED
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: bytes) -> str:
        """Publish something; what the broker answers."""
        self._client.publish(topic, payload, qos=1)
        return self._answer()

    def listen(self, topic: str) -> str:
        """Subscribe; what the broker answers, which says nothing about what it will deliver."""
        self._client.subscribe(topic, qos=1)
        return self._answer()

    def heard(self) -> list[tuple[str, bytes]]:
        """Everything that was delivered since it was last asked, with its topics."""
        taken = []
        while not self._heard.empty():
            taken.append(self._heard.get())
        return taken

    def wait_for(self, topic: str) -> bytes:
        """The next message on a topic; others before it are passed over."""
        while True:
            on, payload = self._heard.get(timeout=PATIENCE)
            if on == topic:
                return payload

    def _answer(self) -> str:
        return self._answers.get(timeout=PATIENCE)

    def _published(self, _client: Client, _user: Any, _mid: int, code: ReasonCode, _properties: Any) -> None:
        self._answers.put(str(code))

    def _arrived(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        self._heard.put((message.topic, bytes(message.payload)))
