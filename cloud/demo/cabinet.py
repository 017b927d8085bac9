"""The demonstration's folder: a fresh one for each run, used by one run at a time, and never somebody else's."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from cloud.errors import DemoImpossible

MARK: Final = "this-is-a-grindvakt-demo"


def fresh(folder: Path) -> Path:
    """Make the folder anew; what an earlier demonstration left there goes.

    Raises DemoImpossible when it belongs to somebody else, or when a demonstration runs there now.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DemoImpossible(f"{folder} holds something else; name an empty folder with --folder")
    if (folder / MARK).exists():
        os.close(_locked(folder))
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    _locked(folder)  # held until this program ends
    return folder.resolve()


def _locked(folder: Path) -> int:
    mark = os.open(folder / MARK, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(mark)
        raise DemoImpossible(f"a demonstration runs in {folder} now; stop it, or name another --folder") from exc
    return mark
