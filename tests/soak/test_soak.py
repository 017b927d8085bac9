"""A daemon that stands for years takes no more of the machine than in its first hour; half a minute of that, here."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.soak.life import life
from tests.soak.samples import LEAK, NOISE, Sample, complaints, growth, warm

SECONDS: Final = 30.0
ENOUGH_TAPS: Final = 1800  # when warm: a leak of 1 KiB a tap is well above the noise then
LONGEST: Final = 150.0
RATE: Final = 250.0


def lived(folder: Path, seconds: float, fault: str = "") -> list[Sample]:
    """So long, or longer on a machine too busy for so many taps in it."""
    samples: list[Sample] = []
    with life(folder, fault) as daemon:
        for sample in daemon.live(LONGEST, RATE):
            samples.append(sample)
            settled = warm(samples)
            if sample.seconds >= seconds and sample.taps - settled[0].taps >= ENOUGH_TAPS:
                break
    return samples


@pytest.mark.feature("F03")
def test_half_a_minute_of_taps_and_troubles_leaves_nothing_behind(tmp_path: Path) -> None:
    samples = lived(tmp_path, SECONDS)
    assert complaints(samples) == []
    assert samples[-1].entries > ENOUGH_TAPS


def test_a_planted_leak_of_a_kibibyte_a_tap_is_found(tmp_path: Path) -> None:
    samples = lived(tmp_path, SECONDS / 2, "leak")
    assert growth(warm(samples))[0] > 2 * LEAK
    assert any("memory grows" in complaint for complaint in complaints(samples))


# --- how samples are judged -------------------------------------------------------------------------------------------


def steady(count: int = 120) -> list[Sample]:
    """A daemon as it should be: memory goes up and down by half of what is called noise."""
    return [
        Sample(at / 4, at * 50, 50_000 + at % 7 * NOISE / 14, 25 + at % 3, 5, at * 100, at * 30_000)
        for at in range(count)
    ]


def test_a_steady_process_is_not_complained_of() -> None:
    assert complaints(steady()) == []


@pytest.mark.parametrize(("kib", "found"), [(0.05, False), (LEAK * 2, True), (1.0, True)])
def test_memory_that_grows_with_taps_is_a_leak(kib: float, found: bool) -> None:
    leaking = [replace(each, rss=each.rss + kib * each.taps) for each in steady()]
    assert bool(complaints(leaking)) is found


def test_memory_taken_once_or_for_a_moment_is_no_leak() -> None:
    once = [replace(each, rss=each.rss + 20_000 * (each.seconds > 5)) for each in steady()]
    peak = [replace(each, rss=each.rss + 20_000 * (20 < each.seconds < 22)) for each in steady()]
    assert complaints(once) == complaints(peak) == []


@pytest.mark.parametrize("what", ["files", "threads"])
def test_what_stays_open_is_found(what: str) -> None:
    growing = [replace(each, **{what: getattr(each, what) + int(each.seconds)}) for each in steady()]
    (complaint,) = complaints(growing)
    assert what in complaint


def test_a_ledger_that_takes_too_much_of_the_disk_is_found() -> None:
    assert "bytes of the disk" in complaints([replace(each, ledger_bytes=each.entries * 5000) for each in steady()])[0]
