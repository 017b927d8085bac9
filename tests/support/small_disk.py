"""A real file system of a few mebibytes that a test fills, makes read-only, and frees again."""

import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

BLOCK: Final = 4096


class SmallDisk:
    """A tmpfs at `folder` for as long as the context lasts; mounting needs root, as these tests have it."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        self.folder = folder
        self._mebibytes = mebibytes
        self._filler = folder / "filler"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._mebibytes}m", "tmpfs", str(self.folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        _run("umount", "-l", str(self.folder))

    def fill(self, leave: int = 0) -> None:
        """Take all that is free, but for so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            with suppress(OSError):  # there is no more
                while True:
                    file.write(bytes(BLOCK))
            file.truncate(max(file.tell() - leave, 0))

    def free(self) -> None:
        """Give all of it back."""
        self._filler.unlink()

    def make_read_only(self, *, on: bool) -> None:
        """What a kernel does with a file system that it no longer trusts; not while a file is open for writing."""
        _run("mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
