"""Shows on the readers' own lights what the terminal's show: the terminal's first, and nobody waits for a reader."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from edge.signals.signals import Outputs


@dataclass(frozen=True, slots=True)
class Light:
    """What is on."""

    red: bool = False
    green: bool = False
    buzzer: bool = False


DARK: Final = Light()


@runtime_checkable
class Lamp(Protocol):
    """A reader with lights: it takes what is to be shown at once, and shows the newest when it can."""

    @property
    def name(self) -> str:
        """What the settings call it."""

    def light(self, shown: Light, /) -> None:
        """Show this from now on. Returns at once and never fails."""


class ReaderLights:
    """The terminal's outputs with those of the readers behind them.

    The answer to a tap is for whoever stands there: it shows at the reader that the card was held against, and not at
    the others. What shows at rest shows at all.
    """

    def __init__(self, pins: Outputs) -> None:
        self._pins = pins
        self._lamps: Mapping[str, Lamp] = {}
        self._on = {"red": False, "green": False, "buzzer": False}
        self._facing: str | None = None
        self._told: dict[str, Light] = {}
        self.is_answering: Callable[[], bool] = _never

    def join(self, readers: Iterable[object]) -> None:
        """Those of these readers that have lights show them from now on."""
        self._lamps = {reader.name: reader for reader in readers if isinstance(reader, Lamp)}
        self._tell()

    def face(self, reader: str) -> None:
        """What is answered next is for this reader."""
        self._facing = reader

    def set(self, name: str, on: bool, /) -> None:
        """Turn one of the terminal's on or off, and the readers' after it. Raises PinsFault, when they are told too."""
        try:
            self._pins.set(name, on)
        finally:
            self._on[name] = on
            self._tell()

    def _tell(self) -> None:
        if not self._lamps:
            return
        answers, state = self.is_answering(), Light(**self._on)
        for name, lamp in self._lamps.items():
            shown = DARK if answers and name != self._facing else state
            if self._told.get(name) != shown:
                self._told[name] = shown
                lamp.light(shown)


def _never() -> bool:
    return False
