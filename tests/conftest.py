"""What every test gets: how much and how repeatably Hypothesis searches, and a language."""

import os

from hypothesis import HealthCheck, settings

# a slow machine is no fault of the code; CI must give the same answer twice
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("house"), derandomize=True, print_blob=True)
# a Swedish machine tests the same words
os.environ["LANGUAGE"] = "en"

settings.load_profile("ci" if os.environ.get("CI") else "house")
