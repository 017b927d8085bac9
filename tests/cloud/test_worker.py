"""Sync over a real broker: entries in, receipts and tables out, and nothing that is said can stop it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from cloud.attendance.models import Entry
from cloud.blocklist.service import block
from cloud.database import Database
from cloud.joining.authority import Authority
from cloud.people.service import enrol
from cloud.sync.broker import EmbeddedBroker
from cloud.sync.client import Address
from cloud.sync.statuses import is_online
from cloud.sync.worker import GREET_EVERY, Worker
from cloud.units.models import UnitStatus
from cloud.units.service import Placement, bind, unbind
from cloud.wakeups import Wakeups
from protocol.cards import CardId
from protocol.decision import BlockReason
from protocol.entries import encode_payload
from protocol.errors import TerminalId
from protocol.messages import VERSION, ZLIB, Pull, pack_up
from protocol.topics import Up, up
from tests.cloud.chains import Chain, tap
from tests.cloud.site import STAFF, Site, make_card, make_site
from tests.cloud.terminal_end import LEDGER, TerminalEnd, status
from tests.cloud.test_broker import embedded
from tests.cloud.wire import SIGNER
from tests.support.moved_clock import START, MovedClock
from tests.support.waiting import until, until_async

# a handshake that fails leaves paho's socket to the collector, and a server that cuts off psycopg's cursor; both say so
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*ServerCursor:pytest.PytestUnraisableExceptionWarning"),
]

ONE, TWO, STRANGER = TerminalId("kvarnen-1"), TerminalId("kvarnen-2"), TerminalId("stranger")


@dataclass
class Running:
    """A cloud without its web, on a broker of its own."""

    database: Database
    site: Site
    broker: EmbeddedBroker
    authority: Authority
    worker: Worker
    folder: Path

    def end(self, terminal: TerminalId) -> TerminalEnd:
        now = datetime.now(UTC)
        identity = self.authority.terminal(terminal, self.folder / terminal, now)
        return TerminalEnd(terminal, self.broker.listener.port, self.authority.ca, identity)

    def bind(self, terminal: TerminalId, place: str = "Grinden") -> None:
        with self.database.transaction() as session:
            bind(session, STAFF, START, terminal, Placement(self.site.project, place, ()))

    def status(self, terminal: TerminalId) -> UnitStatus | None:
        with self.database.reading() as session:
            return session.get(UnitStatus, terminal)


@contextlib.asynccontextmanager
async def running(database: Database, clock: MovedClock, folder: Path) -> AsyncIterator[Running]:
    with database.transaction() as session:
        site = make_site(session, ONE, TWO)
    now = datetime.now(UTC)
    authority = Authority.open(folder / "authority", now)
    broker = embedded(folder, authority)
    ours = authority.cloud(now)
    address = Address("127.0.0.1", broker.listener.port, authority.ca, ours.certificate, ours.key)
    wakeups = Wakeups(database)
    worker = Worker(database, wakeups, SIGNER, address, clock)
    await broker.start()
    tasks = [asyncio.create_task(each) for each in (broker.run(), wakeups.run(), worker.run())]
    try:
        await until_async(lambda: worker.client.is_connected, 15, "the cloud is connected")
        yield Running(database, site, broker, authority, worker, folder)
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await broker.stop()


@pytest.fixture
def told(database: Database, clock: MovedClock, tmp_path: Path) -> Callable[[Callable[[Running], None]], None]:
    """Runs a story, in a thread, against a running sync."""

    def tell(story: Callable[[Running], None]) -> None:
        async def main() -> None:
            async with running(database, clock, tmp_path) as cloud:
                await asyncio.to_thread(story, cloud)

        asyncio.run(main())

    return tell


Told = Callable[[Callable[[Running], None]], None]


def seqs(database: Database, chain: Chain) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Entry.seq).where(Entry.ledger == chain.ledger).order_by(Entry.seq)))


def test_entries_become_durable_and_are_receipted(told: Told, database: Database) -> None:
    def story(cloud: Running) -> None:
        chain = Chain(ONE).tap(30)
        with cloud.end(ONE) as terminal:
            for first, last in ((1, 10), (11, 20), (5, 25), (26, 30)):
                terminal.say(Up.ENTRIES, chain.entries(first, last))
            terminal.receipted(30)
        assert seqs(database, chain) == list(range(1, 31))

    told(story)


def test_nothing_that_is_said_stops_it(told: Told, database: Database) -> None:
    """Each gets a named line in the log; the next good batch is taken as ever."""
    chain, other = Chain(ONE).tap(3), Chain(STRANGER).tap(1)

    def story(cloud: Running) -> None:
        with cloud.end(ONE) as terminal, cloud.end(STRANGER) as stranger:
            mine = up(ONE, Up.ENTRIES)
            other_kind, cut = pack_up(Pull(VERSION, ())), chain.packed(1, 3)[:-7]
            for payload in (b"", b"\2", b"\0garbage", ZLIB + b"no zlib", other_kind, cut):
                terminal.publish(mine, payload)
            terminal.publish(f"gv1/up/00/{ONE}/entries" if "/00/" not in mine else f"gv1/up/01/{ONE}/entries", b"")
            terminal.publish(up(ONE, Up.ENTRIES).replace("entries", "nonsense"), b"")
            terminal.publish(up(ONE, Up.STATUS), b"\0\xc1")
            terminal.say(Up.STATUS, status(software="nul\0"))
            terminal.say(Up.STATUS, status(oldest_unsent=2**63))
            stranger.say(Up.ENTRIES, other.entries(1, 1))
            stranger.say(Up.STATUS, status())
            stranger.say(Up.PULL, Pull(VERSION, ()))
            terminal.say(Up.ENTRIES, chain.entries(1, 3))
            terminal.receipted(3)
            assert stranger.listening.receipts == []
            until(lambda: sum(line["event"] == "message.refused" for line in lines) >= 6, 10, str(lines))

    with capture_logs() as lines:
        told(story)
    refused = [line["kind"] for line in lines if str(line["event"]).endswith(".refused") and "kind" in line]
    assert refused == ["MessageMalformed"] * 6 + ["TopicInvalid"] * 2 + ["MessageMalformed"] * 3
    assert [line["outcome"] for line in lines if line["event"] == "batch.refused" and "outcome" in line] == [
        "unknown_terminal"
    ]
    assert seqs(database, chain) == [1, 2, 3]


def test_a_binding_reaches_its_terminal_within_a_second(told: Told) -> None:
    def story(cloud: Running) -> None:
        with cloud.end(ONE) as terminal:
            terminal.pull()
            until(lambda: "binding" in terminal.listening.tables, 10, "it hears that it is unbound")
            cloud.bind(ONE)
            until(lambda: len(terminal.listening.tables) == 4, 1, "binding, roster, blocklist, presence")
            assert terminal.listening.binding is not None
            with cloud.database.transaction() as session:
                block(session, STAFF, START, CardId.parse("uid:04A1B2C3D4E5F6"), BlockReason.LOST)
            until(lambda: len(terminal.listening.tables["blocklist"].rows) == 1, 1, "the block")
            with cloud.database.transaction() as session:
                unbind(session, STAFF, START, ONE)
            until(lambda: terminal.listening.tables["binding"].rows == {}, 1, "released")

    told(story)


def test_who_was_away_converges_after_its_pull_or_its_status(told: Told) -> None:
    def story(cloud: Running) -> None:
        cloud.bind(ONE)
        with cloud.end(ONE) as terminal:
            terminal.pull()
            until(lambda: len(terminal.listening.tables) == 4, 10, "everything by asking")
        cloud.bind(ONE, "Södra grinden")
        with cloud.end(ONE) as again:
            again.listening = terminal.listening
            again.say(Up.STATUS, status(tables=again.held()))
            until(lambda: bool(again.listening.binding and again.listening.binding.place == "Södra grinden"), 10)

    told(story)


def test_names_come_to_who_shows_its_own_certificate(told: Told) -> None:
    """Another terminal's, played by who has the broker, changes nothing; and the rest goes on."""

    def story(cloud: Running) -> None:
        with cloud.database.transaction() as session:
            enrol(session, STAFF, START, cloud.site.project, make_card(session, cloud.site, "uid:04A1B2C3D4E5F6").id)
        cloud.bind(ONE)
        with cloud.end(TWO) as other, cloud.end(ONE) as terminal:
            terminal.show(other.certificate)
            until(lambda: len(terminal.listening.tables) == 4, 10, "everything but names")
            terminal.show(terminal.certificate)
            until(lambda: "people" in terminal.listening.tables, 10, "names")
            assert len(terminal.listening.tables["people"].rows) == 2
            assert b"Lindqvist" not in b"".join(envelope for _, envelope in terminal.messages)

    with capture_logs() as lines:
        told(story)
    assert [line["event"] for line in lines if str(line["event"]).startswith("certificate.")][-2:] == [
        "certificate.refused",
        "certificate.taken",
    ]


