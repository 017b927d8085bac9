"""The link over a real broker: it always comes back, drains the ledger, and obeys nobody but the cloud."""

import asyncio
import base64
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from edge.errors import BrokerUnreachable
from edge.events import Event
from edge.ledger.ledger import Ledger
from edge.link.conversation import Condition
from edge.link.link import Connection, Link
from edge.link.outbox import Outbox
from edge.link.tls import tls_context
from edge.settings import LinkSettings
from edge.tables.tables import Tables
from protocol.cards import CardId
from protocol.decision import BlockReason, Enrolment, TableName
from protocol.errors import TerminalId
from protocol.messages import VERSION, Entries, Pull, Receipt, Status, TableChange, encode
from protocol.passes import Direction
from protocol.signatures import LARGEST_ENVELOPE, Signer
from protocol.tables import EVERYBODY, Presence, Table, encode_value
from protocol.topics import ALL_BLOCKLIST, AUDIENCE_ALL, Down, down
from tests.support.certificates import CertificateAuthority
from tests.support.changes import EPOCH, PROJECT, binding, binding_row, block_row, change, parts, roster_row
from tests.support.cloud_end import CloudEnd
from tests.support.entries import ModelCloud, tap
from tests.support.gate import HandClock
from tests.support.mosquitto import CLOUD, Mosquitto, free_port
from tests.support.waiting import until_async

TERMINAL: Final = TerminalId("gate-1")
OTHER: Final = TerminalId("gate-2")
ANNA: Final = CardId.parse("uid:04A1B2C3D4E5F6")
CONDITION: Final = Condition("0.1.0", {"in": True}, {"gate": "locked"})


@dataclass
class Wire:
    """A broker, the cloud's end of it, and the parts of a terminal that the link works on."""

    authority: CertificateAuthority
    broker: Mosquitto
    cloud: CloudEnd
    settings: LinkSettings
    ledger: Ledger
    tables: Tables
    outbox: Outbox
    link: Link
    keeper: ModelCloud

    def receipt_all(self) -> None:
        """Answer every batch that came, as the cloud does."""
        for entries in self.cloud.of(Entries, TERMINAL):
            self.keeper.take(entries)
        self.cloud.tell(TERMINAL, self.keeper.receipt())

    def statuses(self) -> list[Status]:
        """What the terminal said of itself."""
        return self.cloud.of(Status, TERMINAL)

    async def drained(self) -> None:
        """Keep answering until the terminal knows that everything is there."""

        def depth_is_nothing() -> bool:
            if len(self.keeper.payloads) < self.ledger.last_seq or self.outbox.depth:
                self.receipt_all()
            return self.outbox.depth == 0

        await until_async(depth_is_nothing, 20, "the ledger drained")

    async def online(self) -> None:
        """Wait for the link."""
        await until_async(self.link.is_online, 20, "the link online")


def a_link(settings: LinkSettings, outbox: Outbox, tables: Tables) -> Link:
    """The link of gate-1."""
    return Link(settings, TERMINAL, HandClock(), outbox, tables, lambda: CONDITION)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    authority = CertificateAuthority(tmp_path / "certificates")
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker", authority))
        cloud = stack.enter_context(CloudEnd(broker, authority.issue(CLOUD)))
        own = authority.issue(TERMINAL)
        settings = LinkSettings(
            host="127.0.0.1",
            port=broker.port,
            ca=own.ca,
            certificate=own.certificate,
            key=own.key,
            signing_keys=(cloud.pinned,),
            retry_max_seconds=1,
        )
        ledger = Ledger.open(tmp_path / "ledger.db", TERMINAL, HandClock())
        stack.callback(ledger.close)
        tables = Tables.open(tmp_path / "tables.db")
        stack.callback(tables.close)
        outbox = Outbox(ledger)
        keeper = ModelCloud(TERMINAL, ledger.id)
        link = a_link(settings, outbox, tables)
        yield Wire(authority, broker, cloud, settings, ledger, tables, outbox, link, keeper)


