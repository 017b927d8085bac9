"""OSDP readers at the real daemon: tapped, lit, unplugged, tampered with, given keys and talked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.ledger.inspection import LedgerInspection
from edge.readers.osdp.keys import Keys, ReaderKeys
from edge.readers.osdp.simulator import OsdpSimulator, SimulatedOsdpReader
from edge.signals.reader_lights import DARK
from protocol.entries import Tap
from tests.support.gate import ANNA
from tests.support.osdp_gate import BAUD, IN, KEYS, OUT
from tests.support.terminal_process import SETTINGS, TerminalProcess
from tests.support.waiting import until

UID = bytes.fromhex("04A1B2C3D4E5F6")
PATIENCE = 30.0


def settings(bus: Path) -> str:
    """Two readers on one bus, and the simulated one that the process's own tests use."""
    return SETTINGS + "".join(
        f'[[reader]]\nname = "{name}"\nkind = "osdp"\ndevice = "{bus}"\nbaud = {BAUD}\n'
        f'address = {address}\ndirection = "{name}"\n'
        for name, address in (("in", IN), ("out", OUT))
    )


class Gate:
    """A daemon with two OSDP readers."""

    def __init__(self, process: TerminalProcess, simulator: OsdpSimulator) -> None:
        self.process = process
        self.simulator = simulator

    def readers(self) -> dict[str, Any]:
        """How the daemon says they are."""
        return dict(self.process.status()["readers"])

    def conditions(self) -> set[str]:
        """What the daemon says is wrong."""
        return {each["name"] for each in self.process.status()["conditions"]}

    def wait_there(self, *names: str, there: bool = True) -> None:
        """Until these are, or are not."""
        until(lambda: all(self.readers()[name]["there"] is there for name in names), PATIENCE, f"{names}: {there}")

    def taps(self) -> list[tuple[str, str]]:
        """Reader and outcome of each tap on disk."""
        with LedgerInspection(self.process.state / "ledger.db") as ledger:
            return [
                (tap.reader, f"{tap.outcome} {tap.direction}") for _, tap in ledger.tail(20) if isinstance(tap, Tap)
            ]


@contextmanager
def standing(folder: Path, *, keyed: bool = True) -> Iterator[Gate]:
    """Started, and both readers there; not `keyed`: they have keys that the terminal does not know."""
    simulator = OsdpSimulator(folder / "bus", [SimulatedOsdpReader(at, key) for at, key in KEYS.items()])
    simulator.start()
    try:
        with TerminalProcess(folder, settings(folder / "bus")) as process:
            process.bind({ANNA: "00000000000000e1"})
            if keyed:
                store = ReaderKeys(process.state, {})
                store.put("in", Keys(KEYS[IN]))
                store.put("out", Keys(KEYS[OUT]))
            process.start()
            gate = Gate(process, simulator)
            if keyed:
                gate.wait_there("in", "out")
            yield gate
            assert process.stop() == 0
            assert process.errors == ""
    finally:
        simulator.stop()


@pytest.mark.feature("F08", "F11")
def test_the_readers_light_is_green_once_the_tap_is_on_disk_and_only_where_it_was_held(tmp_path: Path) -> None:
    with standing(tmp_path) as gate:
        boxes = gate.simulator.readers
        gate.simulator.tap(IN, UID)
        until(lambda: boxes[IN].shows.green, PATIENCE, "green at the reader")
        on_disk, elsewhere = gate.taps(), boxes[OUT].shows
        assert (on_disk, elsewhere) == ([("in", "granted in")], DARK)
        until(lambda: boxes[IN].shows == DARK, PATIENCE, "the end of the answer")
        gate.simulator.tap(OUT, UID)
        until(lambda: boxes[OUT].shows.green, PATIENCE, "green at the other reader")
        assert gate.taps()[-1] == ("out", "granted out")


@pytest.mark.feature("F08", "F09")
def test_a_bus_unplugged_in_mid_frame_is_told_and_works_again(tmp_path: Path) -> None:
    with standing(tmp_path) as gate:
        gate.simulator.unplug_after(3)
        gate.wait_there("in", "out", there=False)
        assert "reader_fault" in gate.conditions()
        gate.simulator.plug()
        gate.wait_there("in", "out")
        assert "reader_fault" not in gate.conditions()
        gate.simulator.tap(OUT, UID)
        until(gate.taps, PATIENCE, "the tap on disk")


@pytest.mark.feature("F08")
def test_a_reader_taken_off_its_wall_shows_in_the_status(tmp_path: Path) -> None:
    with standing(tmp_path) as gate:
        gate.simulator.open_box(OUT, True)
        until(lambda: gate.readers()["out"]["tampered"], PATIENCE, "tampered with")
        assert "reader_tamper" in gate.conditions()
        gate.simulator.open_box(OUT, False)
        until(lambda: not gate.readers()["out"]["tampered"], PATIENCE, "whole again")
        assert "reader_tamper" not in gate.conditions()


@pytest.mark.feature("F08")
def test_an_installer_gives_a_new_reader_its_key(tmp_path: Path) -> None:
    with standing(tmp_path, keyed=False) as gate:
        until(lambda: gate.readers()["in"]["why"], PATIENCE, "why it is not there")
        refused = gate.process.command("reader", "provision", "in")
        assert (refused.returncode, refused.stderr) == (1, "")
        assert "has another key than ours and is not in install mode" in refused.stdout
        gate.simulator.reset(IN)
        keyed = gate.process.command("reader", "provision", "in")
        assert (keyed.returncode, keyed.stderr) == (0, "")
        assert "has a key of its own now and has answered under it" in keyed.stdout
        gate.wait_there("in")
        gate.simulator.tap(IN, UID)
        until(gate.taps, PATIENCE, "the tap on disk")
        unknown = gate.process.command("reader", "provision", "shed")
        assert unknown.returncode == 1
        assert "there are in, out" in unknown.stderr


@pytest.mark.feature("F09")
def test_readers_come_back_after_the_daemon_was_killed(tmp_path: Path) -> None:
    with standing(tmp_path) as gate:
        gate.process.kill()
        gate.process.start()
        gate.wait_there("in", "out")
        gate.simulator.tap(IN, UID)
        until(gate.taps, PATIENCE, "the tap on disk")
