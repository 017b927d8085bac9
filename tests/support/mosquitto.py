"""A real mosquitto for a run of the tests: mutual TLS on loopback, each terminal in its own subtree, nothing kept."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.certificates import LOOPBACK, VALID, CertificateAuthority, Days
from tests.support.waiting import until

CLOUD: Final = "cloud"
"""The common name of the certificate that may do what the cloud does."""

_CONFIG: Final = """
per_listener_settings false
persistence false
max_queued_messages 50000
allow_anonymous false
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
log_type notice
acl_file {folder}/acl
set_tcp_nodelay true
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
"""

_ACL: Final = """
user {cloud}
topic read gv1/up/#
topic write gv1/down/#
topic write gv1/all/#

pattern write gv1/up/+/%u/#
pattern read gv1/down/%u/#
pattern read gv1/all/#
"""


class Mosquitto:
    """A broker that can be stopped, killed and started again on the same port, remembering nothing."""

    def __init__(
        self, folder: Path, authority: CertificateAuthority, names: Sequence[str] = LOOPBACK, days: Days = VALID
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        own = authority.issue("broker", names, days)
        config = _CONFIG.format(folder=folder, port=self.port, ca=own.ca, certificate=own.certificate, key=own.key)
        if os.geteuid() == 0:
            config += "user root\n"  # else it drops to a user that cannot read these keys
        (folder / "acl").write_text(_ACL.format(cloud=CLOUD), encoding="utf-8")
        (folder / "acl").chmod(0o600)
        (folder / "mosquitto.conf").write_text(config, encoding="utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What it has written so far."""
        path = self.folder / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        assert self._process is None, "it runs already"
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self.folder / "mosquitto.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._listens, 10, f"mosquitto on port {self.port}: {self.log}")

    def stop(self) -> None:
        """Let it end in its own way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(10)
        self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended by itself: {self.log}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
