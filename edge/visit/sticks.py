"""Finds the USB sticks that are plugged in, and mounts one that is not mounted, for nobody else to see."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import StickFault

PATIENCE: Final = 60.0
SECTOR: Final = 512  # bytes; the unit of `size` in sysfs whatever the disk's own is
LONGEST_FILE: Final = 1 << 20

# a disk with one of these is the machine's own, however it is plugged in: a Pi may start from USB
_OWN: Final = frozenset({"/", "/boot", "/boot/firmware", "/home", "/usr", "/var"})
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_NOT_STICKS: Final = ("loop", "ram", "zram", "sr", "md", "dm-")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel tells of disks; tests have one of their own."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    mounts: Path = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Stick:
    """A file system on a removable disk: its device, its size in bytes, and where it is mounted, if it is."""

    name: str
    disk: str
    device: Path
    model: str
    size: int
    mounted_at: Path | None

    @property
    def words(self) -> str:
        """For choosing among several."""
        return f"{self.name} ({self.model or 'utan namn'}, {self.size / 1e9:.1f} GB)"


def sticks(machine: Machine, state: Path) -> list[Stick]:
    """Every stick that is plugged in, one for each disk; the disk that `state` lies on is none."""
    mounted = dict(_mounts(machine.mounts))
    found = []
    for disk in sorted((machine.sys / "block").glob("*")):
        if disk.name.startswith(_NOT_STICKS) or not _is_removable(disk):
            continue
        parts = sorted(part for part in disk.glob(f"{disk.name}*") if (part / "partition").exists()) or [disk]
        numbers = {_word(part / "dev") for part in [*parts, disk]}
        if any(str(mounted[number]) in _OWN for number in numbers & mounted.keys()) or _number_of(state) in numbers:
            continue
        best = max(parts, key=lambda part: (_word(part / "dev") in mounted, _size(part)))
        if _size(best):
            place, model = mounted.get(_word(best / "dev")), _word(disk / "device" / "model")
            found.append(Stick(best.name, disk.name, machine.dev / best.name, model, _size(best), place))
    return found


def chosen(found: list[Stick], name: str | None) -> Stick:
    """The stick of that name, or the only one there is. Raises StickFault."""
    if not found:
        raise StickFault("inget USB-minne hittas", "sätt i ett och vänta några sekunder")
    names = ", ".join(stick.words for stick in found)
    if name is None:
        if len(found) > 1:
            raise StickFault(f"flera USB-minnen sitter i: {names}", f"säg vilket, till exempel --usb {found[0].name}")
        return found[0]
    wanted = name.removeprefix("/dev/")
    for stick in found:
        if wanted in {stick.name, stick.disk, str(stick.device)} or Path(name) == stick.mounted_at:
            return stick
    raise StickFault(f"{name} är inget USB-minne som sitter i", f"här finns {names}")


@contextmanager
def mounted(stick: Stick) -> Iterator[Path]:
    """Where the stick can be written; one that was not mounted is mounted for this alone, and let go of afterwards.

    Raises StickFault.
    """
    if stick.mounted_at is not None:
        yield stick.mounted_at
        return
    if os.geteuid() != 0:
        raise StickFault(f"{stick.name} är inte monterat, och bara root får montera", "kör kommandot med sudo")
    hidden = Path(tempfile.mkdtemp(prefix="grindvakt-usb-"))  # 0700: what is mounted has a mode of its own
    place = hidden / "stick"
    try:
        place.mkdir()
        _mount(stick, place)
        try:
            yield place
        except BaseException:
            _let_go(place)
            raise
        _unmount(stick, place)
    finally:
        with suppress(OSError):
            place.rmdir()
            hidden.rmdir()


def _mount(stick: Stick, place: Path) -> None:
    done = _run("mount", "-w", "-o", "nosuid,nodev,noexec", str(stick.device), str(place))
    if done.returncode == 0:
        return
    why = done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"mount svarade {done.returncode}"
    if "write-protected" in done.stderr or "read-only" in done.stderr:
        raise StickFault(f"{stick.name} är skrivskyddat", "flytta spärren på minnet, eller ta ett annat")
    raise StickFault(
        f"{stick.name} kan inte monteras ({why})", "formatera det som FAT32 eller exFAT, eller ta ett annat"
    )


def _unmount(stick: Stick, place: Path) -> None:
    done = _run("umount", str(place))
    if done.returncode != 0:
        _let_go(place)
        raise StickFault(f"{stick.name} kunde inte avmonteras ({done.stderr.strip()})", "kör kommandot igen")


def _let_go(place: Path) -> None:
    """After a fault: the stick may be gone already, and nobody shall have to wait for it."""
    if _run("umount", str(place)).returncode != 0:
        _run("umount", "--lazy", str(place))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE, env=environment, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return subprocess.CompletedProcess(command, 1, "", str(exc))


def _is_removable(disk: Path) -> bool:
    return _word(disk / "removable") == "1" or "/usb" in str(disk.resolve())


def _mounts(path: Path) -> Iterator[tuple[str, Path]]:
    """Device number and place of each mount; the first place of a device (proc_pid_mountinfo(5))."""
    seen = set()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:LONGEST_FILE]
    except OSError:
        return
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[2] not in seen and fields[3] == "/":
            seen.add(fields[2])
            yield fields[2], Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))


def _number_of(path: Path) -> str:
    """The number of the device that a path lies on, as sysfs writes it; "" where there is none."""
    try:
        number = path.stat().st_dev
    except OSError:
        return ""
    return f"{os.major(number)}:{os.minor(number)}"


def _size(part: Path) -> int:
    word = _word(part / "size")
    return int(word) * SECTOR if word.isascii() and word.isdigit() else 0


def _word(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[:200].strip()
    return ""
