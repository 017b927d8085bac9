"""The real daemon on a ledger that is damaged: it ends once, begins anew at once, and does not go round in circles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from edge.daemon import EXIT_BUG
from edge.ledger.aside import asides
from protocol.cards import CardId
from tests.support.audit import ledger_copy
from tests.support.gate import ANNA
from tests.support.terminal_process import TerminalProcess
from tests.support.waiting import until
from tests.support.wreck import LEAF, Wreck, overwrite

TAPS: Final = 150  # more than are looked at before the first tap


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path) as process:
        yield process


def used(terminal: TerminalProcess) -> Wreck:
    """Some taps, and an end in order: everything stands in the file."""
    terminal.bind({ANNA: "anna"})
    terminal.start()
    for number in range(TAPS):
        assert terminal.tap(CardId.parse(f"uid:04{number:012X}"))["outcome"] == "granted"
    assert terminal.tap(ANNA)["direction"] == "in"
    terminal.stop()
    copy = ledger_copy(terminal.state / "ledger.db")
    rows = {row.seq: (row.digest, row.hash, row.payload) for row in copy.rows}
    return Wreck(terminal.state, copy.ledger, rows, 0)


def shown(terminal: TerminalProcess) -> set[str]:
    """What is wrong, as `status` says it."""
    return {each["name"] for each in terminal.status()["conditions"]}


def about_the_ledger(terminal: TerminalProcess) -> list[str]:
    """What was logged of it, in order."""
    return [line["event"] for line in terminal.log if line["event"].startswith("ledger.")]


@pytest.mark.feature("F19")
@pytest.mark.parametrize("page", [6, 12], ids=["payloads", "entries"])
def test_damage_found_after_the_start_ends_the_daemon_and_the_next_start_begins_anew(
    terminal: TerminalProcess, page: int
) -> None:
    """In old payloads it is met by looking back for who is inside, elsewhere by the check."""
    wreck = used(terminal)
    overwrite(wreck.file, wreck.pages(LEAF)[page], bytes(wreck.page_size))
    intact = wreck.intact(wreck.file)
    terminal.begin("--simulate")
    assert terminal.ended() == EXIT_BUG
    assert terminal.log[-1]["event"] == "terminal.stopped"
    damaged = [line for line in terminal.log if line["event"] == "ledger.damaged"]
    assert len(damaged) == 1

    terminal.start()
    assert terminal.tap(ANNA)["direction"] == "out"
    until(lambda: "ledger_salvaged" in shown(terminal), what="the light")
    until(lambda: [line for line in terminal.log if line["event"] == "ledger.salvaged"], what="the reading")
    (salvaged,) = [line for line in terminal.log if line["event"] == "ledger.salvaged"]
    assert int(salvaged["kept"]) >= len(intact)
    until(lambda: terminal.status()["ledger"]["behind"] >= len(intact), what="all that is left to be sent")
    until(lambda: about_the_ledger(terminal)[-1] == "ledger.checked", what="the check of the new one")
    words = terminal.command("status").stdout
    assert "entries of damaged ledgers are still to be sent" in words
    assert terminal.stop() == 0
    assert len(asides(terminal.state)) == 1


@pytest.mark.feature("F19")
@pytest.mark.parametrize(
    "damage",
    [
        lambda state: (state / "ledger.db").write_bytes(b""),
        lambda state: (state / "ledger.db").write_bytes(b"garbage" * 1000),
        lambda state: overwrite(state / "ledger.db", 0, bytes(100)),
    ],
    ids=["empty", "garbage", "no header"],
)
def test_a_ledger_that_cannot_be_opened_costs_no_tap(terminal: TerminalProcess, damage: object) -> None:
    assert callable(damage)
    used(terminal)
    damage(terminal.state)
    for _ in range(2):
        terminal.start()
        assert terminal.tap(ANNA)["outcome"] == "granted"
        terminal.kill()
    assert len(asides(terminal.state)) == 1


def test_a_state_folder_that_is_gone_is_begun_anew(terminal: TerminalProcess) -> None:
    used(terminal)
    terminal.state.rename(terminal.folder / "elsewhere")
    terminal.start()
    assert terminal.tap(ANNA)["reason"] == "unbound"
    assert asides(terminal.state) == []


def test_a_ledger_taken_away_under_the_daemon_shows_the_fault_and_is_begun_anew(terminal: TerminalProcess) -> None:
    used(terminal)
    terminal.start()
    (terminal.state / "ledger.db").rename(terminal.state / "taken")
    assert terminal.tap(ANNA)["shown"] == "ledger_fault"
    assert terminal.ended() == EXIT_BUG
    terminal.start()
    assert terminal.tap(ANNA)["outcome"] == "granted"


def test_pitfall_4_settings_that_change_leave_the_ledger_alone(terminal: TerminalProcess) -> None:
    wreck = used(terminal)
    text = terminal.config.read_text(encoding="utf-8")
    terminal.config.write_text(text.replace("access_seconds = 10", "access_seconds = 7"), encoding="utf-8")
    terminal.start()
    status = terminal.status()["ledger"]
    assert status["id"] == wreck.ledger.hex()
    assert status["last_seq"] > max(wreck.rows)
