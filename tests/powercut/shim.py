"""Builds the shim with gcc, and starts programs with it: their changes are written down, their disk fails on demand."""

import errno
import mmap
import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("shim.c")
FOREVER: Final = -1
KILL: Final = -1
LIE: Final = -2
EIO: Final = errno.EIO
ENOSPC: Final = errno.ENOSPC

_RULE: Final = struct.Struct("<16s32siiii")
_RULES: Final = 16


def build(folder: Path) -> Path:
    """Compile the shim into a folder; where it is now."""
    built = folder / "powercut.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    subprocess.run(["gcc", *flags, "-o", str(built), str(SOURCE), "-ldl"], check=True, capture_output=True, timeout=60)
    return built


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of calls named `call` on files whose name ends in `suffix`; the folder itself is called "." there.

    The first `skip` of them pass, then it happens to `left` of them: `error` is an errno, or KILL (the program dies
    before the call), LIE (a sync that says it is done, and does nothing), or 0 for nothing but the delay, in seconds.
    """

    call: str
    suffix: str
    error: int = 0
    skip: int = 0
    left: int = FOREVER
    delay: float = 0.0


class Shim:
    """What a program is started with so that its files below `root` are watched. The journal grows over its lives.

    `standing` are faults that always hold.
    """

    def __init__(self, library: Path, root: Path, folder: Path, standing: Sequence[Fault] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._standing = standing
        self._library = library
        self._root = root.resolve()
        self.journal = folder / "journal"
        self._faults = folder / "faults"
        self.fail()

    @property
    def environment(self) -> Mapping[str, str]:
        """What to add to the program's environment."""
        watched = {"POWERCUT_ROOT": self._root, "POWERCUT_JOURNAL": self.journal, "POWERCUT_FAULTS": self._faults}
        return {"LD_PRELOAD": str(self._library), **{name: str(path) for name, path in watched.items()}}

    def fail(self, *faults: Fault) -> None:
        """From now on these and the standing ones, and no others, also in a program that runs already."""
        packed = b"".join(
            _RULE.pack(
                each.call.encode(), each.suffix.encode(), each.skip, each.left, each.error, round(each.delay * 1e6)
            )
            for each in (*self._standing, *faults)
        )
        whole = packed.ljust(_RULE.size * _RULES, b"\0")
        assert len(whole) == _RULE.size * _RULES, f"at most {_RULES} faults at once"
        file = os.open(self._faults, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(file, len(whole))
            with mmap.mmap(file, len(whole)) as shared:
                shared[:] = whole
        finally:
            os.close(file)
