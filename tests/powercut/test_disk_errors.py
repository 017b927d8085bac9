"""A disk that fails: no green for what is not on it, the lights say so, and everything else goes on."""

import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.powercut.disk import Image, read_folder, replay, write_folder
from tests.powercut.file import Style
from tests.powercut.journal import read_journal
from tests.powercut.judging import PINS, Promised, judge
from tests.powercut.rounds import reachable
from tests.powercut.shim import EIO, ENOSPC, Fault, Shim, build
from tests.powercut.terminal import LEDGER, WAL, CutTerminal, Reached, bound_image
from tests.support.waiting import until

SLOW: Final = 0.05
CUTS: Final = 60


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    with reachable(tmp_path_factory.mktemp("reached")) as reached:
        yield reached


@pytest.fixture
def terminal(reached: Reached, tmp_path: Path) -> Iterator[CutTerminal]:
    """A daemon that runs, bound, on a disk that can be made to fail."""
    write_folder(bound_image(tmp_path / "bound"), tmp_path / "state")
    shim = Shim(build(tmp_path), tmp_path / "state", tmp_path)
    terminal = CutTerminal(tmp_path, shim, reached, itertools.count(1))
    terminal.start()
    yield terminal
    terminal.end()


def bound(terminal: CutTerminal) -> Image:
    """The disk before the first start."""
    return read_folder(terminal.folder / "bound")


@pytest.mark.feature("F01")
@pytest.mark.parametrize(
    ("call", "error"), [("fdatasync", EIO), ("pwrite64", EIO), ("pwrite64", ENOSPC)], ids=["sync", "write", "full"]
)
def test_no_green_while_the_disk_fails_and_nothing_lost_or_doubled_after(
    terminal: CutTerminal, call: str, error: int
) -> None:
    """Pitfalls 1 and 36. Power is also cut after the failure, where a good sync may have proved nothing."""
    assert terminal.tap()["outcome"] == "granted"
    terminal.shim.fail(Fault(call, WAL, error))
    for _ in range(2):
        answer = terminal.tap()
        assert (answer["outcome"], answer["seq"], answer["shown"]) == ("denied", None, "ledger_fault")
    assert terminal.status()["lights"]["shown"] == "ledger_fault"
    terminal.shim.fail()
    for _ in range(3):
        assert terminal.tap()["outcome"] == "granted"
    until(lambda: "ledger_fault" not in str(terminal.status()["lights"]), 20, "the lights show that it works again")
    terminal.kill_at("write", PINS, 0)

    records = read_journal(terminal.shim.journal)
    promised = Promised().after(records)
    assert {int(card[-4:], 16) for card in promised.greens} >= {1, 4, 5, 6}
    assert not {int(card[-4:], 16) for card in promised.greens} & {2, 3}, "green for what is not on the disk"
    assert judge(terminal.state, promised)[0] == []
    assert not losses_by_power_cuts(terminal)


def losses_by_power_cuts(terminal: CutTerminal) -> list[str]:
    """What is wrong on disks as cuts leave them after the first green, as SQLite alone finds it."""
    chance = random.Random(1)
    records = read_journal(terminal.shim.journal)
    moments = sorted(chance.choices(range(len(records) // 3, len(records) + 1), k=CUTS))
    wrong = []
    for number, (moment, disk) in enumerate(replay(bound(terminal), records, moments)):
        image, _ = disk.cut(chance, chance.choice(list(Style)))
        folder = terminal.folder / f"cut-{number}"
        write_folder(image, folder)
        wrong += judge(folder, Promised().after(records[:moment]))[0]
    return wrong


def test_a_checkpoint_that_fails_loses_nothing(terminal: CutTerminal) -> None:
    """The log keeps what could not be moved out of it, over the stop and the next start."""
    for _ in range(3):
        assert terminal.tap()["outcome"] == "granted"
    terminal.shim.fail(Fault("fdatasync", LEDGER, EIO))
    terminal.stop()
    assert any(record.other == "failed" for record in read_journal(terminal.shim.journal))
    terminal.shim.fail()
    terminal.start()
    assert terminal.tap()["outcome"] == "granted"
    terminal.kill_at("write", PINS, 0)
    assert judge(terminal.state, Promised().after(read_journal(terminal.shim.journal)))[0] == []
    assert not losses_by_power_cuts(terminal)


def test_a_slow_disk_makes_green_wait(terminal: CutTerminal) -> None:
    terminal.shim.fail(Fault("fdatasync", WAL, delay=SLOW))
    began = time.monotonic()
    assert terminal.tap()["outcome"] == "granted"
    assert time.monotonic() - began >= 2 * SLOW, "two taps, each with a sync"