@asynccontextmanager
async def running(link: Link) -> AsyncIterator[None]:
    """The link's task, ended again as the daemon does."""
    task = asyncio.create_task(link.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def story(tell: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run what happens in a loop of its own, with an end to all patience."""
    asyncio.run(asyncio.wait_for(tell(), 60))


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """The events logged meanwhile; filled in at the end."""
    events: list[str] = []
    with capture_logs() as lines:
        yield events
    events.extend(line["event"] for line in lines)


# --- up ---------------------------------------------------------------------------------------------------------------


def test_a_connection_begins_with_status_pull_and_what_has_no_receipt(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await until_async(lambda: wire.cloud.of(Entries, TERMINAL), what="entries")
            await until_async(lambda: wire.cloud.of(Pull, TERMINAL), what="a pull")
            (status, *_) = await until_async(wire.statuses, what="a status")
            assert status == Status(
                VERSION,
                True,
                status.nonce,
                HandClock().utc,
                HandClock().quality,
                "0.1.0",
                wire.ledger.id,
                2,
                2,
                HandClock().utc,
                {"in": True},
                {"gate": "locked"},
                (),
            )
            (entries,) = wire.cloud.of(Entries, TERMINAL)
            assert (entries.first, entries.last, entries.last_hash) == (1, 2, wire.ledger.last_hash)

    story(tell)


def test_receipts_drain_the_ledger_and_a_tap_goes_at_once_and_alone(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await wire.drained()
            assert wire.ledger.receipted == 2
            seq = wire.ledger.append(tap(7))
            wire.link.wake()
            newest = await until_async(
                lambda: [batch for batch in wire.cloud.of(Entries, TERMINAL) if batch.last == seq], what="the tap"
            )
            assert newest[0].first == seq
            await wire.drained()
            drained = await until_async(
                lambda: [status for status in wire.statuses() if status.last_seq == seq or not status.queue_depth],
                what="a status that says that nothing waits",
            )
            assert drained[-1].queue_depth == 0

    story(tell)


def test_a_backlog_arrives_whole_and_in_order(wire: Wire) -> None:
    async def tell() -> None:
        for number in range(3000):
            wire.ledger.append(tap(number))
        async with running(wire.link):
            await wire.online()
            await wire.drained()
        assert len(wire.keeper.payloads) == wire.ledger.last_seq
        assert wire.keeper.hashes[-1] == wire.ledger.last_hash

    story(tell)


def test_the_newest_receipt_is_saved_when_the_link_ends(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await wire.drained()

    story(tell)
    saved = wire.ledger._connection.execute("SELECT upto FROM receipt").fetchone()
    assert saved == (wire.ledger.last_seq,)


# --- whether it is there ----------------------------------------------------------------------------------------------


async def kept_status(wire: Wire) -> Status:
    """What somebody who comes later hears of the terminal."""
    wire.cloud.disconnect()
    wire.cloud.heard.clear()
    wire.cloud.connect()
    status = (await until_async(wire.statuses, what="a retained status"))[0]
    assert wire.cloud.heard[0].retained
    return status


def test_the_status_is_kept_for_whoever_comes_later_and_says_goodbye(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await until_async(wire.statuses, what="a status")
            assert (await kept_status(wire)).online
        await until_async(lambda: not wire.statuses()[-1].online, what="the farewell")
        assert not (await kept_status(wire)).online

    story(tell)


def test_a_terminal_that_falls_silent_is_said_to_be_offline_by_its_will(wire: Wire) -> None:
    async def tell() -> None:
        will = msgspec.structs.replace(wire.link._conversation.status(online=False), nonce=b"will")
        connection = Connection(wire.settings, TERMINAL, tls_context(wire.settings, HandClock()), will)
        await connection.open(lambda _topic, _sealed: None)
        cable = connection._client.socket()
        assert isinstance(cable, socket.socket)
        cable.shutdown(socket.SHUT_RDWR)
        assert await until_async(wire.statuses, what="the will") == [will]
        await asyncio.wait({connection.lost}, timeout=10)
        assert connection.lost.done()
        assert await kept_status(wire) == will

    story(tell)


@pytest.mark.parametrize("listens", [True, False])
def test_connections_that_are_over_leave_no_file_open(wire: Wire, listens: bool) -> None:
    """Not even until rubbish is collected: a terminal by a bad network connects thousands of times."""

    async def come_and_go() -> None:
        port = wire.settings.port if listens else free_port()
        will = wire.link._conversation.status(online=False)
        settings = replace(wire.settings, port=port)
        connection = Connection(settings, TERMINAL, tls_context(settings, HandClock()), will)
        with suppress(BrokerUnreachable):
            await connection.open(lambda _topic, _sealed: None)
        await connection.close(will)

    async def tell() -> None:
        await come_and_go()
        before = open_files()
        for _ in range(3):
            await come_and_go()
        await until_async(lambda: open_files() <= before, 5, "everything closed")

    gc.disable()
    try:
        story(tell)
    finally:
        gc.enable()


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_change_of_a_reader_is_told_at_once(wire: Wire) -> None:
    readers = {"in": True}

    async def tell() -> None:
        link = Link(
            wire.settings, TERMINAL, HandClock(), wire.outbox, wire.tables, lambda: Condition("1", dict(readers), {})
        )
        async with running(link):
            await until_async(wire.statuses, 20, "a status")
            readers["in"] = False
            link.changed()
            await until_async(lambda: wire.statuses()[-1].readers == {"in": False}, 2, "the changed status")

    story(tell)


@pytest.mark.feature("F31")
def test_a_broker_that_was_wiped_and_started_again_is_subscribed_to_again(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await wire.drained()
            first = wire.statuses()[-1].nonce
            wire.broker.kill()
            wire.cloud.disconnect()
            await until_async(lambda: not wire.link.is_online(), what="the loss noticed")
            wire.ledger.append(tap(1))
            wire.link.wake()
            wire.broker.start()
            wire.cloud.connect()
            await wire.online()
            await wire.drained()
            await until_async(lambda: wire.statuses()[-1].nonce != first, what="a status with another nonce")
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())]))
            await until_async(lambda: wire.tables.binding, what="the binding")

    with log_lines() as events:
        story(tell)
    assert Event.LINK_LOST in events
    assert events.count(Event.LINK_CONNECTED) == 2


def test_the_link_waits_for_a_broker_that_comes_later(wire: Wire) -> None:
    async def tell() -> None:
        wire.cloud.disconnect()
        wire.broker.stop()
        async with running(wire.link):
            with capture_logs() as lines:
                await until_async(lambda: len(lines) > 1, what="attempts that fail")
                assert {line["event"] for line in lines} == {Event.LINK_DELAYED}
            wire.broker.start()
            await wire.online()

    story(tell)


# --- down -------------------------------------------------------------------------------------------------------------


@pytest.mark.feature("F35")
def test_a_binding_reaches_the_terminal_and_its_status_within_a_second(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await until_async(wire.statuses, what="a status")
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())]))
            await until_async(lambda: wire.tables.binding, 1, "the binding")
            await until_async(lambda: len(wire.statuses()[-1].tables) == 3, 1, "a status with the tables")
            pull = await until_async(
                lambda: wire.cloud.of(Pull, TERMINAL)[1:], what="a pull for what the binding names"
            )
            assert [(each.name, each.held) for each in pull[0].tables] == [
                ("binding", 1),
                ("roster", 0),
                ("blocklist", 0),
            ]

    story(tell)


def test_a_table_that_is_lacking_is_pulled_until_it_comes(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Question and answer can be lost, and without its blocklist a terminal admits blocked cards."""
    monkeypatch.setattr("edge.link.conversation.ASK_AGAIN", 0.1)

    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await until_async(lambda: wire.cloud.of(Pull, TERMINAL), what="the first pull")
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())]))
            await until_async(lambda: len(wire.cloud.of(Pull, TERMINAL)) > 4, what="pulls that go on")
            wire.cloud.tell(TERMINAL, change(Table.ROSTER, PROJECT, (0, 3), [roster_row(ANNA, "p1")]))
            row = block_row(ANNA, BlockReason.EXPIRED)
            wire.cloud.tell(TERMINAL, change(Table.BLOCKLIST, EVERYBODY, (0, 8), [row]))
            await until_async(lambda: not wire.tables.lacking, what="both tables")

    story(tell)


