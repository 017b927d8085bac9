"""The cloud's connection to the broker: the only module of the cloud with paho.

It runs in its own thread, tries for ever with growing, random pauses, and subscribes anew on every connection. What
arrives goes into a bounded queue: when nobody takes it out, paho stops reading and the broker has to wait.
"""

import queue
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from cloud.errors import BrokerUnreachable
from cloud.events import Event
from protocol.topics import EVERY_UP

KEEPALIVE: Final = 60
LONGEST_PAUSE: Final = 10.0
QUEUED_IN: Final = 128
QUEUED_OUT: Final = 20_000
INFLIGHT: Final = 100
ANSWER_WITHIN: Final = 10.0
LOOK_AGAIN: Final = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and the files that prove who is who."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came."""

    topic: str
    payload: bytes


class BrokerClient:
    """`arrivals` is where messages come out; `send` may be called from any thread."""

    def __init__(self, address: Address, client_id: str) -> None:
        self.address = address
        self.arrivals: queue.Queue[Arrival | None] = queue.Queue(QUEUED_IN)
        """What came; None says that the connection is new: what was sent before may not have arrived."""
        self._client_id = client_id
        self._stopping = threading.Event()
        self._client: Client | None = None
        self._thread = threading.Thread(target=self._run, name="broker-client", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Says whether messages are going through just now."""
        client = self._client
        return client is not None and client.is_connected()

    @property
    def is_alive(self) -> bool:
        """Says whether the thread runs, connected or trying."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._stopping.set()
        while self._thread.is_alive():  # a connection may be in the making just now
            client = self._client
            if client is not None:
                client.disconnect()
            self._thread.join(LOOK_AGAIN)

    def send(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the broker, at least once; False where there is no connection or no room."""
        client = self._client
        if client is None or not client.is_connected():
            return False
        return client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _run(self) -> None:
        tries = Retrying(
            retry=retry_if_exception_type(BrokerUnreachable),
            wait=wait_random_exponential(0.2, max=LONGEST_PAUSE),
            sleep=sleep_using_event(self._stopping),
            stop=stop_when_event_set(self._stopping),
            before_sleep=_say_unreachable,
        )
        while not self._stopping.is_set():
            try:
                reason = tries(self._serve)
            except RetryError:
                return
            if not self._stopping.is_set():
                log.warning(Event.LINK_LOST, broker=str(self.address), why=reason, then="connecting again")

    def _serve(self) -> str:
        """Serve one connection to its end; why it ended. Raises BrokerUnreachable where it never began."""
        connection = _Connection(self)
        self._client = connection.client
        try:
            connection.open()
            return connection.serve()
        finally:
            self._client = None
            connection.let_go()

    def _put(self, arrival: Arrival | None) -> None:
        """Wait for room; paho does not read on meanwhile."""
        while not self._stopping.is_set():
            try:
                self.arrivals.put(arrival, timeout=LOOK_AGAIN)
            except queue.Full:
                continue
            return


class _Connection:
    """One connection and what paho says about it; a new one is made for each try."""

    def __init__(self, owner: BrokerClient) -> None:
        self._owner = owner
        self._began = False
        self._ended = "the broker closed it"
        self._is_over = threading.Event()
        self.client = Client(
            CallbackAPIVersion.VERSION2, owner._client_id, True, None, MQTTv311, reconnect_on_failure=False
        )
        self.client.max_inflight_messages_set(INFLIGHT)
        self.client.max_queued_messages_set(QUEUED_OUT)
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._arrived
        self.client.on_disconnect = self._disconnected
        self.client.on_socket_open = _send_at_once

    def open(self) -> None:
        """Reach the broker and let it prove itself. Raises BrokerUnreachable."""
        address = self._owner.address
        try:
            context = ssl.create_default_context(cafile=address.ca)
            context.load_cert_chain(address.certificate, address.key)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.client.tls_set_context(context)
            self.client.connect_timeout = ANSWER_WITHIN
            self.client.connect(address.host, address.port, KEEPALIVE)
        except (OSError, ValueError) as exc:
            reason = str(exc) or type(exc).__name__
            # without its frames, which would keep paho's half-open socket until the next try
            raise BrokerUnreachable(str(address), reason) from exc.with_traceback(None)

    def serve(self) -> str:
        """Until it is lost. Raises BrokerUnreachable where the broker refused us or the subscription."""
        self.client.loop_start()  # paho's own thread does all reading and writing: TLS bears no second one beside it
        self._is_over.wait()
        self.client.loop_stop()
        if not self._began:
            raise BrokerUnreachable(str(self._owner.address), self._ended)
        return self._ended

    def let_go(self) -> None:
        """Part from paho's client, which closes its sockets when nobody holds it: now, not when the collector comes."""
        client = self.client
        client.on_connect = client.on_subscribe = client.on_message = client.on_disconnect = None

    def _connected(
        self, client: Client, _user: Any, _flags: ConnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if code.is_failure:
            self._ended = f"it answered: {code}"
            client.disconnect()
            return
        client.subscribe(EVERY_UP, qos=1)

    def _subscribed(
        self, client: Client, _user: Any, _mid: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._ended = "it does not let the cloud read what terminals send; look at its ACL"
            client.disconnect()
            return
        self._began = True
        log.info(Event.LINK_CONNECTED, broker=str(self._owner.address))
        self._owner._put(None)

    def _arrived(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        self._owner._put(Arrival(message.topic, bytes(message.payload)))

    def _disconnected(
        self, _client: Client, _user: Any, _flags: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if code.is_failure and not self._ended.startswith("it "):
            self._ended = str(code)
        self._is_over.set()


def _send_at_once(_client: Client, _user: Any, opened: Any) -> None:
    """Without this a receipt waits for the acknowledgement of the one before."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _say_unreachable(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.warning(Event.LINK_DELAYED, why=str(reason), attempt=state.attempt_number)
