"""A simulated terminal whose front panel can be opened in a browser: demo cards, and a door with a motor lock."""

from contextlib import closing
from pathlib import Path
from typing import Any

from cloud.demo.cast import BLOCKED_PERSON, PEOPLE, UNKNOWN_UID
from edge.ledger.inspection import LedgerInspection
from edge.tables.tables import Tables
from protocol.cards import CardId
from protocol.entries import DoorChange, Tap
from tests.support.gate import Cloud
from tests.support.terminal_process import SETTINGS, TerminalProcess

ANNA, JOHAN, *_ = PEOPLE
BLOCKED = BLOCKED_PERSON
UNKNOWN = f"uid:{UNKNOWN_UID}"

DOOR = """
[[door]]
name = "gate"
kind = "motor"
pin = 5
pin_lock = 6
bolt_pin = 7
withdrawn_pin = 11
contact_pin = 8
exit_pin = 9
tamper_pin = 10
access_seconds = 30
"""


def panelled(folder: Path, port: int = 0) -> TerminalProcess:
    """Such a terminal, bound to a project with the demonstration's people, and not yet started."""
    people = [*PEOPLE[:7], BLOCKED]
    cards = [f'"uid:{each.uid} {each.name} ({each.company.name})"' for each in people]
    plain = SETTINGS.partition("[[door]]")[0]
    listed = f'[panel]\nport = {port}\ncards = [{", ".join(cards)}, "{UNKNOWN} Somebody new"]\n'
    terminal = TerminalProcess(folder, plain + listed + DOOR)
    terminal.state.mkdir()
    with closing(Tables.open(terminal.state / "tables.db")) as tables:
        cloud = Cloud(tables)
        cloud.bind()
        for number, each in enumerate(people):
            cloud.enrol(CardId.parse(f"uid:{each.uid}"), f"{number:016x}")
        cloud.block(CardId.parse(f"uid:{BLOCKED.uid}"))
    return terminal


def address(terminal: TerminalProcess) -> str:
    """Where its panel is."""
    return str(terminal.status()["panel"]).rstrip("/")


def recorded(terminal: TerminalProcess, kind: type[Tap] | type[DoorChange]) -> list[Any]:
    """The taps or the changes of doors that are in its ledger."""
    with LedgerInspection(terminal.state / "ledger.db") as inspection:
        return [payload for _, payload in inspection.tail(1000) if isinstance(payload, kind)]
