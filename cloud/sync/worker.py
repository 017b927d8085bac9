"""Ties broker, ingest and publishing together: one thread takes in, one task publishes what changed."""

import asyncio
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from cloud.clock import Clock, microseconds
from cloud.database import Database
from cloud.errors import WorkerDied
from cloud.events import Event
from cloud.sync.batches import Batch
from cloud.sync.certificates import Certificates
from cloud.sync.client import Address, Arrival, BrokerClient
from cloud.sync.ingest import Ingest
from cloud.sync.presence import expire, projects
from cloud.sync.publish import Publisher
from cloud.sync.statuses import check, store
from cloud.wakeups import Topic, Wakeups
from protocol.errors import ProtocolError, TerminalId
from protocol.messages import Pull, Status, unpack_up
from protocol.signatures import Signer
from protocol.topics import Up, UpTopic, parse_up

MOST_MESSAGES: Final = 64
MOST_BYTES: Final = 2 * 1024 * 1024
LONGEST_PAUSE: Final = 10.0
LOOK_AGAIN: Final = 5.0
"""Seconds after which the tables are looked at without a wake-up: one may have been missed."""
GREET_EVERY: Final = 300.0
"""Seconds after which a status is answered with a receipt, were it only to be heard."""
EXPIRE_EVERY: Final = 600.0
"""Seconds between two looks for rows of presence that are too old to count; terminals count none of them anyway."""

R = TypeVar("R")

log = structlog.get_logger(__name__)


