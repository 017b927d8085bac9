"""Starts the programs of a site, keeps what they say in a file each, and stops them by their own process ids."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cloud.errors import ProgramFailed

PATIENCE: Final = 30.0
"""Seconds a program has to say that it is ready, and to stop when it is asked to."""

TAIL: Final = 15


class Program:
    """One program in a session of its own, so that a Ctrl-C in the terminal stops nothing before its time."""

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [str(part) for part in command]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """The process id; 0 when it does not run."""
        return self._process.pid if self.is_running and self._process else 0

    @property
    def status(self) -> int | None:
        """The exit status of the last run; None while it runs, or before."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Says whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Begin; what it prints is appended to its log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def run(self) -> None:
        """Begin, and wait until it has ended by itself."""
        self.start()
        if self._process is not None:
            self._process.wait(PATIENCE)
        self._close()

    def wait_until(self, is_ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until the program is ready. Raises ProgramFailed when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if not self.is_running:
                raise ProgramFailed(self.name, "it ended", self.last_words())
            if time.monotonic() > deadline:
                raise ProgramFailed(self.name, f"it was not ready after {seconds:.0f} s", self.last_words())
            time.sleep(0.02)

    def tell(self, line: str) -> None:
        """Write a line to its standard input. Raises ProgramFailed when it has ended."""
        process = self._process
        if process is None or process.stdin is None:
            raise ProgramFailed(self.name, "it was not started", "")
        try:
            with self._lock:
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
        except BrokenPipeError as exc:
            raise ProgramFailed(self.name, "it has ended", self.last_words()) from exc

    def stop(self) -> None:
        """Ask it to end and wait; what does not end in time is killed."""
        if self.is_running and self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL), and wait until it is gone."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE)
        self._close()

    def last_words(self) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:  # it ended with something unread; that is no news here
                return


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Says whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
