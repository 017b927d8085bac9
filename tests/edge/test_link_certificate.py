"""A terminal shows its certificate until the cloud seals names to its key, and misses nothing where it has none."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from edge.ledger.ledger import Ledger
from edge.link import conversation
from edge.link.certificate import LARGEST_FILE, Certificate
from edge.link.conversation import Condition
from edge.link.link import Link
from edge.link.outbox import Outbox
from edge.settings import LinkSettings
from edge.tables.tables import Tables
from protocol.decision import TableName
from protocol.errors import TerminalId
from protocol.messages import Pull, Status
from protocol.sealing import key_id
from protocol.tables import Table, sealed_epoch
from tests.support.certificates import CertificateAuthority
from tests.support.changes import EPOCH, PROJECT, binding, binding_row, change
from tests.support.cloud_end import CloudEnd
from tests.support.gate import HandClock
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.waiting import until_async

TERMINAL = TerminalId("gate-1")


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca")


def test_the_certificate_of_the_settings_is_read_with_its_keys_id(authority: CertificateAuthority) -> None:
    """Whatever stands around it: a chain, or words."""
    issued = authority.issue(TERMINAL)
    shown = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    public = shown.public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    wanted = Certificate(shown.public_bytes(Encoding.DER), key_id(public))
    assert Certificate.read(issued.certificate) == wanted
    whole = b"subject: gate-1\n" + issued.certificate.read_bytes() + authority.certificate.read_bytes()
    issued.certificate.write_bytes(whole)
    assert Certificate.read(issued.certificate) == wanted


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * LARGEST_FILE,
    ],
)
def test_where_there_is_none_nothing_is_shown(tmp_path: Path, content: bytes | None) -> None:
    """It is TLS that needs the file, and says what is wrong with it."""
    path = tmp_path / "terminal.pem"
    if content is not None:
        path.write_bytes(content)
    assert Certificate.read(path) == Certificate()


class Shown:
    """A terminal with a link, and the cloud's end of the wire."""

    def __init__(self, folder: Path, authority: CertificateAuthority, stack: ExitStack) -> None:
        self.broker = stack.enter_context(Mosquitto(folder / "broker", authority))
        self.cloud = stack.enter_context(CloudEnd(self.broker, authority.issue(CLOUD)))
        own = authority.issue(TERMINAL)
        settings = LinkSettings(
            host="127.0.0.1",
            port=self.broker.port,
            ca=own.ca,
            certificate=own.certificate,
            key=own.key,
            signing_keys=(self.cloud.pinned,),
            retry_max_seconds=1,
        )
        self.certificate = Certificate.read(own.certificate)
        ledger = Ledger.open(folder / "ledger.db", TERMINAL, HandClock())
        stack.callback(ledger.close)
        self.tables = Tables.open(folder / "tables.db")
        stack.callback(self.tables.close)
        condition = Condition("0.1.0", {}, {})
        self.link = Link(settings, TERMINAL, HandClock(), Outbox(ledger), self.tables, lambda: condition)

    async def bound(self, version: int, *tables: TableName) -> None:
        """Tell it what counts, over the wire; it does."""
        row = binding_row(binding(*tables))
        self.cloud.tell(TERMINAL, change(Table.BINDING, TERMINAL, (version - 1, version), [row]))
        await until_async(lambda: self.tables.versions.get("binding") == version, what="bound")

    def people(self, key: bytes) -> TableName:
        """Names sealed to the key of this id."""
        return TableName(Table.PEOPLE, PROJECT, sealed_epoch(key, EPOCH))

    def certificates(self) -> list[bytes]:
        """What the pulls brought."""
        return [pull.certificate for pull in self.cloud.of(Pull, TERMINAL)]

    async def pulled(self, times: int) -> None:
        """It has shown its certificate so often, sending statuses as it does now and then."""
        while len(self.certificates()) < times:
            await self.reports()

    async def given(self, people: TableName) -> None:
        """Give it a table of names, with nobody in it."""
        empty = change(Table.PEOPLE, PROJECT, (0, 1), epoch=people.epoch)
        self.cloud.tell(TERMINAL, empty)
        await until_async(lambda: self.tables.versions.get("people") == 1, what="names")

    async def reports(self) -> None:
        """It has sent one more status, and what it would have shown before that has come."""
        before = len(self.cloud.of(Status, TERMINAL))
        self.link.changed()
        await until_async(lambda: len(self.cloud.of(Status, TERMINAL)) > before, what="a status")


@pytest.fixture
def shown(tmp_path: Path, authority: CertificateAuthority) -> Iterator[Shown]:
    with ExitStack() as stack:
        yield Shown(tmp_path, authority, stack)


@asynccontextmanager
async def running(shown: Shown) -> AsyncIterator[None]:
    task = asyncio.create_task(shown.link.run())
    try:
        await until_async(shown.link.is_online, what="online")
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_every_connection_begins_with_the_certificate(shown: Shown) -> None:
    async def tell() -> None:
        async with running(shown):
            await shown.pulled(1)
        async with running(shown):
            await shown.pulled(2)
        assert shown.certificates() == [shown.certificate.der] * 2

    asyncio.run(asyncio.wait_for(tell(), 60))


def test_a_binding_that_names_nobody_is_answered_with_the_certificate(shown: Shown) -> None:
    """It says that the cloud is there now, which was away when the connection began."""

    async def tell() -> None:
        async with running(shown):
            await shown.pulled(1)
            for version, named in ((1, ()), (2, (shown.people(b"another!"),))):
                before = len(shown.certificates())
                await shown.bound(version, *named)
                await until_async(lambda before=before: len(shown.certificates()) > before, what="a pull")  # type: ignore[misc]
            assert set(shown.certificates()) == {shown.certificate.der}

    asyncio.run(asyncio.wait_for(tell(), 60))


def test_it_is_shown_again_until_names_are_sealed_to_its_key(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud may have been away when it was shown, and knows none, or the key before this one."""
    monkeypatch.setattr(conversation, "SHOW_AGAIN", 0.0)

    async def tell() -> None:
        async with running(shown):
            await shown.reports()
            assert len(shown.certificates()) == 1  # nobody is to be named where it is not bound
            await shown.bound(1)
            await shown.pulled(len(shown.certificates()) + 1)
            await shown.bound(2, shown.people(b"another!"))
            await shown.pulled(len(shown.certificates()) + 1)
            await shown.bound(3, shown.people(shown.certificate.key_id))
            await shown.given(shown.people(shown.certificate.key_id))
            await shown.reports()
            told = len(shown.certificates())
            for _ in range(3):
                await shown.reports()
            assert len(shown.certificates()) == told

    asyncio.run(asyncio.wait_for(tell(), 60))
