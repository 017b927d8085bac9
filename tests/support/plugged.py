"""USB sticks as a machine has them: real file systems behind loop devices, and a sysfs that tells of them."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge.visit.sticks import SECTOR, Machine

SHUT_DOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN: from here on the file system answers as if its disk were gone
WITHOUT_LOG: Final = 2


class Plugged:
    """A machine without any disk at first; leave the context and what was plugged in is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "sys" / "block").mkdir(parents=True)
        (folder / "dev").mkdir()
        self.machine = Machine(folder / "sys", folder / "dev", Path("/proc/self/mountinfo"))
        self._loops: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for loop in self._loops:
            subprocess.run(["umount", "--lazy", "--quiet", loop], check=False, capture_output=True)
            subprocess.run(["losetup", "--detach", loop], check=False, capture_output=True)

    def plug(self, name: str, mebibytes: int = 8, *, part: str = "1", read_only: bool = False) -> str:
        """Plug in a stick with an ext4 file system; the loop device behind it."""
        image = self._folder / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(mebibytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        options = ["--read-only"] if read_only else []
        loop = _run("losetup", "--find", "--show", *options, str(image)).strip()
        self._loops.append(loop)
        number = Path(loop).stat().st_rdev
        self.tell(name, part, f"{os.major(number)}:{os.minor(number)}", mebibytes << 20)
        (self._folder / "dev" / f"{name}{part}").symlink_to(loop)
        return loop

    def tell(self, name: str, part: str, number: str, size: int, *, removable: bool = True) -> None:
        """Let the kernel tell of a disk, with one part or without any."""
        disk = self._folder / "sys" / "block" / name
        (disk / "device").mkdir(parents=True)
        (disk / "device" / "model").write_text("Stick \n")
        (disk / "removable").write_text(f"{int(removable)}\n")
        for folder in (disk, disk / f"{name}{part}"):
            folder.mkdir(exist_ok=True)
            (folder / "size").write_text(f"{size // SECTOR}\n")
            (folder / "dev").write_text("250:0\n" if folder == disk and part else f"{number}\n")
        if part:
            (disk / f"{name}{part}" / "partition").write_text("1\n")


def pull_out(place: Path) -> None:
    """What is mounted there stops answering, in the middle of whatever is being written."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_LOG))
    finally:
        os.close(descriptor)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
