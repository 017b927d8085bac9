"""The mosquitto that the cloud runs where no other broker is named: mutual TLS, and each terminal its own topics.

It keeps nothing: whatever it forgets, terminals and cloud send again. It dies with the cloud, and is started again
when it dies alone.
"""

import asyncio
import os
import shutil
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cloud.errors import BrokerUnusable
from cloud.events import Event
from cloud.joining.authority import Identity
from cloud.units.service import THE_CLOUD
from protocol.messages import LARGEST_UP

UP_WITHIN: Final = 10.0
PORT_FREE_WITHIN: Final = 5.0  # a broker of the cloud's last life is about to end
DOWN_WITHIN: Final = 5.0
PAUSE: Final = 0.5
LONGEST_LINE: Final = 500
QUEUED_BYTES: Final = 64 * 1024 * 1024

log = structlog.get_logger(__name__)

CONFIG: Final = """\
# written anew at each start of grindvakt-cloud
listener {port} {host}
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {acl}
allow_zero_length_clientid false
set_tcp_nodelay true
persistence false
message_size_limit {largest}
max_queued_messages 20000
max_queued_bytes {queued}
max_inflight_messages 200
max_keepalive 120
retain_available true
connection_messages false
log_dest stderr
log_type error
"""

ACL: Final = f"""\
# %u is the common name of the certificate: the terminal's id
pattern write gv1/up/+/%u/#
pattern read gv1/down/%u/#
pattern read gv1/all/#

user {THE_CLOUD}
topic readwrite gv1/#
"""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the broker is to listen, and how it proves itself to whom."""

    host: str
    port: int
    ca: Path
    identity: Identity


class EmbeddedBroker:
    """A mosquitto under supervision; its files are in `folder`."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self.folder = folder
        self.listener = listener
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it; returns when it takes connections. Raises BrokerUnusable, saying what to do."""
        program = _program()
        await self._wait_for_port()
        config = self._write_config()
        process = await asyncio.create_subprocess_exec(
            "setpriv",
            "--pdeathsig",
            "TERM",
            "--",
            program,
            "-c",
            str(config),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        self._process = process
        try:
            await self._wait_until_up(process)
        except BaseException:
            await self.stop()
            raise
        log.info(Event.BROKER_STARTED, pid=process.pid, host=self.listener.host, port=self.listener.port)

    async def run(self) -> None:
        """Pass on what it says, and start it again whenever it ends; for ever, after `start`."""
        while True:
            process = self._process
            if process is not None and process.stderr is not None:
                async for line in process.stderr:
                    said = line.decode(errors="replace").strip()[:LONGEST_LINE]
                    log.warning(Event.BROKER_SAID, line=said)
                status = await process.wait()
                log.error(Event.BROKER_LOST, status=status, then="starting it again")
            await asyncio.sleep(PAUSE)
            try:
                await self.start()
            except BrokerUnusable as exc:
                self._process = None
                log.error(Event.BROKER_LOST, why=str(exc), then="trying again")  # noqa: TRY400 - it says all

    async def stop(self) -> None:
        """End it and wait until it is gone."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(DOWN_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _write_config(self) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        acl, config = self.folder / "acl", self.folder / "mosquitto.conf"
        listener = self.listener
        text = CONFIG.format(
            port=listener.port,
            host=listener.host,
            ca=listener.ca,
            certificate=listener.identity.certificate,
            key=listener.identity.key,
            acl=acl,
            largest=LARGEST_UP + 1024,
            queued=QUEUED_BYTES,
        )
        if os.geteuid() == 0:
            text += "user root\n"  # else it gives up its rights, and with them the files and the signal of our death
        for path, content in ((acl, ACL), (config, text)):
            path.touch(0o600)
            path.chmod(0o600)
            path.write_text(content, encoding="utf-8")
        return config

    async def _wait_for_port(self) -> None:
        """Raises BrokerUnusable where somebody else keeps the port."""
        tries = AsyncRetrying(
            retry=retry_if_exception_type(OSError),
            stop=stop_after_delay(PORT_FREE_WITHIN),
            wait=wait_fixed(0.1),
            reraise=True,
        )
        try:
            await tries(self._probe)
        except OSError as exc:
            where = f"{self.listener.host}:{self.listener.port}"
            raise BrokerUnusable(
                f"the embedded broker cannot listen on {where}: {exc.strerror}; end the program that has the port "
                f"(`ss -ltnp`), or set another broker_host or broker_port"
            ) from exc

    async def _probe(self) -> None:
        family = socket.AF_INET6 if ":" in self.listener.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((self.listener.host, self.listener.port))

    async def _wait_until_up(self, process: Process) -> None:
        try:
            async with asyncio.timeout(UP_WITHIN):
                while process.returncode is None:
                    if await self._answers():
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise BrokerUnusable(f"mosquitto does not answer after {UP_WITHIN:.0f} s; look at its log lines") from None
        said = await process.stderr.read(4 * LONGEST_LINE) if process.stderr is not None else b""
        raise BrokerUnusable(
            f"mosquitto ended at once: {said.decode(errors='replace').strip() or process.returncode}; "
            f"look at {self.folder / 'mosquitto.conf'}"
        )

    async def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listener.host, self.listener.host)  # noqa: S104
        try:
            _reader, writer = await asyncio.open_connection(host, self.listener.port)
        except OSError:
            return False
        writer.close()
        return True


def _program() -> str:
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerUnusable(
            "mosquitto is missing: run `apt-get install --no-install-recommends mosquitto`, or name a broker of your "
            "own in the section [broker]"
        )
    return found
