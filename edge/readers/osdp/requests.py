"""Has a reader given a new key because somebody at the terminal asks for it, and answers what came of it."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from edge.errors import RequestRefused
from edge.readers import Reader


class Outcome(StrEnum):
    """What came of it; sent over the local socket."""

    KEYED = "keyed"
    REPLACED = "replaced"
    SILENT = "silent"
    FOREIGN_KEY = "foreign_key"
    NOT_CAPABLE = "not_capable"
    UNPROVED = "unproved"
    PORT_GONE = "port_gone"


@runtime_checkable
class Keyed(Protocol):
    """A reader with a key."""

    def provision(self) -> "Future[Outcome]":
        """Give it a new one; the outcome, or ReaderKeysUnusable."""


async def provision(readers: Iterable[Reader], name: str) -> dict[str, Any]:
    """Give the reader of this name a new key, and say what came of it. Raises RequestRefused, ReaderKeysUnusable."""
    keyed = {reader.name: reader for reader in readers if isinstance(reader, Keyed)}
    if not keyed:
        raise RequestRefused('no reader here has a key: only those of kind = "osdp" do')
    if name not in keyed:
        raise RequestRefused(f"no reader with a key is called {name!r}; there are {', '.join(keyed)}")
    outcome = await asyncio.wrap_future(keyed[name].provision())
    return {"reader": name, "outcome": str(outcome)}
