"""Every green is in the cloud exactly once, whatever is killed and when; and a bug that breaks this is found."""

from pathlib import Path
from typing import Final

import pytest

from tests.chaos.rounds import BROKER, CLOUD, SERIAL, SIMULATED, Trial, chaos

SEED: Final = 6
ROUNDS: Final = 20
FEW: Final = 12


@pytest.mark.timeout(600)
@pytest.mark.feature("F01", "F31")
def test_no_kill_of_daemon_broker_or_cloud_loses_or_doubles_a_green_tap(tmp_path: Path) -> None:
    """Pitfall 36: other tests neither kill nor cut power."""
    with chaos(tmp_path / "site", SEED) as trial:
        for done in trial.run(ROUNDS):
            assert not done.violations, f"seed {SEED}, round {done.number}: {done.violations}"
    tally = trial.tally
    assert tally.rounds == ROUNDS
    assert {BROKER, CLOUD, SERIAL, SIMULATED} <= tally.kills.keys()
    assert tally.greens >= ROUNDS * 5


@pytest.mark.parametrize(
    ("plant", "struck"), [("green-before-commit", (SERIAL, SIMULATED)), ("no-resend", (BROKER, CLOUD))]
)
def test_chaos_finds_a_planted_bug(tmp_path: Path, plant: str, struck: tuple[str, ...]) -> None:
    """Proves that the test above can fail."""
    trial = Trial(dict.fromkeys(struck, 1.0), patience=6.0)
    with chaos(tmp_path / "site", SEED, plant, trial) as planted:
        assert any(done.violations for done in planted.run(FEW))
