"""Lets a process live at another time than this machine: 1970, 2099, or whatever a test sets while it runs."""

import mmap
import struct
import subprocess
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("other_time.c")
_TOLD: Final = struct.Struct("=qqq")  # struct told of other_time.c


class OtherTime:
    """The clocks of the processes that are started with `environment`: wall clock, time since boot, boot, kernel.

    They go at the speed of this machine's; nobody has synchronised them until `synchronise`.
    """

    def __init__(self, folder: Path, at: datetime, since_boot: float = 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        library, told, self._boot_id = folder / "other_time.so", folder / "told", folder / "boot_id"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        told.write_bytes(bytes(_TOLD.size))
        with told.open("r+b") as file:
            self._told = mmap.mmap(file.fileno(), _TOLD.size)
        self._wall = self._since_boot = 0
        self._synchronised = False
        self.environment = {
            "LD_PRELOAD": str(library),
            "MOVED_TIME": str(told),
            "MOVED_BOOT_ID": str(self._boot_id),
        }
        self.reboot(at, since_boot)

    @property
    def now(self) -> int:
        """What the wall clock shows there, in microseconds UTC."""
        return (time.time_ns() + self._wall) // 1000

    @property
    def began_at(self) -> int:
        """When the boot began by the wall clock that counts there now, in microseconds UTC."""
        return (self._wall - self._since_boot + time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1000

    @property
    def boot_id(self) -> bytes:
        """The name of the boot."""
        return uuid.UUID(self._boot_id.read_text(encoding="ascii")).bytes

    def reboot(self, at: datetime, since_boot: float = 30) -> None:
        """A new boot that takes it to be this time; for processes that start from now on."""
        self._boot_id.write_text(str(uuid.uuid4()), encoding="ascii")
        self._since_boot = int(since_boot * 1e9) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._synchronised = False
        self.set_to(at)

    def set_to(self, at: datetime) -> None:
        """Somebody sets the wall clock."""
        self._wall = int(at.timestamp() * 1e6) * 1000 - time.time_ns()
        self._tell()

    def step(self, seconds: float) -> None:
        """The wall clock is set forward, or back."""
        self._wall += int(seconds * 1e9)
        self._tell()

    def synchronise(self) -> None:
        """The time arrives: the clock is set to this machine's own, and the kernel vouches for it from now on."""
        self._wall, self._synchronised = 0, True
        self._tell()

    def desert(self) -> None:
        """Nobody has vouched for the clock for so long that the kernel does not either."""
        self._synchronised = False
        self._tell()

    def _tell(self) -> None:
        self._told[:] = _TOLD.pack(self._wall, self._since_boot, self._synchronised)
