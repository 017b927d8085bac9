"""Sets up the log: JSON, one line a fact, to standard output, which journald keeps."""

import os
import sys
from typing import Final

import msgspec

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # structlog would load it (+15 ms); the daemon draws nothing
import structlog  # noqa: E402

if sys.modules["rich"] is None:
    del sys.modules["rich"]  # type: ignore[unreachable]  # whoever asks for it from now on gets it

STDOUT: Final = 1

_encoder = msgspec.json.Encoder(enc_hook=str)


class Lines:
    """Writes each line with one system call; a log that nobody takes any more must not stop a tap, so it is let go."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def msg(self, line: bytes) -> None:
        """Write a line; structlog calls this under the name of the level."""
        try:
            os.write(self._descriptor, line + b"\n")
        except OSError:  # nobody reads: the ledger has what counts, and there is nowhere left to say so
            return

    debug = info = warning = error = critical = exception = msg


def configure(descriptor: int = STDOUT) -> None:
    """Send everything that is logged from now on to `descriptor`, as JSON with time and level."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: _encoder.encode(event)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=lambda *_: Lines(descriptor),
        cache_logger_on_first_use=True,
    )
