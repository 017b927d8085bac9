"""Puts the panel together with the parts of the terminal that it shows and asks."""

from collections.abc import Iterable, Mapping
from functools import partial

from edge.doors.simulated_door import SimulatedDoor
from edge.panel.server import Panel, Respond
from edge.panel.view import PanelCard, View
from edge.report import Report
from edge.scheduler import Scheduler
from edge.settings import PanelSettings
from edge.sightings import Sightings


class Front:
    """The front of a simulated terminal. Its address is known at once; `show` and then `run` follow."""

    def __init__(self, settings: PanelSettings) -> None:
        """Take the port. Raises PanelUnavailable."""
        self._cards = [PanelCard.parse(each) for each in settings.cards]
        self._panel = Panel(settings.port)
        self.address = self._panel.address
        self.close = self._panel.close

    def show(
        self,
        loop: Scheduler,
        report: Report,
        sightings: Sightings,
        tappable: Iterable[str],
        doors: Mapping[str, SimulatedDoor],
    ) -> None:
        """Show these parts, and tell open pages at once when a line changes or a tap is answered."""
        view = View(report, tappable, doors, self._cards)
        sightings.on_answer = view.answered
        if report.pins.simulation is not None:
            report.pins.simulation.look_on(partial(loop.call_soon_threadsafe, self._panel.changed))
        self._look = view.look

    async def run(self, respond: Respond) -> None:
        """Serve the page until cancelled."""
        await self._panel.serve(self._look, respond)