class Worker:
    """The sync service of one process. `run` is its task."""

    def __init__(self, database: Database, wakeups: Wakeups, signer: Signer, address: Address, clock: Clock) -> None:
        self._database = database
        self._wakeups = wakeups
        self._clock = clock
        self.client = BrokerClient(address, f"cloud-{secrets.token_hex(4)}")
        self._ingest = Ingest(database, clock)
        self._publisher = Publisher(database, signer, self.client.send, clock)
        self._certificates = Certificates(database, address.ca)
        self._publishing = threading.Lock()
        self._greeted: dict[TerminalId, float] = {}
        self._expired = self._clock.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._take_in, name="ingest", daemon=True)
        self._again: Callable[[], object] = lambda: None

    async def run(self) -> None:
        """Until cancelled: then what was taken is written, and the connection closed."""
        with self._wakeups.listen(Topic.TABLES) as listener:
            self._again = listener.wake
            self.client.start()
            self._thread.start()
            try:
                while True:
                    await asyncio.to_thread(self._publish)
                    await listener.wait(LOOK_AGAIN)
                    if not (self._thread.is_alive() and self.client.is_alive):
                        raise WorkerDied
            finally:
                self._again = lambda: None
                self._stopping.set()
                self.client.stop()
                self._thread.join()

    def _publish(self) -> None:
        with self._publishing:
            self._patiently(self._publisher.changed)
        if self._clock.monotonic() - self._expired >= EXPIRE_EVERY:
            self._expired = self._clock.monotonic()
            self._patiently(self._expire)

    def _expire(self) -> None:
        with self._database.reading() as session:
            found = projects(session)
        for project in found:
            with self._database.transaction() as session:
                expire(session, project, microseconds(self._clock.now()))

    def _take_in(self) -> None:
        """The ingest thread: takes what is there, writes it down, answers; one after another, for ever."""
        while not self._stopping.is_set():
            arrivals = self._collect()
            if arrivals:
                self._serve(arrivals)

    def _collect(self) -> list[Arrival]:
        """Wait for a message, and take along what came meanwhile, within bounds."""
        try:
            first = self.client.arrivals.get(timeout=0.25)
        except queue.Empty:
            return []
        gathered: list[Arrival] = []
        size = 0
        while True:
            if first is None:
                self._publisher.begin_again()
                self._greeted.clear()
                self._again()  # the connection is new: what could not be published before may go now
            else:
                gathered.append(first)
                size += len(first.payload)
            if len(gathered) >= MOST_MESSAGES or size >= MOST_BYTES:
                return gathered
            try:
                first = self.client.arrivals.get_nowait()
            except queue.Empty:
                return gathered

    def _serve(self, arrivals: Sequence[Arrival]) -> None:
        batches: list[Batch] = []
        others: list[tuple[TerminalId, Pull | Status]] = []
        for arrival in arrivals:
            opened = _open(arrival)
            if isinstance(opened, Batch):
                batches.append(opened)
            elif opened is not None:
                others.append(opened)
        if batches:
            for answer in self._patiently(self._ingest.take, batches) or ():
                if answer.receipt is not None:
                    self._publisher.receipt(answer.terminal, answer.receipt)
        for terminal, message in others:
            self._patiently(self._heed, terminal, message)

    def _heed(self, terminal: TerminalId, message: Pull | Status) -> None:
        """Keep a status; send whoever speaks the tables it lacks."""
        if isinstance(message, Status):
            with self._database.transaction() as session:
                known = store(session, terminal, message, self._clock.now())
            if not known:
                log.warning(
                    Event.MESSAGE_REFUSED,
                    terminal=terminal,
                    what=Up.STATUS,
                    why="no such terminal; take it into the inventory",
                )
                return
            if not message.online:
                return
            self._ask_for_rest(terminal, message)
        elif message.certificate:
            self._certificates.take(terminal, message.certificate)
        with self._publishing:
            self._publisher.catch_up(terminal, message.tables, asked=isinstance(message, Pull))

    def _ask_for_rest(self, terminal: TerminalId, status: Status) -> None:
        """A terminal with more than is held here sends it when asked: else it would wait for its own time to come.

        Its first status on a connection may be an old one that the broker kept, so that one is always answered; later
        ones now and then, so that a terminal where nobody taps knows that the cloud is there.
        """
        held, now = self._ingest.held(terminal, status.ledger), self._clock.monotonic()
        if held.upto < status.last_seq or now - self._greeted.get(terminal, -GREET_EVERY) >= GREET_EVERY:
            self._publisher.receipt(terminal, held)
            self._greeted[terminal] = now

    def _patiently(self, act: Callable[..., R], *arguments: Any) -> R | None:
        """Do something with the database, again until it is there; None once the program is to stop."""
        tries = Retrying(
            retry=retry_if_exception_type((OperationalError, InterfaceError, PoolTimeout)),
            wait=wait_random_exponential(0.1, max=LONGEST_PAUSE),
            sleep=sleep_using_event(self._stopping),
            stop=stop_when_event_set(self._stopping),
            before_sleep=_say_lost,
        )
        try:
            return tries(act, *arguments)
        except RetryError:
            return None


def _open(arrival: Arrival) -> Batch | tuple[TerminalId, Pull | Status] | None:
    """What a message says, or None: then it is refused by name, and nothing changes."""
    topic: UpTopic | None = None
    try:
        topic = parse_up(arrival.topic)
        match topic.what:
            case Up.ENTRIES:
                return Batch.open(topic.terminal, arrival.payload)
            case Up.PULL:
                return topic.terminal, unpack_up(Pull, arrival.payload)
            case Up.STATUS:
                status = unpack_up(Status, arrival.payload)
                check(status)
                return topic.terminal, status
    except ProtocolError as exc:
        event = Event.BATCH_REFUSED if topic is not None and topic.what is Up.ENTRIES else Event.MESSAGE_REFUSED
        log.warning(
            event,
            terminal=topic.terminal if topic else None,
            topic=arrival.topic[:200],
            size=len(arrival.payload),
            kind=type(exc).__name__,
            why=str(exc),
        )
        return None


def _say_lost(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    first = str(reason).strip().partition("\n")[0]
    log.error(Event.DATABASE_LOST, why=first, attempt=state.attempt_number, then="trying again")
