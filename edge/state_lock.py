"""Keeps two programs from driving one terminal."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import StateInUse


@contextmanager
def only_daemon(state: Path) -> Iterator[None]:
    """Hold the state folder; the kernel lets it go with the process, however that ends. Raises StateInUse."""
    descriptor = os.open(state / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(descriptor)
        raise StateInUse(state) from exc
    try:
        yield
    finally:
        os.close(descriptor)
