"""One isolated pcscd with virtual readers for a run of the tests, and cards to hold against them."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from smartcard import scard

from edge.readers.pcsc.virtual_reader import VirtualReader, reader_name


def free_port_pairs(count: int) -> list[int]:
    """Ports that nobody listens on, each with the one after it: vpcd takes both."""
    found: list[int] = []
    port = 42000 + os.getpid() % 400 * 10  # a process beside this one looks elsewhere
    while len(found) < count:
        if _is_free(port) and _is_free(port + 1):
            found.append(port)
        port += 2
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


FOLDER: Final = Path(tempfile.gettempdir(), f"grindvakt-pcscd-{os.getpid()}")
"""Where every pcscd of this process stands: libpcsclite asks for its socket once, whichever test comes first."""


def look_there() -> None:
    """Have libpcsclite look into FOLDER; called before any test."""
    os.environ |= VirtualReader(FOLDER, ()).environment


@contextmanager
def running_pcscd(ports: Sequence[int]) -> Iterator[VirtualReader]:
    """Runs it where this process looks for it."""
    try:
        with VirtualReader(FOLDER, ports) as reader:
            yield reader
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


class FieldWatcher:
    """An independent look at one reader: says when its field is empty, which no reader of ours reports."""

    def __init__(self, port: int, slot: int = 0) -> None:
        self.name = f"{reader_name(port)} 00 {slot:02}"

    def wait_until_empty(self, seconds: float = 5.0) -> None:
        """Returns once pcscd has noticed that no card is there."""
        self._wait(scard.SCARD_STATE_EMPTY, seconds)

    def wait_until_there(self, seconds: float = 5.0) -> None:
        """Returns once pcscd has noticed that a card is there."""
        self._wait(scard.SCARD_STATE_PRESENT, seconds)

    def _wait(self, awaited: int, seconds: float) -> None:
        _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        try:
            known, left = scard.SCARD_STATE_UNAWARE, int(seconds * 1000)
            while not known & awaited:
                outcome, states = scard.SCardGetStatusChange(context, left, [(self.name, known)])
                assert outcome == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(outcome)
                known = states[0][1]
        finally:
            scard.SCardReleaseContext(context)
