"""The OSDP buses of a terminal: readers with the same device share one, which is made with the first of them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge.settings import ReaderSettings

if TYPE_CHECKING:
    from edge.readers.osdp.bus import OsdpBus, OsdpReader


class Buses:
    """Keeps the readers' keys in `folder`; nothing of OSDP is loaded where no such reader is."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment
        self._buses: dict[Path | None, OsdpBus] = {}

    def reader(self, settings: ReaderSettings) -> "OsdpReader":
        """The reader that the settings describe, not started yet."""
        from edge.readers.osdp.bus import OsdpBus
        from edge.readers.osdp.keys import ReaderKeys

        bus = self._buses.get(settings.device)
        if bus is None:
            keys = ReaderKeys(self._folder, self._environment)
            bus = self._buses[settings.device] = OsdpBus(str(settings.device), settings.baud, keys)
        return bus.seat(settings.name, settings.address, reversed_bytes=settings.reversed)
