"""Runs a pcscd of its own with virtual readers, beside any that the machine has."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from edge.errors import VirtualReaderFault

DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
PATIENCE: Final = 10.0
SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"

# pcscd's socket has a fixed path: a mount namespace puts our folder there, for this pcscd alone. It ends with us.
_START: Final = """
[ -d /run/pcscd ] || mkdir /run/pcscd 2>/dev/null || { mount -t tmpfs none /run && mkdir /run/pcscd; } || exit 1
mount --bind "$1" /run/pcscd && exec setpriv --pdeathsig TERM -- "$2" --foreground --error --config "$3"
"""


class VirtualReader:
    """A pcscd whose socket stands in `folder`, with one virtual reader for each port.

    Clients find it by the variables in `environment`. vpcd also opens the port after each one, and on all addresses:
    this is for demonstration and tests.
    """

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self._folder = folder
        self._ports = list(ports)
        self._drivers: dict[int, Path] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment needs in order to find this pcscd."""
        return {SOCKET_VARIABLE: str(self._socket)}

    def start(self) -> None:
        """Run pcscd; returns when its readers are there. Raises VirtualReaderFault."""
        run, settings = self._folder / "run", self._folder / "readers"
        for folder in (run, settings):
            folder.mkdir(parents=True, exist_ok=True)
        for left in run.iterdir():  # after a kill
            left.unlink()
        self._drivers = {port: self._driver(number, port) for number, port in enumerate(self._ports)}
        self._write_settings()
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        command = [*unshare, "sh", "-c", _START, "sh", str(run), _pcscd(), str(settings)]
        with (self._folder / "pcscd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait()

    def stop(self) -> None:
        """End pcscd in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End pcscd as a crash does: its socket stays behind."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start again."""
        self.stop()
        self.start()

    def unplug(self, port: int) -> None:
        """Go on without this reader. pcscd lets go of a reader from its settings only when it is started anew."""
        self._ports.remove(port)
        self.restart()

    def plug(self, port: int) -> None:
        """Put a reader there."""
        self._ports.append(port)
        self.restart()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _socket(self) -> Path:
        return self._folder / "run" / "pcscd.comm"

    def _write_settings(self) -> None:
        readers = "\n".join(_reader(port, self._drivers[port]) for port in self._ports)
        (self._folder / "readers" / "virtual").write_text(readers, encoding="ascii")

    def _driver(self, number: int, port: int) -> Path:
        """A library of its own for each port after the first: vpcd keeps its two slots in global variables."""
        if number == 0:
            return DRIVER
        copy = self._folder / f"vpcd-{port}.so"
        shutil.copyfile(DRIVER, copy)
        return copy

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(PATIENCE)

    def _last_words(self) -> str:
        said = (self._folder / "pcscd.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return said[-1] if said else "it said nothing"

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (self._socket.exists() and set(self._ports) <= listening_ports()):
            if self._process is None or self._process.poll() is not None:
                raise VirtualReaderFault(f"pcscd ended: {self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise VirtualReaderFault(f"its readers did not appear in {PATIENCE:.0f} s")
            time.sleep(0.02)


def reader_name(port: int) -> str:
    """What pcscd calls the reader of this port, but for a number at the end."""
    return f"Virtual Reader {port}"


def _reader(port: int, driver: Path) -> str:
    device = f"/dev/null:0x{port:04X}"
    return f'FRIENDLYNAME "{reader_name(port)}"\nDEVICENAME {device}\nLIBPATH {driver}\nCHANNELID 0x{port:04X}\n'


def _pcscd() -> str:
    program = shutil.which("pcscd", path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))
    if program is None:
        raise VirtualReaderFault("pcscd is not installed")
    return program


def listening_ports() -> set[int]:
    """The TCP ports that somebody on this machine listens on; asking vpcd itself would be a card."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    return {int(field[1].rpartition(":")[2], 16) for field in fields if field[3] == "0A"}


def main(arguments: list[str] | None = None) -> None:
    """Run until it is told to end; says `ready` when the readers are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where the socket and the log go: DIR/run/pcscd.comm")
    parser.add_argument("--ports", type=int, nargs="+", required=True, help="of the virtual readers, two apart")
    asked = parser.parse_args(arguments)
    if any(port + 1 in asked.ports for port in asked.ports):
        parser.error("ports must be two apart: vpcd also takes the one after each")
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    try:
        with VirtualReader(asked.dir.absolute(), asked.ports):
            print("ready", flush=True)  # noqa: T201  # whoever started this waits for it
            ended.wait()
    except VirtualReaderFault as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
