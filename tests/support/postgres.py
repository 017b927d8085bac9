"""A real PostgreSQL server of the tests' own: on loopback, in a folder, started, stopped and killed at will."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

DEADLINE: Final = 30.0
OWNERS: Final = ("postgres", "nobody")


def programs() -> Path:
    """The folder of initdb and pg_ctl, which Debian keeps off the PATH."""
    if shutil.which("pg_config"):
        asked = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True)
        if (Path(asked.stdout.strip()) / "initdb").exists():
            return Path(asked.stdout.strip())
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "PostgreSQL is missing: apt-get install --no-install-recommends postgresql"
    return found[-1].parent


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A server in `folder` (every folder above it must be open to others: PostgreSQL does not run as root).

    It keeps its port and its rows over `stop` and `kill`, and fsync is on unless told otherwise.
    """

    def __init__(self, folder: Path, fsync: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self._fsync = fsync
        self._bin = programs()
        self._cluster = folder / "cluster"

    @classmethod
    @contextmanager
    def temporary(cls, fsync: bool = True) -> Iterator["PostgresServer"]:
        """A started server in a folder that goes away with it."""
        folder = Path(tempfile.mkdtemp(prefix="grindvakt-pg-"))
        server = cls(folder, fsync)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)

    def url(self, dbname: str) -> str:
        """The address for `cloud.database.Database` and for cloud.toml."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{dbname}"

    def start(self) -> None:
        """Start the server, making its cluster the first time; returns when it answers."""
        if not self._cluster.exists():
            self._prepare()
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        options += "" if self._fsync else " -c fsync=off"
        log = str(self.folder / "server.log")
        deadline = time.monotonic() + DEADLINE
        while True:  # after a kill, the old server's children hold its shared memory for a moment
            started = self._run("pg_ctl", "-D", str(self._cluster), "-l", log, "-w", "-o", options, "start")
            if started.returncode == 0:
                return
            assert time.monotonic() < deadline, Path(log).read_text(encoding="utf-8")[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server in order, cutting its clients off; one that does not run is left alone."""
        if self._pid() is not None:
            self._run("pg_ctl", "-D", str(self._cluster), "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """Kill the server as a power cut of the program would: nothing is written any more."""
        pid = self._pid()
        assert pid is not None, "the server does not run"
        os.kill(pid, signal.SIGKILL)

    def create(self, dbname: str, template: str = "template0") -> str:
        """Make a database, as a copy of another; its address. Nobody may be connected to the template."""
        self._tell(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(dbname), sql.Identifier(template)))
        return self.url(dbname)

    def drop(self, dbname: str) -> None:
        """Take a database away, with whoever is connected."""
        self._tell(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dbname)))

    def _tell(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _prepare(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, _owner())
        made = self._run("initdb", "-D", str(self._cluster), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        assert made.returncode == 0, made.stderr

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_owner())
            command = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *command]
        with tempfile.TemporaryFile("w+") as said:  # a pipe would be held open by the server
            done = subprocess.run(
                command, check=False, stdout=said, stderr=said, cwd="/", env=os.environ | {"LC_ALL": "C"}
            )
            said.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", said.read())

    def _pid(self) -> int | None:
        try:
            return int((self._cluster / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        except (FileNotFoundError, IndexError):
            return None


def _owner() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in OWNERS if name in known)
