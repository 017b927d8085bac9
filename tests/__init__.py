"""The tests: mirrors of the code, journeys, chaos, browser, bench and house rules."""
