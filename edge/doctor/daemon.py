"""Looks whether the daemon runs, since when, in which version, and whether it will start again by itself."""

import os
import socket
import struct
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge.config import EXIT_CONFIG
from edge.doctor import Finding, bad, doubtful, good, unknown
from edge.doctor.unit import Unit, ask_systemd
from edge.errors import DaemonUnreachable, RequestRefused, SocketForbidden
from edge.local import FILE_NAME, Answer, AskStatus, ask
from edge.settings import Settings
from edge.version import software
from edge.words import _

PART: Final = "daemon"
PATIENCE: Final = 3.0
LOOPS: Final = 3
"""So many restarts of systemd's are no accident any more."""

_START_TIME: Final = 19  # field 22 of /proc/PID/stat, counted from the one after the name (proc(5))


@dataclass(frozen=True, slots=True)
class Daemon:
    """What can be seen of the daemon; `status` is its own answer, None where it gave none and `silence` says why.

    `since`: when its process began. `forbidden`: it may run, and we may not ask it.
    """

    status: Answer | None = None
    silence: str = ""
    forbidden: bool = False
    pid: int | None = None
    since: datetime | None = None
    unit: Unit | None = None
    installed: str = ""


def look_at_daemon(settings: Settings) -> Daemon:
    """Ask the daemon, the kernel and systemd."""
    path = settings.terminal.runtime_dir / FILE_NAME
    unit, pid = ask_systemd(), _listener(path)
    since = None if pid is None else _began(pid)
    try:
        return Daemon(ask(path, AskStatus()), "", False, pid, since, unit, software())
    except SocketForbidden as fault:
        return Daemon(None, str(fault), True, pid, since, unit, software())
    except DaemonUnreachable as fault:
        return Daemon(None, fault.reason, False, pid, since, unit, software())
    except RequestRefused as fault:  # it runs, and its ledger or tables cannot be read at the moment
        return Daemon(None, str(fault), False, pid, since, unit, software())


def judge_daemon(seen: Daemon) -> Finding:
    """Whether it runs, and will again after the next power cut."""
    if seen.status is None:
        return _silent(seen)
    words = _words(seen)
    running = str(seen.status.get("software", ""))
    if running != seen.installed:
        found = _("{words}; installed is {installed}").format(words=words, installed=seen.installed)
        return doubtful(PART, found, _("restart it, so that the installed one runs: `systemctl restart grindvakt`"))
    if seen.unit is None:
        return good(PART, _("{words}; systemd does not run here, so nobody starts it again").format(words=words))
    if not seen.unit.is_installed:
        found = _("{words}; systemd knows no unit of it").format(words=words)
        return doubtful(PART, found, _("it will not start after a power cut: install systemd/grindvakt.service"))
    if seen.unit.enabled != "enabled":
        found = _("{words}; its unit is not enabled").format(words=words)
        return doubtful(PART, found, _("it will not start after a power cut: `systemctl enable grindvakt`"))
    if seen.unit.restarts >= LOOPS:
        found = _("{words}; systemd has restarted it {count} times").format(words=words, count=seen.unit.restarts)
        return doubtful(PART, found, _("the reason stands in `journalctl -u grindvakt -p warning`"))
    return good(PART, words)


def _words(seen: Daemon) -> str:
    version = str((seen.status or {}).get("software", "?"))
    if seen.since is None:
        return _("runs, version {version}").format(version=version)
    since = f"{seen.since.astimezone():%Y-%m-%d %H:%M}"
    return _("runs since {since}, version {version}, process {pid}").format(since=since, version=version, pid=seen.pid)


def _silent(seen: Daemon) -> Finding:
    if seen.forbidden:
        return unknown(PART, _("you may not ask it"), _("ask as root, or as a member of the group grindvakt"))
    if seen.pid is not None:
        found = _("runs as process {pid} and does not answer: {why}").format(pid=seen.pid, why=seen.silence)
        return bad(PART, found, _("look at `journalctl -u grindvakt -n 30`; restart it if nothing there explains it"))
    unit = seen.unit
    if unit is None or not unit.is_installed:
        found = _("does not run")
        return bad(PART, found, _("start it: `systemctl start grindvakt`, or by hand `grindvakt run`"))
    if unit.active == "active":
        found = _("systemd runs it and it does not answer: {text}").format(text=unit.text or seen.silence)
        return bad(PART, found, _("nothing is recorded meanwhile: look at `journalctl -u grindvakt -n 30`"))
    if unit.status == EXIT_CONFIG:
        found = _("ended because its settings are wrong (status 78); systemd does not start it again")
        return bad(PART, found, _("correct what `grindvakt check-config` says, then `systemctl restart grindvakt`"))
    if unit.restarts >= LOOPS:
        found = _("starts and ends over and over: {count} times, status {status}")
        found = found.format(count=unit.restarts, status=unit.status)
        return bad(PART, found, _("the reason stands in `journalctl -u grindvakt -n 30`"))
    found = _("does not run (systemd: {active}, status {status})").format(active=unit.active, status=unit.status)
    return bad(PART, found, _("`systemctl start grindvakt`; if it ends again: `journalctl -u grindvakt -n 30`"))


def _listener(path: Path) -> int | None:
    """The process behind a Unix socket, as the kernel knows it (unix(7), SO_PEERCRED); None where there is none."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(str(path))
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    pid: int = struct.unpack("3i", peer)[0]
    return pid or None


def _began(pid: int) -> datetime | None:
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if "btime" in line)
        ticks = os.sysconf("SC_CLK_TCK")
        return datetime.fromtimestamp(int(boot.split()[1]) + int(fields[_START_TIME]) / ticks, UTC)
    return None
