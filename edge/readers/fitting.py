"""Makes the reader that a section of the settings describes."""

from functools import partial
from typing import assert_never

from edge.readers import Reader
from edge.readers.profiles import frames_of
from edge.readers.simulated import SimulatedReader
from edge.settings import ReaderSettings


def fitted_reader(settings: ReaderSettings) -> Reader:
    """Not started yet; what drives a kind is loaded only where one is there."""
    match settings.kind:
        case "pcsc":
            from edge.readers.pcsc import PcscReader

            return PcscReader(settings.name, settings.pcsc or "")
        case "serial":
            from edge.readers.serial import SerialReader

            frames = partial(frames_of, settings.profile, is_reversed=settings.reversed)
            return SerialReader(settings.name, str(settings.device), frames, settings.baud)
        case "simulated":
            return SimulatedReader(settings.name)
        case _:
            assert_never(settings.kind)
