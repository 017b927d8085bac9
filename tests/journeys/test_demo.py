"""The demonstration does what the README says: it sets up a site, people tap, and cloud and broker may go and come."""

import re
import signal
import sqlite3
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psutil
import pytest

from cloud.demo import cast
from cloud.demo.programs import answers, free_port
from cloud.demo.run import INTERRUPTED
from cloud.demo.terminals import TERMINALS, Feed
from edge.ledger.inspection import LedgerInspection
from protocol.decision import Proof, Reason
from protocol.entries import Outcome, Tap
from tests.support.waiting import until

COMMAND: Final = Path(sysconfig.get_path("scripts")) / "grindvakt-cloud"
REPOSITORY: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """A demonstration that runs, and what it prints."""

    process: subprocess.Popen[bytes]
    printed: Path
    folder: Path
    port: int

    @property
    def text(self) -> str:
        """Everything it has printed."""
        return self.printed.read_text(encoding="utf-8")

    def ask(self, key: str) -> None:
        """Type a key and Enter."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key}\n".encode())
        self.process.stdin.flush()

    def recorded(self, terminal: str) -> int:
        """How many entries stand in a terminal's ledger."""
        return _count(self.folder / "terminals" / terminal / "state" / "ledger.db", "SELECT count(*) FROM entry")

    def received(self, terminal: str) -> int:
        """How many of them the cloud has."""
        asked = f"SELECT count(*) FROM entry WHERE terminal = '{terminal}'"  # noqa: S608  # a name of our own
        return _count(self.folder / "cloud" / "cloud.db", asked)

    def taps(self) -> int:
        """How many taps have been announced so far."""
        return self.text.count("◂")


def _count(path: Path, asked: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found: int = connection.execute(asked).fetchone()[0]
        return found


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    """The demonstration, as `make demo` starts it, in a folder of its own."""
    port, printed, folder = free_port(), tmp_path / "printed", tmp_path / "demo"
    command: list[str | Path] = [
        COMMAND,
        "demo",
        "--folder",
        folder,
        "--port",
        str(port),
        "--node-modules",
        REPOSITORY / "node_modules",
    ]
    with (
        printed.open("wb") as out,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        demo = Shown(process, printed, folder, port)
        try:
            until(lambda: "Password" in demo.text or process.poll() is not None, 60, "it says how to log in")
            yield demo
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


@pytest.mark.feature("F22", "F31")
def test_people_tap_while_the_cloud_goes_and_comes_and_everything_arrives_once(shown: Shown) -> None:
    """The whole promise of the README's first page, with the commands that it names."""
    assert shown.process.poll() is None, shown.text
    until(lambda: shown.taps() >= 6, 40, "the first visitors have tapped")
    _a_genuine_card_proved_itself_and_a_copy_did_not(shown)
    _log_in_and_see_taps(shown)
    _tap_on_each_panel(shown)

    shown.ask("s")
    until(lambda: "are stopped" in shown.text, 30, "cloud and broker stop")
    assert not answers(shown.port)
    bound = [terminal.id for terminal in TERMINALS if terminal.place is not None]
    held = {terminal: shown.received(terminal) for terminal in bound}
    until(lambda: all(shown.recorded(each) > held[each] for each in bound), 60, "taps go on being recorded")

    shown.ask("r")
    until(lambda: "They are back" in shown.text, 30, "cloud and broker start")
    for terminal in bound:
        before = shown.recorded(terminal)
        until(lambda: shown.received(terminal) >= before, 30, f"what {terminal} recorded has arrived")  # noqa: B023
    _log_in_and_see_taps(shown)

    programs = psutil.Process(shown.process.pid).children(recursive=True)
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.wait(60) == INTERRUPTED
    assert not [left for left in programs if left.is_running()], "it leaves no program behind"
    for each in TERMINALS:
        assert shown.received(each.id) <= shown.recorded(each.id)


def test_a_folder_with_something_else_in_it_is_not_touched(tmp_path: Path) -> None:
    """The demonstration begins anew each time, so it must never take somebody else's folder for its own."""
    (tmp_path / "thesis.txt").write_text("not yours", encoding="utf-8")
    refused = subprocess.run([COMMAND, "demo", "--folder", tmp_path], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "holds something else" in refused.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "not yours"


def _log_in_and_see_taps(shown: Shown) -> None:
    """With the address, login and password that it printed."""
    address = f"http://127.0.0.1:{shown.port}"
    assert address in shown.text
    login, password = (_printed(word, shown.text) for word in ("Login", "Password"))
    with httpx2.Client(base_url=address, follow_redirects=True) as visitor:
        csrf = re.search(r'name="csrf" value="([^"]+)"', visitor.get("/login").text)
        assert csrf is not None
        page = visitor.post("/login", data={"login": login, "password": password, "csrf": csrf.group(1)})
        assert page.status_code == 200
        assert "Kvarnen etapp 2" in page.text
        assert "Kortet är spärrat" in page.text
        assert "Förrådet" in visitor.get("/terminals").text


def _a_genuine_card_proved_itself_and_a_copy_did_not(shown: Shown) -> None:
    """At the terminal with the PC/SC reader: what is tapped there next to last is a copy."""
    (hoist,) = [each.id for each in TERMINALS if each.feed is Feed.PCSC]
    with LedgerInspection(shown.folder / "terminals" / hoist / "state" / "ledger.db") as ledger:
        taps = [payload for _, payload in ledger.tail(20) if isinstance(payload, Tap)]
    proved = {tap.card: (tap.outcome, tap.proof, tap.reason) for tap in taps if tap.card.startswith("piv:")}
    fatima = cast.PEOPLE[2]
    assert proved[f"piv:{fatima.guid}"] == (Outcome.GRANTED, Proof.GENUINE, None)
    assert proved[f"piv:{cast.COPIED_PERSON.guid}"] == (Outcome.DENIED, Proof.COPIED, Reason.CARD_COPIED)


def _tap_on_each_panel(shown: Shown) -> None:
    """At the printed address the page answers, and a card that is tapped there is in the terminal's ledger."""
    kerstin = cast.PEOPLE[6]
    for each in TERMINALS:
        address = _printed(re.escape(each.name), shown.text).rstrip("/")
        with httpx2.Client(base_url=address) as visitor:
            assert "Grindvakt" in visitor.get("/").text
            reader = "grind" if each.feed is Feed.SIMULATED else "panel"
            asked = {"ask": "tap", "card": f"uid:{kerstin.uid}", "reader": reader}
            seq = visitor.post("/ask", json=asked).json()["seq"]
        assert seq is not None
        assert shown.recorded(each.id) >= seq


def _printed(word: str, text: str) -> str:
    found = re.search(rf"{word}\s+(\S+)", text)
    assert found is not None, text
    return found.group(1)