def _is_online(status: UnitStatus | None, now: datetime) -> bool:
    return status is not None and is_online(status.online, status.seen_at, now)


def test_status_and_will_are_kept(told: Told, clock: MovedClock) -> None:
    def story(cloud: Running) -> None:
        with cloud.end(ONE) as terminal:
            ahead = status().at + 1_500_000
            terminal.say(
                Up.STATUS, status(at=ahead, queue_depth=7, readers={"grind": False}, conditions=("door_fault",))
            )
            until(lambda: cloud.status(ONE) is not None, 10, "the status")
            kept = cloud.status(ONE)
            assert kept is not None
            assert (kept.queue_depth, kept.readers, kept.doors) == (7, {"grind": False}, {"grind": "locked"})
            assert kept.conditions == ["door_fault"]
            assert (kept.clock_quality, kept.clock_offset_ms) == ("synchronised", 1500)
            assert (kept.ledger, kept.software, kept.seen_at) == (LEDGER, "0.1.0", clock.now())
            assert _is_online(kept, clock.now())
            assert _is_online(kept, clock.now() + timedelta(seconds=44))
            assert not _is_online(kept, clock.now() + timedelta(seconds=45))
            terminal.say(Up.STATUS, status(online=False, nonce=b"an earlier connection"))
            terminal.say(Up.STATUS, status(nonce=b"1", queue_depth=8, readers={"grind": False}))
            until(lambda: (cloud.status(ONE) or kept).queue_depth == 8, 10)
            assert _is_online(cloud.status(ONE), clock.now())
            terminal.vanish()
            until(lambda: not _is_online(cloud.status(ONE), clock.now()), 10, "the will")
            offline = cloud.status(ONE)
            assert offline is not None
            assert (offline.queue_depth, offline.readers) == (8, {"grind": False})

    told(story)


