"""A card in the virtual reader's field that says it is there, and answers nothing that it is asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edge.readers.pcsc.virtual_card import ATR, TELL_ATR


@contextmanager
def mute_card(port: int) -> Iterator[threading.Event]:
    """Held there until the block ends; the event is set once it was asked something."""
    asked = threading.Event()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.settimeout(None)
        thread = threading.Thread(target=_serve, args=(line, asked), name=f"mute card {port}", daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(line: socket.socket, asked: threading.Event) -> None:
    with suppress(OSError), line.makefile("rb") as received:
        while size := int.from_bytes(received.read(2)):
            message = received.read(size)
            if message == TELL_ATR:
                line.sendall(len(ATR).to_bytes(2) + ATR)
            elif size > 1:
                asked.set()