def test_tables_come_whole_in_parts_and_for_everybody(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())]))
            wire.cloud.tell(TERMINAL, change(Table.ROSTER, PROJECT, (0, 3), [roster_row(ANNA, "p1")]))
            for part in parts(Table.BLOCKLIST, EVERYBODY, 8, [block_row(ANNA, BlockReason.EXPIRED)], 3):
                wire.cloud.tell(TERMINAL, part)
            wire.cloud.tell_all(change(Table.BLOCKLIST, EVERYBODY, (8, 9), [block_row(ANNA, BlockReason.LOST)]))
            await until_async(lambda: wire.tables.versions.get("blocklist") == 9, what="the blocklist")
            assert wire.tables.enrolment(ANNA) == Enrolment("p1", "00000000000000c1")
            assert wire.tables.blocked(ANNA) is BlockReason.LOST

    story(tell)


def test_a_tap_at_another_gate_is_not_answered_with_a_status(wire: Wire) -> None:
    """With twenty gates each tap would else bring twenty of them; the next one of any kind tells the version."""
    named = (TableName(Table.ROSTER, PROJECT, EPOCH), TableName(Table.PRESENCE, PROJECT, EPOCH))

    def told(name: str) -> int:
        return max((each.held for status in wire.statuses() for each in status.tables if each.name == name), default=0)

    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(*named))]))
            await until_async(lambda: told("binding") == 1, what="a status with the binding")
            before = len(wire.statuses())
            for version in range(5):
                row = (b"anna", encode_value(Presence(Direction.IN, version, "gate-2")))
                wire.cloud.tell(TERMINAL, change(Table.PRESENCE, PROJECT, (version, version + 1), [row]))
            await until_async(lambda: wire.tables.versions.get("presence") == 5, what="the presence")
            wire.cloud.tell(TERMINAL, change(Table.ROSTER, PROJECT, (0, 3), [roster_row(ANNA, "p1")]))
            await until_async(lambda: told("roster") == 3, what="a status with the roster")
            assert len(wire.statuses()) == before + 1
            assert told("presence") == 5

    story(tell)


