"""Looks at the disk that the ledger lies on: room, whether it can be written, and how long a durable write takes."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.doctor import Finding, bad, doubtful, good
from edge.ledger.reserve import SIZE
from edge.ledger.retention import LEAST_FREE
from edge.words import _

PART: Final = "disk"
SLOW: Final = 0.25
"""Seconds for one durable write; a healthy SD card needs some ten milliseconds, and a tap waits for one."""

FEW_FILES: Final = 1000
IN_MEMORY: Final = ("tmpfs", "ramfs")
PROBE: Final = bytes(4096)
READ_ONLY: Final = os.ST_RDONLY
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes free and of how many; `files_free` is None where the file system has no such limit.

    `took`: seconds of one durable write, None where `unwritten` says why there was none. `reserved`: whether the
    ledger's reserve is held, None where nobody began a ledger yet or we may not look.
    """

    folder: Path
    free: int
    size: int
    files_free: int | None = None
    is_read_only: bool = False
    took: float | None = None
    unwritten: str = ""
    reserved: bool | None = None
    is_card: bool = False
    is_memory: bool = False


def look_at_disk(folder: Path) -> Disk:
    """Look at the folder, or at the nearest above it that there is; the write goes to a file without a name."""
    there = next(each for each in (folder, *folder.absolute().parents) if os.access(each, os.F_OK))
    told = os.statvfs(there)
    took, unwritten = _durable_write(there)
    return Disk(
        folder=there,
        free=told.f_bavail * told.f_frsize,
        size=told.f_blocks * told.f_frsize,
        files_free=told.f_favail if told.f_files else None,
        is_read_only=bool(told.f_flag & READ_ONLY),
        took=took,
        unwritten=unwritten,
        reserved=_reserved(folder),
        is_card=_is_card(there),
        is_memory=_kind(there) in IN_MEMORY,
    )


def judge_disk(disk: Disk) -> Finding:
    """Whether taps can be recorded, now and next month."""
    words = _words(disk)
    renew = (
        _("look at `dmesg` for errors of the card and renew it") if disk.is_card else _("look at `dmesg` for errors")
    )
    if disk.is_read_only:
        return bad(PART, _("{folder} cannot be written: read-only").format(folder=disk.folder), renew)
    if disk.free < SIZE:
        return bad(PART, _("full: {words}").format(words=words), _make_room())
    if disk.files_free is not None and disk.files_free < FEW_FILES:
        found = _("{words}; only {count} more files can be made").format(words=words, count=disk.files_free)
        return doubtful(PART, found, _("remove what lies there in many small files: `df -i`"))
    if disk.is_memory:
        found = _("{folder} lies in memory: the next power cut takes the ledger with it").format(folder=disk.folder)
        return bad(PART, found, _("give state_dir a folder on a disk"))
    if disk.free < LEAST_FREE or disk.reserved is False:
        return doubtful(PART, _("nearly full: {words}").format(words=words), _make_room())
    if disk.took is not None and disk.took > SLOW:
        return doubtful(PART, words, _("each tap waits so long; {renew}").format(renew=renew))
    return good(PART, words)


def _words(disk: Disk) -> str:
    room = _("{free} of {size} MiB free").format(free=disk.free // MEBIBYTE, size=disk.size // MEBIBYTE)
    if disk.took is not None:
        where = _("an SD card") if disk.is_card else _("this disk")
        write = _("a durable write on {where} took {ms:.0f} ms").format(where=where, ms=disk.took * 1000)
    else:
        write = _("no write was tried: {why}").format(why=disk.unwritten)
    return f"{room}, {write}"


def _make_room() -> str:
    return _("make room: `journalctl --vacuum-size=100M` and `apt clean`, or take a larger card")


def _durable_write(folder: Path) -> tuple[float | None, str]:
    """Seconds that a page took to the disk; the file has no name, so nothing of it is left whatever happens."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        return None, exc.strerror or str(exc)
    try:
        begun = time.monotonic()
        os.write(descriptor, PROBE)
        os.fsync(descriptor)
        return time.monotonic() - begun, ""
    except OSError as exc:
        return None, exc.strerror or str(exc)
    finally:
        os.close(descriptor)


def _reserved(folder: Path) -> bool | None:
    if os.access(folder, os.X_OK) and os.access(folder / "ledger.db", os.F_OK):
        return os.access(folder / "ledger.reserve", os.F_OK)
    return None


def _is_card(folder: Path) -> bool:
    device = folder.stat().st_dev
    return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name.startswith("mmcblk")


def _kind(folder: Path) -> str:
    """The type of the file system that a folder lies on, from /proc/self/mountinfo (proc(5))."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        mount, _dash, more = line.partition(" - ")
        if mount.split()[2] == number:
            return more.split()[0]
    return ""
