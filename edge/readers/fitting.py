"""Makes the reader that a section of the settings describes, and what has its cards prove themselves."""

from functools import partial
from pathlib import Path
from typing import assert_never

import structlog

from edge.events import Event
from edge.piv.exchange import Asks
from edge.readers import Reader
from edge.readers.osdp.buses import Buses
from edge.readers.serial.profiles import frames_of
from edge.readers.simulated import SimulatedReader
from edge.settings import CardSettings, ReaderSettings, Settings
from edge.tables.tables import Tables
from protocol.decision import CardAuthentication

_log = structlog.get_logger()


def fitted_readers(settings: Settings, folder: Path, tables: Tables) -> list[Reader]:
    """All of a terminal's, which keep their keys in `folder`, and ask cards for proof as the binding says."""
    buses, prover = Buses(folder), fitted_prover(settings.cards, tables)
    return [fitted_reader(each, buses, prover) for each in settings.readers]


def fitted_reader(settings: ReaderSettings, buses: Buses, prover: Asks | None = None) -> Reader:
    """Not started yet; what drives a kind is loaded only where one is there. `prover` asks its cards for proof."""
    match settings.kind:
        case "pcsc":
            from edge.readers.pcsc.pcsc import PcscReader

            return PcscReader(settings.name, settings.pcsc or "", is_reversed=settings.reversed, prover=prover)
        case "serial":
            from edge.readers.serial.serial import SerialReader

            frames = partial(frames_of, settings.profile, is_reversed=settings.reversed)
            return SerialReader(settings.name, str(settings.device), frames, settings.baud)
        case "osdp":
            return buses.reader(settings)
        case "simulated":
            return SimulatedReader(settings.name)
        case _:
            assert_never(settings.kind)


def fitted_prover(cards: CardSettings, tables: Tables) -> Asks | None:
    """Asks cards as the binding of the moment says; None where no issuer is known, so that no card can be believed."""
    if not cards.issuers:
        return None
    from edge.piv.proof import Prover
    from edge.piv.trusted import load

    loaded = load(cards.issuers)
    for problem in loaded.problems:
        _log.error(Event.ISSUER_REFUSED, why=problem, then="cards of this issuer cannot prove themselves")
    return Prover(loaded.issuers, partial(_asks_for_proof, tables)) if loaded.issuers else None


def _asks_for_proof(tables: Tables) -> bool:
    """A look from a reader's thread: the binding is replaced as a whole."""
    binding = tables.binding
    return binding is not None and binding.card_authentication is not CardAuthentication.OFF