def test_a_change_that_does_not_fit_is_answered_with_a_pull(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            await until_async(lambda: wire.cloud.of(Pull, TERMINAL), what="the first pull")
            wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (4, 5), [binding_row(binding())]))
            await until_async(lambda: len(wire.cloud.of(Pull, TERMINAL)) == 2, what="another pull")
            assert wire.tables.binding is None

    story(tell)


# --- nobody else is obeyed --------------------------------------------------------------------------------------------

STRANGER: Final = Signer(Ed25519PrivateKey.generate())
BIND: Final = change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding())])


def sealed(signer: Signer, audience: str, what: Down, message: TableChange | Receipt) -> bytes:
    """An envelope, right or wrong."""
    return signer.seal(audience, what, encode(message))


def cut_off(raw: bytes) -> bytes:
    """All but the end."""
    return raw[:-5]


Forged = Callable[[Signer], tuple[str, bytes]]

FORGED: Final[dict[str, tuple[Forged, str]]] = {
    "not an envelope": (lambda _: (down(TERMINAL, Down.TABLE), b"open the gate"), "cannot be read"),
    "nothing": (lambda _: (down(TERMINAL, Down.TABLE), b""), "cannot be read"),
    "unsigned": (
        lambda _: (down(TERMINAL, Down.TABLE), msgspec.msgpack.encode([b"k" * 8, TERMINAL, encode(BIND), b""])),
        "not pinned",
    ),
    "signed by somebody else": (
        lambda _: (down(TERMINAL, Down.TABLE), sealed(STRANGER, TERMINAL, Down.TABLE, BIND)),
        "not pinned",
    ),
    "changed on the way": (
        lambda cloud: (
            down(TERMINAL, Down.TABLE),
            sealed(cloud, TERMINAL, Down.TABLE, BIND).replace(b"Kvarnen", b"Kvarnon"),
        ),
        "does not hold",
    ),
    "cut off": (
        lambda cloud: (down(TERMINAL, Down.TABLE), cut_off(sealed(cloud, TERMINAL, Down.TABLE, BIND))),
        "cannot be read",
    ),
    "signed for another terminal": (
        lambda cloud: (down(TERMINAL, Down.TABLE), sealed(cloud, OTHER, Down.TABLE, BIND)),
        "addressed to somebody else",
    ),
    "signed for everybody": (
        lambda cloud: (down(TERMINAL, Down.TABLE), sealed(cloud, AUDIENCE_ALL, Down.TABLE, BIND)),
        "addressed to somebody else",
    ),
    "signed for another topic": (
        lambda cloud: (down(TERMINAL, Down.TABLE), sealed(cloud, TERMINAL, Down.RECEIPT, BIND)),
        "does not hold",
    ),
    "a binding for everybody": (
        lambda cloud: (ALL_BLOCKLIST, sealed(cloud, AUDIENCE_ALL, Down.BLOCKLIST, BIND)),
        "not of the blocklist",
    ),
    "on a topic that is not known": (
        lambda cloud: (f"gv1/down/{TERMINAL}/secret", sealed(cloud, TERMINAL, Down.TABLE, BIND)),
        "not known",
    ),
    "too large": (lambda _: (down(TERMINAL, Down.TABLE), b"x" * (LARGEST_ENVELOPE + 1)), "larger than"),
    "from the future": (
        lambda cloud: (
            down(TERMINAL, Down.TABLE),
            sealed(cloud, TERMINAL, Down.TABLE, msgspec.structs.replace(BIND, version=VERSION + 1)),
        ),
        "upgrade",
    ),
    "a receipt in place of a table": (
        lambda cloud: (
            down(TERMINAL, Down.TABLE),
            sealed(cloud, TERMINAL, Down.TABLE, Receipt(VERSION, b"l" * 16, 2, b"h" * 32)),
        ),
        "cannot be read",
    ),
    "rows that are none": (
        lambda cloud: (
            down(TERMINAL, Down.TABLE),
            sealed(cloud, TERMINAL, Down.TABLE, msgspec.structs.replace(BIND, checksum=b"c" * 32)),
        ),
        "checksum",
    ),
}


