"""The embedded broker lets each terminal in by its certificate, to its own topics only, and dies with the cloud."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from cloud.errors import BrokerUnusable
from cloud.events import Event
from cloud.joining.authority import Authority
from cloud.sync.broker import EmbeddedBroker, Listener
from protocol.errors import TerminalId
from protocol.messages import LARGEST_UP
from protocol.topics import ALL_BLOCKLIST, Down, Up, down, up
from tests.cloud.terminal_end import TerminalEnd
from tests.house.repository import ROOT
from tests.support.postgres import free_port
from tests.support.waiting import until, until_async

ONE, TWO, CLOUD = TerminalId("kvarnen-1"), TerminalId("kvarnen-2"), TerminalId("cloud")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", datetime.now(UTC))


def embedded(tmp_path: Path, authority: Authority, port: int | None = None) -> EmbeddedBroker:
    server = authority.server("broker", ("localhost", "127.0.0.1"), datetime.now(UTC))
    return EmbeddedBroker(tmp_path / "broker", Listener("127.0.0.1", port or free_port(), authority.ca, server))


@contextlib.asynccontextmanager
async def running(broker: EmbeddedBroker) -> AsyncIterator[EmbeddedBroker]:
    await broker.start()
    task = asyncio.create_task(broker.run())
    try:
        yield broker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await broker.stop()


def end(broker: EmbeddedBroker, authority: Authority, terminal: TerminalId, folder: Path) -> TerminalEnd:
    now = datetime.now(UTC)
    identity = authority.cloud(now) if terminal == CLOUD else authority.terminal(terminal, folder / terminal, now)
    return TerminalEnd(terminal, broker.listener.port, authority.ca, identity)


def test_a_terminal_writes_and_reads_its_own_topics_and_no_others(tmp_path: Path, authority: Authority) -> None:
    """Delivery is what counts: a broker may grant any subscription."""

    def talk(broker: EmbeddedBroker) -> None:
        with (
            end(broker, authority, ONE, tmp_path) as one,
            end(broker, authority, TWO, tmp_path) as two,
            end(broker, authority, CLOUD, tmp_path) as cloud,
        ):
            seen: list[tuple[str, bytes]] = []
            heard: dict[str, list[str]] = {ONE: [], TWO: []}
            cloud.subscribe("gv1/#", lambda topic, payload: seen.append((topic, payload)))
            one.subscribe("gv1/down/kvarnen-2/#", lambda topic, _payload: heard[ONE].append(topic))
            for wide in ("#", "gv1/down/+/#"):
                two.subscribe(wide, lambda topic, _payload: heard[TWO].append(topic))
            for sneaky in (up(ONE, Up.ENTRIES), down(ONE, Down.TABLE), ALL_BLOCKLIST, "gv1/down/kvarnen-2/table", "x"):
                two.publish(sneaky, b"sneaky")
            two.publish(up(TWO, Up.ENTRIES), b"mine")
            one.publish(up(ONE, Up.PULL), b"mine")
            cloud.publish(down(ONE, Down.TABLE), b"for one")
            cloud.publish(ALL_BLOCKLIST, b"for all")
            until(lambda: ALL_BLOCKLIST in heard[ONE] and ALL_BLOCKLIST in heard[TWO], 10, str(heard))
            until(lambda: len(seen) >= 4, 10, str(seen))
            assert set(seen) == {
                (up(TWO, Up.ENTRIES), b"mine"),
                (up(ONE, Up.PULL), b"mine"),
                (down(ONE, Down.TABLE), b"for one"),
                (ALL_BLOCKLIST, b"for all"),
            }
            assert set(heard[ONE]) == {down(ONE, Down.TABLE), ALL_BLOCKLIST}
            assert set(heard[TWO]) == {ALL_BLOCKLIST}

    async def story() -> None:
        async with running(embedded(tmp_path, authority)) as broker:
            await asyncio.to_thread(talk, broker)

    asyncio.run(story())


def test_nobody_comes_in_without_a_certificate_of_ours(tmp_path: Path, authority: Authority) -> None:
    def knock(port: int, other: Authority) -> None:
        strange = other.terminal(ONE, tmp_path / "strange", datetime.now(UTC))
        for identity in (None, strange):
            context = ssl.create_default_context(cafile=authority.ca)
            if identity is not None:
                context.load_cert_chain(identity.certificate, identity.key)
            with (
                contextlib.ExitStack() as opened,
                socket.create_connection(("127.0.0.1", port)) as plain,
                pytest.raises((ssl.SSLError, ConnectionError)),  # TLS 1.3 tells it with the first read
            ):
                opened.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1")).read()

    async def story() -> None:
        async with running(embedded(tmp_path, authority)) as broker:
            other = Authority.open(tmp_path / "other", datetime.now(UTC))
            await asyncio.to_thread(knock, broker.listener.port, other)

    asyncio.run(story())


def test_a_message_that_is_too_large_never_reaches_the_cloud(tmp_path: Path, authority: Authority) -> None:
    def talk(broker: EmbeddedBroker) -> None:
        with end(broker, authority, CLOUD, tmp_path) as cloud:
            seen: list[tuple[str, int]] = []
            cloud.subscribe("gv1/up/#", lambda topic, payload: seen.append((topic, len(payload))))
            one = end(broker, authority, ONE, tmp_path)
            one.client.will_clear()
            with one:
                one.client.publish(up(ONE, Up.ENTRIES), bytes(LARGEST_UP + 5_000), 1)
            with end(broker, authority, TWO, tmp_path) as two:
                two.publish(up(TWO, Up.ENTRIES), bytes(LARGEST_UP))
            until(lambda: bool(seen), 10, "the largest that is allowed")
            assert set(seen) == {(up(TWO, Up.ENTRIES), LARGEST_UP)}

    async def story() -> None:
        async with running(embedded(tmp_path, authority)) as broker:
            await asyncio.to_thread(talk, broker)

    asyncio.run(story())


def test_a_broker_that_dies_is_started_again(tmp_path: Path, authority: Authority) -> None:
    async def story() -> None:
        async with running(embedded(tmp_path, authority)) as broker:
            first = broker.pid
            assert first is not None
            with capture_logs() as lines:
                os.kill(first, signal.SIGKILL)
                await until_async(lambda: broker.pid not in {None, first} and any_started(lines), 15)
            lost = next(line for line in lines if line["event"] == Event.BROKER_LOST)
            assert (lost["status"], lost["then"]) == (-9, "starting it again")

    asyncio.run(story())


def any_started(lines: Sequence[Mapping[str, object]]) -> bool:
    return any(line["event"] == Event.BROKER_STARTED for line in lines)


def test_a_port_that_somebody_else_has_is_said_with_what_to_do(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.sync.broker.PORT_FREE_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = embedded(tmp_path, authority, taken.getsockname()[1])
        with pytest.raises(BrokerUnusable, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use; end the"):
            asyncio.run(broker.start())


def test_a_missing_mosquitto_is_said_with_what_to_do(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BrokerUnusable, match="apt-get install --no-install-recommends mosquitto"):
        asyncio.run(embedded(tmp_path, authority).start())


def test_a_broker_that_cannot_begin_says_why(tmp_path: Path, authority: Authority) -> None:
    broker = embedded(tmp_path, authority)
    broker.listener.identity.certificate.write_text("rubbish", encoding="utf-8")
    with pytest.raises(BrokerUnusable, match="mosquitto ended at once"):
        asyncio.run(broker.start())


PARENT = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from cloud.joining.authority import Authority
from tests.cloud.test_broker import embedded
folder = Path(sys.argv[1])
broker = embedded(folder, Authority.open(folder / "authority", datetime.now(UTC)))
async def main():
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_it_dies_with_the_cloud_even_when_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        line = next(line for line in parent.stdout if line.strip().isdigit())
        broker = psutil.Process(int(line))
        assert broker.name() == "mosquitto"
        parent.kill()
    until(lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE, 10, "it is gone")
