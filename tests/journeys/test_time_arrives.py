"""A terminal without battery boots in 1970, or in 2099: it records, says so, and repairs when time arrives."""

import base64
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from edge.ledger.inspection import LedgerInspection
from edge.local import Answer, AskTap, ask
from protocol.cards import CardId
from protocol.clock import ClockQuality
from protocol.entries import DoorChange, Fact, Payload, Tap, decode_payload
from protocol.messages import Entries, Status
from tests.support.certificates import CertificateAuthority
from tests.support.cloud_end import CloudEnd
from tests.support.gate import ANNA, BORIS, TERMINAL
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.other_time import OtherTime
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

IN_1970: Final = datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)
IN_2099: Final = datetime(2099, 12, 31, 23, tzinfo=UTC)
MILLISECONDS: Final = 1000
AS_ONE: Final = 400 * MILLISECONDS  # between a tap asked for and a tap recorded, on a machine that is busy
ACCESS_SECONDS: Final = 1.5
HOUR: Final = 3600


@dataclass
class Gate:
    """A terminal whose clock nobody vouches for, and its cloud."""

    process: TerminalProcess
    there: OtherTime
    cloud: CloudEnd

    def start(self) -> None:
        """Switch it on."""
        self.process.start(environment=self.there.environment)

    def tap(self, card: CardId = ANNA, reader: str = "both") -> Answer:
        """Hold a card against a reader."""
        return ask(self.process.socket, AskTap(str(card), reader))

    @property
    def ledger(self) -> list[Payload]:
        """All entries, after the whole chain was checked."""
        with LedgerInspection(self.process.state / "ledger.db") as inspection:
            assert inspection.verify(lambda _done, _every: None).entries > 0
            return [payload for _, payload in inspection.tail(1000)]

    @property
    def taps(self) -> list[Tap]:
        """The taps among them."""
        return [payload for payload in self.ledger if isinstance(payload, Tap)]

    @property
    def repairs(self) -> list[Fact]:
        """The facts that say when the boot began."""
        return [fact for fact in self.ledger if isinstance(fact, Fact) and fact.subject == "clock.set"]

    def has_repairs(self, number: int) -> bool:
        """Whether there are so many."""
        return len(self.repairs) == number

    @property
    def quality(self) -> str:
        """How far it says its clock can be trusted."""
        return str(self.process.status()["clock"]["quality"])

    @property
    def shown(self) -> str:
        """What its lights show."""
        return str(self.process.status()["lights"]["shown"])

    def is_online(self) -> bool:
        """Whether its link stands."""
        return bool(self.process.status()["link"]["online"])

    def in_the_cloud(self) -> list[Payload]:
        """What has come up, each entry once."""
        batches = self.cloud.of(Entries, TERMINAL)
        found = {batch.first + at: raw for batch in batches for at, raw in enumerate(batch.payloads)}
        return [decode_payload(found[seq]) for seq in sorted(found)]


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Not switched on yet; it has two readers, and a card counts once a minute at each."""
    authority = CertificateAuthority(tmp_path / "certificates")
    own = authority.issue(TERMINAL)
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker", authority))
        cloud = stack.enter_context(CloudEnd(broker, authority.issue(CLOUD)))
        signing_key = base64.b64encode(cloud.pinned).decode()
        settings = SETTINGS + '\n[[reader]]\nname = "second"\nkind = "simulated"\n'
        for old, new in (
            ("battery_clock = true", "battery_clock = false\nrepeat_seconds = 60"),
            (r"access_seconds = \d+", f"access_seconds = {ACCESS_SECONDS}"),
            (r"port = 1\b", f"port = {broker.port}\nretry_max_seconds = 1"),
            ('"ca.pem"', f'"{own.ca}"'),
            ('"terminal.pem"', f'"{own.certificate}"'),
            ('"terminal.key"', f'"{own.key}"'),
            (r"signing_keys = .*", f'signing_keys = ["{signing_key}"]'),
        ):
            settings, count = re.subn(old, new, settings)
            assert count == 1, old
        process = stack.enter_context(TerminalProcess(tmp_path, settings))
        process.bind({ANNA: "anna", BORIS: "boris"})
        yield Gate(process, OtherTime(tmp_path / "time", IN_1970), cloud)


@pytest.mark.feature("F16")
@pytest.mark.parametrize("year", [IN_1970, IN_2099], ids=["1970", "2099"])
def test_a_boot_in_a_wrong_year_is_recorded_marked_and_repaired_when_time_arrives(gate: Gate, year: datetime) -> None:
    gate.there.reboot(year)
    gate.start()
    until(gate.is_online, 20, "the link, which verified the broker by the last right time")
    until(lambda: gate.shown == "clock_untrusted", what="the light")
    assert "(untrusted); it was last right at" in gate.process.command("status").stdout
    came_in = time.time_ns() // 1000
    first = gate.tap()
    assert (first["outcome"], first["direction"]) == ("granted", "in")
    until(lambda: gate.cloud.of(Status, TERMINAL)[-1].clock_quality == "untrusted", what="the cloud being told")

    gate.there.synchronise()  # while the door is open and the card is still held there
    assert gate.tap()["seq"] == first["seq"], "the same holding of the card, whatever year it is"
    until(lambda: gate.repairs, what="the fact")
    assert gate.quality == "synchronised"
    went_out = time.time_ns() // 1000
    assert gate.tap(reader="second")["direction"] == "out", "who came in before the step goes out after it"
    until(lambda: gate.shown == "ready", 20, "the light's end")
    until(lambda: gate.process.status()["doors"]["gate"] == "locked", what="the door")
    gate.process.stop()

    ledger, (fact,) = gate.ledger, gate.repairs
    assert [tap.clock_quality for tap in gate.taps] == ["untrusted", "synchronised"]
    assert {entry.clock_quality for entry in ledger[: ledger.index(fact)]} == {ClockQuality.UNTRUSTED}
    assert {entry.clock_quality for entry in ledger[ledger.index(fact) :]} == {ClockQuality.SYNCHRONISED}
    assert fact.details["boot"] == gate.there.boot_id.hex()
    assert {entry.boot_id for entry in ledger} == {gate.there.boot_id}
    began_at = int(fact.details["began_at"])
    repaired = [began_at + tap.monotonic // 1000 for tap in gate.taps]
    for really, said in zip((came_in, went_out), repaired, strict=True):
        assert 0 <= said - really < AS_ONE
    assert abs(gate.taps[0].occurred_at - came_in) > 365 * 24 * HOUR * 1_000_000, "as it was shown, never changed"
    assert [entry.monotonic for entry in ledger] == sorted(entry.monotonic for entry in ledger)
    until(lambda: len(gate.in_the_cloud()) >= ledger.index(fact) + 2, what="entries in the cloud")
    assert gate.in_the_cloud()[: ledger.index(fact) + 2] == ledger[: ledger.index(fact) + 2]

    opened, closed = (change for change in ledger if isinstance(change, DoorChange) and change.state in "unlocked")
    assert (opened.state, closed.state) == ("unlocked", "locked")
    assert ACCESS_SECONDS <= (closed.monotonic - opened.monotonic) / 1e9 < ACCESS_SECONDS + 3


@pytest.mark.feature("F16")
def test_a_clock_once_right_is_held_over_a_restart_and_no_longer_once_somebody_sets_it(gate: Gate) -> None:
    gate.there.reboot(IN_1970)
    gate.there.synchronise()
    gate.start()
    until(lambda: gate.repairs, what="the first fact")
    gate.there.desert()
    until(lambda: gate.quality == "held", what="a clock on its own")

    gate.process.kill()
    gate.start()
    assert gate.quality == "held", "it was right in this boot: the ledger knows"
    gate.there.step(HOUR)
    until(lambda: gate.shown == "clock_untrusted", what="the light after somebody has set the clock")
    gate.there.step(-HOUR)
    until(lambda: gate.shown != "clock_untrusted", what="the light's end")

    gate.process.kill()
    gate.there.reboot(IN_2099)
    gate.start()
    assert gate.quality == "untrusted"
    floor = datetime.fromisoformat(gate.process.status()["clock"]["floor"])
    assert abs((datetime.now(UTC) - floor).total_seconds()) < 60, "the last right time outlives the boot"
    assert len(gate.repairs) == 1


@pytest.mark.feature("F16")
def test_steps_of_a_clock_that_is_vouched_for_move_neither_guard_nor_door_nor_direction(gate: Gate) -> None:
    gate.there.synchronise()
    gate.start()
    until(lambda: gate.repairs, what="the first fact")
    seqs = []
    for number, step in enumerate((2 * HOUR, -4 * HOUR, 20 * HOUR), 2):
        seqs.append(gate.tap()["seq"])
        gate.there.step(step)
        until(partial(gate.has_repairs, number), what="a fact for the step")
    assert len({*seqs, gate.tap()["seq"]}) == 1, "one holding of the card, though hours were skipped and came twice"
    assert gate.tap(reader="second")["direction"] == "out", "less than 13 h went by, whatever the clock says"
    until(lambda: gate.process.status()["doors"]["gate"] == "locked", what="the door")

    began = [int(fact.details["began_at"]) for fact in gate.repairs]
    moved = [round((after - before) / 1e6) for before, after in pairwise(began)]
    assert moved == [2 * HOUR, -4 * HOUR, 20 * HOUR]
    assert [tap.direction for tap in gate.taps] == ["in", "out"]
