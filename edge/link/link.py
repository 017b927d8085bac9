"""The link to the cloud: mutual TLS, MQTT 3.1.1, all said anew on each connection, since the broker keeps nothing."""

import asyncio
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from structlog.typing import FilteringBoundLogger
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from edge.clock.clock import Clock
from edge.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, LinkFault
from edge.events import Event
from edge.link.certificate import Certificate
from edge.link.conversation import Condition, Conversation
from edge.link.downlink import pinned_keys
from edge.link.outbox import Outbox
from edge.link.tls import tls_context
from edge.settings import LinkSettings
from edge.tables.tables import Tables
from protocol.errors import TerminalId
from protocol.messages import Entries, Pull, Status, pack_up
from protocol.topics import EVERY_ALL, Up, every_down, up

__all__ = ["Condition", "Link"]

KEEPALIVE: Final = 20
CONNECT_WITHIN: Final = 5.0
ANSWER_WITHIN: Final = 10.0
LEAVE_WITHIN: Final = 2.0
UNSENT_FOR: Final = 30_000  # ms that TCP may wait for an acknowledgement (TCP_USER_TIMEOUT, tcp(7))

T = TypeVar("T")

_log: FilteringBoundLogger = structlog.get_logger()


class Link:
    """Keeps one connection for ever, and through it sends what the outbox gives and obeys what the cloud has signed."""

    def __init__(
        self,
        settings: LinkSettings,
        terminal: TerminalId,
        clock: Clock,
        outbox: Outbox,
        tables: Tables,
        condition: Callable[[], Condition],
    ) -> None:
        self._settings = settings
        self._terminal = terminal
        self._clock = clock
        self._conversation = Conversation(terminal, clock, outbox, tables, condition)
        self._stands = False

    def is_online(self) -> bool:
        """Whether the broker has let this terminal in."""
        return self._stands

    def wake(self) -> None:
        """Say that an entry was recorded: it is sent at once."""
        self._conversation.entries_wait.set()

    def changed(self) -> None:
        """Say that a reader, a door or a table changed: a status is sent at once."""
        self._conversation.status_changed.set()

    async def run(self) -> None:
        """Connect, and connect again, for ever; pauses grow at random up to the settings' `retry_max_seconds`."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(LinkFault),
            wait=wait_random_exponential(multiplier=1, max=self._settings.retry_max_seconds),
            before_sleep=_tell_pause,
        )
        async for attempt in attempts:
            with attempt:
                await self._hold_one(attempt.retry_state)

    async def _hold_one(self, retrying: RetryCallState) -> None:
        """One connection, from the first packet to its loss. Raises LinkFault, always."""
        conversation, verifier = self._conversation, pinned_keys(self._settings)
        conversation.nonce = secrets.token_bytes(8)
        conversation.certificate = await asyncio.to_thread(Certificate.read, self._settings.certificate)
        context = tls_context(self._settings, self._clock)
        connection = Connection(self._settings, self._terminal, context, conversation.status(online=False))
        try:
            await connection.open(lambda topic, sealed: conversation.arrived(topic, sealed, connection, verifier))
            retrying.attempt_number = 1  # it stood: should it fall, the first pause is a short one again
            self._stands = True
            _log.info(Event.LINK_CONNECTED, host=self._settings.host, port=self._settings.port)
            await conversation.hold(connection)
        finally:
            self._stands = False
            await connection.close(conversation.status(online=False))
            conversation.save_receipt()
        _log.warning(Event.LINK_LOST, why=connection.lost.result())
        raise ConnectionLost(connection.lost.result())


class Connection:
    """One connection to the broker: paho's thread on the far side, our loop on the near one."""

    def __init__(self, settings: LinkSettings, terminal: TerminalId, context: ssl.SSLContext, will: Status) -> None:
        self._settings = settings
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[str | None] = self._loop.create_future()
        self._subscribed: asyncio.Future[str | None] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        client = Client(CallbackAPIVersion.VERSION2, terminal, True, protocol=MQTTv311, reconnect_on_failure=False)
        client.connect_timeout = CONNECT_WITHIN
        client.tls_set_context(context)
        client.will_set(up(terminal, Up.STATUS), pack_up(will), qos=1, retain=True)
        self._client = client

    async def open(self, arrived: Callable[[bytes, bytes], None]) -> None:
        """Connect, be let in, subscribe, and see that the broker granted it. Raises LinkFault."""
        client, host, port = self._client, self._settings.host, self._settings.port
        self._listen(arrived)
        try:
            await _in_thread(lambda: client.connect(host, port, KEEPALIVE))
        except (OSError, ValueError) as exc:
            raise BrokerUnreachable(host, port, str(exc)) from exc
        client.loop_start()
        await self._answered(self._accepted, "the connection")
        client.subscribe([(every_down(self._terminal), 1), (EVERY_ALL, 1)])
        await self._answered(self._subscribed, "the subscription")

    def _listen(self, arrived: Callable[[bytes, bytes], None]) -> None:
        """What paho's thread has to say crosses into our loop here, a line each."""
        client, soon = self._client, self._soon
        client.on_socket_open = lambda _client, _own, opened: _tune(opened)
        client.on_connect = lambda _client, _own, _flags, code, _more: soon(_settle, self._accepted, _failure([code]))
        client.on_subscribe = lambda _client, _own, _number, codes, _more: soon(
            _settle, self._subscribed, _failure(codes)
        )
        client.on_disconnect = lambda _client, _own, _flags, code, _more: soon(self._end, str(code))
        client.on_message = lambda _client, _own, message: soon(arrived, bytes(message._topic), bytes(message.payload))

    def publish(self, what: Up, message: Entries | Pull | Status) -> None:
        """Hand a message to the broker; whether it came anywhere, only the cloud's answer tells."""
        self._client.publish(up(self._terminal, what), pack_up(message), qos=1, retain=what is Up.STATUS)

    def lose(self, why: str) -> None:
        """Give the connection up."""
        _settle(self.lost, why)

    async def close(self, farewell: Status) -> None:
        """Leave, saying so where the connection still stands, and see that paho's thread ends."""
        if self._client.socket() is not None:
            await self._leave(farewell)
        client = self._client  # in a circle with what it calls, it would keep its files until rubbish is collected
        client.on_socket_open = client.on_connect = client.on_subscribe = None
        client.on_disconnect = client.on_message = None

    async def _leave(self, farewell: Status) -> None:
        if not self.lost.done():
            self.publish(Up.STATUS, farewell)
        self._client.disconnect()
        await asyncio.wait({self._ended}, timeout=LEAVE_WITHIN)
        still_open = self._client.socket()
        if isinstance(still_open, socket.socket):
            with suppress(OSError):  # it went by itself
                still_open.shutdown(socket.SHUT_RDWR)

    async def _answered(self, answer: asyncio.Future[str | None], what: str) -> None:
        either: set[asyncio.Future[Any]] = {answer, self.lost}
        await asyncio.wait(either, timeout=ANSWER_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ConnectionLost(self.lost.result() if self.lost.done() else f"{what} was not answered")
        refusal = answer.result()
        if refusal is not None:
            raise BrokerRefused(f"{what}: {refusal}")

    def _end(self, why: str) -> None:
        _settle(self.lost, why)
        _settle(self._ended, why)

    def _soon(self, callback: Callable[..., None], *values: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the program has ended, and nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *values)


def _tune(opened: object) -> None:
    """A tap is one small packet: it goes at once; and a cable that was cut is noticed."""
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_FOR)


def _failure(codes: Iterable[ReasonCode]) -> str | None:
    return next((str(code) for code in codes if code.is_failure), None)


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


async def _in_thread(act: Callable[[], object]) -> None:
    """Wait for a blocking call in a thread that the program's end does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[BaseException | None] = loop.create_future()

    def act_and_tell() -> None:
        failure: BaseException | None = None
        try:
            act()
        except (OSError, ValueError) as exc:
            failure = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, done, failure)

    threading.Thread(target=act_and_tell, name="connect", daemon=True).start()
    failure = await done
    if failure is not None:
        raise failure


def _tell_pause(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    _log.info(
        Event.LINK_DELAYED,
        why=str(fault),
        attempt=state.attempt_number,
        again_in_seconds=round(state.upcoming_sleep, 1),
    )
