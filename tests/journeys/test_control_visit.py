"""The tax agency comes unannounced: the ledger is shown at the terminal without any network, and taken along."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.ledger.inspection import LedgerInspection
from protocol.cards import CardId
from protocol.entries import Fact
from tests.support.plugged import Plugged
from tests.support.terminal_process import TerminalProcess
from tests.support.visited import ANNA, BORIS, BYGG, CARDS, EL, Visited, unseen

ANNAS, BORISES = CardId.parse(CARDS[ANNA, BYGG]), CardId.parse(CARDS[BORIS, EL])
STRANGER = CardId.parse("uid:04ABABABABABAB")


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path / "gate")
    found.bind()
    found.enrol(str(ANNAS), ANNA, BYGG)
    found.enrol(str(BORISES), BORIS, EL)
    return found


@pytest.fixture
def daemon(visited: Visited) -> Iterator[TerminalProcess]:
    with TerminalProcess(visited.folder) as process:
        process.start()
        yield process


def without_network(visited: Visited, *words: str, before: str = "true") -> subprocess.CompletedProcess[str]:
    """Run the command where there is no network at all, not even loopback; `before` prepares its own mounts."""
    command = [sys.executable, "-m", "edge.cli", "inspect", *words, "--config", str(visited.config)]
    alone = ["unshare", "--net", "--mount", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
    return subprocess.run(alone, check=False, capture_output=True, text=True, timeout=120)


def present(visited: Visited) -> dict[str, Any]:
    done = without_network(visited, "--json")
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def names(shown: dict[str, Any]) -> list[str]:
    return [row["person"]["name"] for row in shown["sections"][0]["rows"]]


@pytest.mark.feature("F18")
def test_who_is_here_and_who_was_is_shown_beside_the_daemon_and_without_it(
    visited: Visited, daemon: TerminalProcess
) -> None:
    """And each showing is an entry of a chain that holds, before anything was shown."""
    assert names(present(visited)) == []
    for card in (ANNAS, BORISES, STRANGER):
        assert daemon.tap(card)["direction"] == "in"
    assert names(present(visited)) == ["okänd person", "Anna Åkesson", "Boris Łukaszewicz"]

    daemon.kill()
    shown = without_network(visited, "history", "--company", "5560160680")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Anna Åkesson" in shown.stdout
    assert "pågår" in shown.stdout
    assert "Boris" not in shown.stdout

    with LedgerInspection(visited.state / "ledger.db") as ledger:
        facts = [each for _, each in ledger.tail(100) if isinstance(each, Fact) and each.subject == "ledger.shown"]
        ledger.verify(unseen)
    assert [fact.details["what"] for fact in facts] == ["present", "present", "history"]
    assert facts[-1].details["company"] == "5560160680"

    daemon.start()  # and it goes on with what the command has written meanwhile
    assert daemon.status()["ledger"]["last_seq"] >= 8
    assert names(present(visited)) == ["okänd person", "Anna Åkesson", "Boris Łukaszewicz"]


@pytest.mark.feature("F18")
def test_it_is_taken_along_on_a_usb_stick(visited: Visited, daemon: TerminalProcess, tmp_path: Path) -> None:
    """A real file system, and a kernel that tells of it as of a stick, in the command's own view of the machine."""
    daemon.tap(ANNAS)
    place = tmp_path / "stick"
    place.mkdir()
    with Plugged(tmp_path / "machine") as plugged:
        loop = plugged.plug("sdx")
        subprocess.run(["mount", loop, str(place)], check=True)
        done = without_network(visited, "--usb", "sdx", before=f"mount --bind {plugged.machine.sys}/block /sys/block")
        assert (done.returncode, done.stderr) == (0, "")
        (folder,) = place.glob("personalliggare-*")
        assert f"mappen {folder.name}" in done.stdout
        text = (folder / "personalliggare.csv").read_text(encoding="utf-8-sig")
        (row,) = csv.DictReader(text.splitlines(), delimiter=";")
        assert (row["person"], row["slut"]) == ("Anna Åkesson", "är här")
        words = subprocess.run(
            ["pdftotext", str(folder / "personalliggare.pdf"), "-"], check=True, capture_output=True, text=True
        )
        assert "Anna Åkesson" in words.stdout
        verified = daemon.command("ledger", "verify", str(folder / "liggare.jsonl"))
        assert verified.returncode == 0, verified.stderr
        subprocess.run(["umount", str(place)], check=True)
    with LedgerInspection(visited.state / "ledger.db") as ledger:
        shown = [each for _, each in ledger.tail(100) if isinstance(each, Fact) and each.subject == "ledger.shown"]
    assert shown[-1].details["on"] == "usb"