def test_a_status_is_answered_now_and_then_so_that_a_quiet_terminal_hears_the_cloud(
    told: Told, clock: MovedClock
) -> None:
    """Its doors may expire when the cloud is silent; on a weekend nobody taps."""

    def story(cloud: Running) -> None:
        chain = Chain(ONE).tap(1)
        with cloud.end(ONE) as terminal:
            for _ in range(3):
                terminal.say(Up.STATUS, status())
            until(lambda: terminal.listening.receipts, 10, "a first receipt")
            terminal.say(Up.ENTRIES, chain.entries(1, 1))
            terminal.receipted(1)
            assert [receipt.upto for receipt in terminal.listening.receipts] == [0, 1]
            clock.move(GREET_EVERY)
            terminal.say(Up.STATUS, status())
            until(lambda: len(terminal.listening.receipts) == 3, 10, "another receipt")

    told(story)


@pytest.mark.feature("F14")
def test_a_movement_is_heard_within_a_second_and_forgotten_when_it_is_too_old(told: Told, clock: MovedClock) -> None:
    def story(cloud: Running) -> None:
        cloud.bind(ONE)
        with cloud.end(ONE) as terminal:
            terminal.pull()
            until(lambda: len(terminal.listening.tables) == 4, 10, "binding, roster, blocklist, presence")
            chain = Chain(ONE).add(encode_payload(tap(project=cloud.site.project)))
            terminal.say(Up.ENTRIES, chain.entries(1, 1))
            until(lambda: len(terminal.listening.tables["presence"].rows) == 1, 1, "the movement")
            clock.move(14 * 3600)
            cloud.bind(ONE, "Södra grinden")  # it looks whenever something changes, and every few seconds
            until(lambda: terminal.listening.tables["presence"].rows == {}, 10, "forgotten")

    told(story)


def test_a_broker_that_dies_takes_nothing_with_it(told: Told, database: Database) -> None:
    """Pitfall 26: what it forgot is sent again."""

    def story(cloud: Running) -> None:
        chain = Chain(ONE).tap(6)
        with cloud.end(ONE) as terminal:
            terminal.say(Up.ENTRIES, chain.entries(1, 3))
            terminal.receipted(3)
        first = cloud.broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        cloud.bind(ONE)
        until(lambda: cloud.broker.pid not in {None, first}, 10, "another broker")
        until(lambda: cloud.worker.client.is_connected, 20, "the cloud is back")
        with cloud.end(ONE) as again:
            again.say(Up.ENTRIES, chain.entries(1, 6))
            again.receipted(6)
            again.pull()
            until(lambda: again.listening.binding is not None, 10)
        assert seqs(database, chain) == [1, 2, 3, 4, 5, 6]

    told(story)


def test_a_database_that_is_away_for_a_while_costs_nothing(told: Told, database: Database) -> None:
    """Connections are cut under the worker; what was on its way is taken all the same."""

    def story(cloud: Running) -> None:
        chain = Chain(ONE).tap(40)
        with cloud.end(ONE) as terminal:
            for number in range(1, 41):
                terminal.say(Up.ENTRIES, chain.entries(number, number))
                if database.kind == "postgresql" and number % 10 == 0:
                    with database.engine.begin() as connection:
                        connection.execute(text(CUT_OTHERS))
            terminal.receipted(40)
        assert seqs(database, chain) == list(range(1, 41))

    told(story)


CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
