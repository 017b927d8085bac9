"""A power cut at any moment loses no green tap and doubles none; and a bug that breaks this is found."""

from pathlib import Path
from typing import Final

import pytest

from tests.powercut.rounds import Trial, power_cuts
from tests.powercut.shim import LIE, Fault

SEED: Final = 3
ROUNDS: Final = 20
FEW: Final = 6
SHORT: Final = (2, 5)
NO_FOLDER_SYNC: Final = (Fault("fsync", ".", LIE), Fault("fdatasync", ".", LIE))


@pytest.mark.timeout(600)
@pytest.mark.feature("F01")
def test_no_power_cut_loses_or_doubles_a_green_tap(tmp_path: Path) -> None:
    """Pitfalls 1, 7 and 36: nothing is lost, doubled, damaged or put aside by a mere power cut."""
    with power_cuts(tmp_path, SEED, Trial(stretches=(3, 20, 20, 60))) as cuts:
        for done in cuts.run(ROUNDS):
            assert not done.violations, f"{done.violations}; python -m tests.powercut --again {done.folder}"
    tally = cuts.tally
    assert tally.rounds == ROUNDS
    assert tally.new >= 2
    assert tally.greens >= ROUNDS * 10
    assert tally.begun_logs >= ROUNDS
    assert min(tally.fate.lost, tally.fate.torn, tally.fate.survived, tally.fate.names_lost) > 0
    assert len(tally.acts) == 6, f"not all of what can happen in between has: {tally.acts}"


@pytest.mark.parametrize(
    "trial",
    [Trial(SHORT, "green-before-commit"), Trial(SHORT, "normal-sync"), Trial(SHORT, disk=NO_FOLDER_SYNC)],
    ids=["green-before-commit", "normal-sync", "no-folder-sync"],
)
def test_power_cuts_find_a_planted_bug(tmp_path: Path, trial: Trial) -> None:
    """Proves that the test above can fail."""
    with power_cuts(tmp_path, SEED, trial) as cuts:
        found = [done for done in cuts.run(FEW) if done.violations]
        assert found
        assert cuts.again(found[0].folder) == found[0].violations[:-1], "the same cut again does not show the same"