@pytest.mark.feature("F32")
@pytest.mark.parametrize("name", FORGED)
def test_what_the_cloud_did_not_sign_for_this_terminal_changes_nothing_and_is_logged(wire: Wire, name: str) -> None:
    forge, why = FORGED[name]

    async def tell() -> list[str]:
        async with running(wire.link):
            await wire.online()
            with capture_logs() as lines:
                wire.cloud.publish(*forge(wire.cloud.signer))
                refused = await until_async(
                    lambda: [line["why"] for line in lines if line["event"] == Event.MESSAGE_REFUSED], what="a refusal"
                )
            assert wire.tables.binding is None
            assert wire.tables.held() == ()
            assert wire.ledger.receipted == 0
            # rows that are none are the cloud's own words all the same
            assert (wire.tables.unheard_for(HandClock().read()) is None) is (name != "rows that are none")
            wire.cloud.tell(TERMINAL, BIND)
            await until_async(lambda: wire.tables.binding, what="the link going on as before")
            return refused

    (refused,) = asyncio.run(asyncio.wait_for(tell(), 60))
    assert why in refused


def test_a_receipt_ends_the_silence_of_the_cloud(wire: Wire) -> None:
    """Also one that says nothing new: it is how a cloud is heard where nobody taps."""

    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            assert wire.tables.unheard_for(HandClock().read()) is None
            wire.cloud.tell(TERMINAL, Receipt(VERSION, wire.ledger.id, 0, wire.ledger.hash_at(0)))
            await until_async(lambda: wire.tables.unheard_for(HandClock().read()) == 0, what="the cloud heard")

    story(tell)


