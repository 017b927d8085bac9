"""A ledger's life in small: at every single moment of it the power is cut, in every way, and it opens again."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from edge.ledger.retention import Retention
from edge.ledger.start import NAME, close_ledger, open_ledger
from protocol.messages import VERSION, Receipt
from tests.powercut.disk import Image, read_folder, replay, write_folder
from tests.powercut.file import Style
from tests.powercut.journal import Op, Record, note, read_journal
from tests.powercut.judging import PINS, Promised, judge
from tests.powercut.shim import EIO, FOREVER, Fault, Shim, build
from tests.support.entries import tap
from tests.support.gate import NOON, TERMINAL, HandClock

WAL: Final = f"{NAME}-wal"
MEMORY: Final = Path("/dev/shm")
"""Where disks are rebuilt if there is such a folder: opening a ledger asks a real one to sync a dozen times."""

WAYS: Final = (Style.NOTHING, Style.WRITES, Style.TORN)
"""All surviving is what a kill leaves, and that tests try elsewhere."""

NOTHING_YET: Final = Promised()

_firsts = itertools.count(1000, 1000)


def main(acts: list[str]) -> None:
    """Live in the current folder: open and close the ledger, tap, take a receipt; what is green stands in pins.log."""
    folder, journal = Path.cwd(), Path(os.environ["POWERCUT_JOURNAL"])
    ledger = None
    for number, act in enumerate(acts):
        match act:
            case "open":
                ledger = open_ledger(folder, TERMINAL, HandClock())
            case "close" if ledger is not None:
                close_ledger(ledger)
            case "receipt" if ledger is not None:
                assert ledger.note_receipt(Receipt(VERSION, ledger.id, ledger.last_seq, ledger.last_hash))
                ledger.save_receipt()
                note(journal, f"cloud {ledger.id.hex()} {ledger.last_seq} {ledger.last_hash.hex()}")
            case "purge":
                assert Retention(folder / NAME, 0, capacity=0).purge_some(HandClock(NOON + 1).read())
            case "tap" if ledger is not None:
                entry = tap(int(os.environ["FIRST"]) + number)
                note(journal, f"tap {entry.card}")
                ledger.append(entry)
                with (folder / PINS).open("ab", buffering=0) as pins:
                    pins.write(b"0 green 1\n0 green 0\n")
    os.kill(os.getpid(), 9)


class Lives:
    """Several processes in a row, in one folder and one journal."""

    def __init__(self, folder: Path, image: Image) -> None:
        self.image = image
        self.state = folder / "state"
        write_folder(image, self.state)
        self.shim = Shim(build(folder), self.state, folder)

    def live(self, *acts: str) -> str:
        """Let a process do these things and die; what it said."""
        environment = {**os.environ, **self.shim.environment, "FIRST": str(next(_firsts))}
        command = [sys.executable, "-c", f"from tests.powercut.test_every_moment import main; main({list(acts)})"]
        path = str(Path(__file__).parents[2])
        done = subprocess.run(
            command,
            cwd=self.state,
            env={**environment, "PYTHONPATH": path},
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    @property
    def records(self) -> list[Record]:
        """The journal so far."""
        return read_journal(self.shim.journal)


def losses(lives: Lives, first: int = 1, before: Promised = NOTHING_YET) -> list[str]:
    """What is wrong when the ledger is opened after a cut at each moment, a tap is recorded, and it is opened again."""
    records = lives.records
    moments = [at for at in range(first, len(records) + 1) if counts(records[at - 1])]
    wrong = []
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        for moment, disk in replay(lives.image, records, moments):
            for style in WAYS:
                image, _ = disk.cut(random.Random(moment), style)
                found = faults_after(Path(folder) / f"{moment}-{style}", image, before.after(records[:moment]))
                wrong += [f"cut after record {moment} of {len(records)}, {style} of the rest: {each}" for each in found]
    return wrong


def counts(record: Record) -> bool:
    """Whether a cut after this one could leave something that a cut before it could not."""
    return record.op is not Op.SYNC_BEGUN and not record.name.endswith("-shm")


def faults_after(folder: Path, image: Image, promised: Promised) -> list[str]:
    """What is wrong on a disk once a ledger was opened on it twice."""
    write_folder(image, folder)
    for number in range(2):
        ledger = open_ledger(folder, TERMINAL, HandClock())
        ledger.append(tap(number))
        close_ledger(ledger)
        wrong, copy = judge(folder, promised)
        if wrong:
            return wrong
        promised = promised.seen(copy)
    return []


@pytest.mark.feature("F01")
def test_a_ledger_that_begins_is_whole_or_not_there_at_every_moment(tmp_path: Path) -> None:
    """Nobody is told of damage, and no number is declared lost, because the power went during a first start."""
    lives = Lives(tmp_path, {})
    assert not lives.live("open", "tap", "tap")
    assert not losses(lives)


@pytest.mark.feature("F01")
def test_a_stop_and_a_start_in_order_are_safe_at_every_moment(tmp_path: Path) -> None:
    lives = Lives(tmp_path, {})
    lives.live("open", "tap", "receipt", "close")
    lives = Lives(tmp_path / "next", read_folder(lives.state))
    assert not lives.live("open", "tap", "receipt", "tap", "close", "open", "tap")
    assert not losses(lives)


@pytest.mark.feature("F01")
def test_payloads_that_go_after_a_receipt_take_nothing_with_them(tmp_path: Path) -> None:
    lives = Lives(tmp_path, {})
    assert not lives.live("open", "tap", "tap", "tap", "receipt", "close")
    wrong, copy = judge(lives.state, NOTHING_YET)
    assert not wrong
    before = Promised().after(lives.records).seen(copy)
    lives = Lives(tmp_path / "next", read_folder(lives.state))
    said = lives.live("open", "tap", "purge", "tap", "close")
    assert "ledger.purged" in said, said
    assert not losses(lives, before=before)


@pytest.mark.feature("F01")
def test_nothing_is_built_on_what_a_failed_sync_left_in_memory(tmp_path: Path) -> None:
    """After EIO the kernel takes pages for clean that are not on the disk, and a restart finds them in the log.

    Whatever is recorded then must not stand behind them: no later sync of the log would write them, and SQLite reads a
    log up to its first gap (the PostgreSQL project's "fsyncgate" of 2018).
    """
    lives = Lives(tmp_path, {})
    lives.live("open", "tap", "close")
    lives = Lives(tmp_path / "next", read_folder(lives.state))
    lives.shim.fail(Fault("fdatasync", WAL, EIO, skip=3, left=FOREVER))
    assert "LedgerUnusable" in lives.live("open", "tap", "tap", "tap")
    lives.shim.fail()
    failed = len(lives.records)
    assert any(record.other == "failed" for record in lives.records)
    assert not lives.live("open", "tap", "tap")
    assert not losses(lives, failed)
