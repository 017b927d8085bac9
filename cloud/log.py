"""Sets up the log: JSON, one line a fact, to standard output, which journald keeps; libraries' own lines among them."""

import logging
import sys
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from cloud.events import Event

SHARED: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.format_exc_info,
)


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send what is logged from now on, from `level` up, to `stream` (standard output), as JSON with time and level."""
    out = stream or sys.stdout
    structlog.configure(
        processors=[*SHARED, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    lines = logging.StreamHandler(out)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*SHARED, _as_event],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[lines], level=logging.WARNING, force=True)


def _as_event(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """A library's sentence is no name of an event: it becomes the value of one."""
    record: logging.LogRecord = event["_record"]
    event.update(event=Event.LIBRARY_SAID, library=record.name, line=event["event"])
    return event
