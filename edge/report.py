"""Says how the terminal is: to the cloud, to systemd, and to a person who asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.clock.clock import Clock
from edge.doors.door import Door
from edge.ledger.retention import room
from edge.link.link import Condition, Link
from edge.link.outbox import Outbox
from edge.pins.pins import Pins
from edge.readers import Reader
from edge.readers.overview import Overview
from edge.settings import LinkSettings
from edge.signals.patterns import PATTERNS
from edge.signals.resting import Resting
from edge.signals.signals import Signals
from edge.tables.tables import Tables
from protocol.clock import MICROSECONDS, ClockReading

LIGHTS = ("red", "green", "buzzer")


def condition(software: str, readers: Sequence[Reader], doors: Mapping[str, Door], resting: Resting) -> Condition:
    """What a status tells the cloud of the parts here."""
    there = {reader.name: reader.is_there for reader in readers}
    return Condition(software, there, {name: str(door.state) for name, door in doors.items()}, resting.held)


@dataclass(frozen=True, slots=True)
class Report:
    """Reads every part and changes none."""

    software: str
    broker: LinkSettings
    clock: Clock
    outbox: Outbox
    tables: Tables
    link: Link
    overview: Overview
    doors: Mapping[str, Door]
    signals: Signals
    resting: Resting
    pins: Pins
    panel: str | None = None

    @property
    def readers(self) -> Sequence[Reader]:
        """Every reader of the settings."""
        return self.overview.readers

    def status(self) -> dict[str, Any]:
        """Everything, for `grindvakt status`. Raises LedgerFault."""
        now, ledger = self.clock.read(), self.outbox.ledger
        parts = condition(self.software, self.readers, self.doors, self.resting)
        oldest, used = self.outbox.oldest_unsent, room(ledger.path)
        return {
            "terminal": ledger.terminal,
            "software": self.software,
            "binding": self._binding(),
            "link": self._link(now),
            "queue": {"depth": self.outbox.depth, "oldest_unsent": None if oldest is None else _moment(oldest)},
            "clock": {"utc": _moment(now.utc), "quality": now.quality, "floor": _moment(self.clock.floor)},
            "readers": self.overview.states(),
            "doors": parts.doors,
            "conditions": [{"name": each, "says": PATTERNS[each].says} for each in self.resting.held],
            "lights": {"shown": self.signals.shown, **{name: self.pins[name].is_on for name in LIGHTS}},
            "ledger": {
                "id": ledger.id.hex(),
                "last_seq": ledger.last_seq,
                "last_hash": ledger.last_hash.hex(),
                "receipted": ledger.receipted,
                "capacity_percent": used.percent,
                "disk_free_bytes": used.free,
                "behind": self.outbox.depth_behind,
            },
            "tables": self.tables.versions,
            "lacking": [table.name for table in self.tables.held() if not table.held],
            "panel": self.panel,
        }

    def words(self) -> str:
        """One line, for `systemctl status`."""
        binding, lost = self.tables.binding, [reader.name for reader in self.readers if not reader.is_there]
        where = "not bound to a project" if binding is None else f"at {binding.project_name}, {binding.place}"
        link = "online" if self.link.is_online() else "offline"
        gone = f", lost: {', '.join(lost)}" if lost else ""
        panel = f"; panel at {self.panel}" if self.panel else ""
        return f"{where}; {link}, {self.outbox.depth} entries unsent; {len(self.readers)} readers{gone}{panel}"

    def _link(self, now: ClockReading) -> dict[str, Any]:
        """`silent_seconds`: since the cloud last said something that it had signed; None where it never has."""
        silent = self.tables.unheard_for(now)
        return {
            "online": self.link.is_online(),
            "broker": f"{self.broker.host}:{self.broker.port}",
            "silent_seconds": None if silent is None else silent / MICROSECONDS,
        }

    def _binding(self) -> dict[str, Any] | None:
        binding = self.tables.binding
        if binding is None:
            return None
        named = ("project", "project_name", "place", "mode", "ended", "doors", "card_authentication")
        return {name: getattr(binding, name) for name in named}


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // MICROSECONDS, UTC).isoformat()
