"""What every test gets: how much and how repeatably Hypothesis searches, a language, and a pcscd of its own."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.pcscd import look_there

# a slow machine is no fault of the code; CI must give the same answer twice
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("house"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


look_there()
os.environ["LANGUAGE"] = "en"  # a Swedish machine tests the same words


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """Also after a command that speaks Swedish always."""
    yield
    os.environ["LANGUAGE"] = "en"