def test_a_receipt_for_another_ledger_or_chain_forgets_nothing(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            with capture_logs() as lines:
                wire.cloud.tell(TERMINAL, Receipt(VERSION, b"l" * 16, 2, wire.ledger.last_hash))
                wire.cloud.tell(TERMINAL, Receipt(VERSION, wire.ledger.id, 2, b"h" * 32))
                await until_async(
                    lambda: [line["event"] for line in lines].count(Event.RECEIPT_REFUSED) == 2, what="refusals"
                )
            assert wire.outbox.depth == 2

    story(tell)


def test_a_message_that_a_broker_kept_and_plays_back_changes_nothing(wire: Wire) -> None:
    async def tell() -> None:
        async with running(wire.link):
            await wire.online()
            for version, project in enumerate(("first", "second"), 1):
                row = binding_row(binding(project=project))
                wire.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (version - 1, version), [row]))
            await until_async(lambda: wire.tables.versions.get("binding") == 2, what="both bindings")
            old = change(Table.BINDING, TERMINAL, (0, 1), [binding_row(binding(project="first"))])
            wire.cloud.tell(TERMINAL, old)
            wire.receipt_all()
            await wire.drained()  # what was sent after it has arrived
            assert wire.tables.binding is not None
            assert wire.tables.binding.project == "second"

    story(tell)


# --- whom it trusts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("broker.example",), ("127.0.0.9",)])
def test_a_broker_of_another_name_is_not_talked_to(tmp_path: Path, wire: Wire, names: tuple[str, ...]) -> None:
    with Mosquitto(tmp_path / "misnamed", wire.authority, names) as misnamed:
        refused(wire, replace(wire.settings, port=misnamed.port), "certificate")


def test_a_broker_of_another_authority_is_not_talked_to(tmp_path: Path, wire: Wire) -> None:
    strangers = CertificateAuthority(tmp_path / "strangers", "another authority")
    with Mosquitto(tmp_path / "strange", strangers) as strange:
        refused(wire, replace(wire.settings, port=strange.port), "certificate")


def test_a_broker_does_not_let_in_whom_its_authority_did_not_certify(tmp_path: Path, wire: Wire) -> None:
    stranger = CertificateAuthority(tmp_path / "strangers", "another authority").issue(TERMINAL)
    refused(wire, replace(wire.settings, certificate=stranger.certificate, key=stranger.key), "")


def refused(wire: Wire, settings: LinkSettings, why: str) -> None:
    """No link comes about with these settings, and the log says why."""

    async def tell() -> None:
        link = a_link(settings, wire.outbox, wire.tables)
        with capture_logs() as lines:
            async with running(link):
                delays = await until_async(
                    lambda: [line["why"] for line in lines if line["event"] == Event.LINK_DELAYED], 20, "an attempt"
                )
                assert not link.is_online()
        assert why in delays[0]

    story(tell)
    assert wire.cloud.heard == []


def test_certificates_and_keys_may_come_later_than_the_daemon(wire: Wire, tmp_path: Path) -> None:
    late, key_file = tmp_path / "late.pem", tmp_path / "signing.pub"
    settings = replace(wire.settings, certificate=late, signing_keys=(), signing_key_files=(key_file,))

    async def tell() -> None:
        link = a_link(settings, wire.outbox, wire.tables)
        with capture_logs() as lines:
            async with running(link):
                await until_async(
                    lambda: any("signing.pub" in line.get("why", "") for line in lines), what="the key missed"
                )
                key_file.write_text(base64.b64encode(wire.cloud.pinned).decode() + "\n", encoding="ascii")
                await until_async(
                    lambda: any("late.pem" in line.get("why", "") for line in lines), what="the other missed"
                )
                late.write_bytes(wire.settings.certificate.read_bytes())
                await until_async(link.is_online, 20, "the link online")

    story(tell)
