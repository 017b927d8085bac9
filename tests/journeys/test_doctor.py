"""The doctor at a whole site: all is well, and then each part that is taken away is the one it names (F20)."""

import json
import os
import subprocess
from typing import Any

import pytest

from edge.doctor import Verdict
from tests.journeys.conftest import Build
from tests.support.site import Site
from tests.support.site_terminal import Feed, Plan, SiteTerminal, script
from tests.support.waiting import until

ABOUT_THIS_MACHINE = {"clock", "disk", "power", "temperature", "signals", "certificate", "gpio"}
"""Parts that are as they are on a machine that is no Raspberry Pi, with papers for a week."""


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    return build([Plan("gate-north", Feed.PCSC), Plan("gate-south", Feed.SERIAL)])


def examined(site: Site, terminal: SiteTerminal) -> dict[str, dict[str, Any]]:
    """The worst finding of each part."""
    assert site.readers is not None
    asked = [script("grindvakt"), "doctor", "--json", "--config", str(terminal.settings)]
    environment = {**os.environ, **site.readers.environment}
    answer = subprocess.run(asked, check=False, capture_output=True, text=True, env=environment)
    worst: dict[str, dict[str, Any]] = {}
    for each in json.loads(answer.stdout)["findings"]:
        known = worst.setdefault(each["part"], each)
        if list(Verdict).index(each["verdict"]) > list(Verdict).index(known["verdict"]):
            worst[each["part"]] = each
    return worst


def bad(parts: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, each in parts.items() if each["verdict"] == "bad" and name not in ABOUT_THIS_MACHINE}


def test_a_site_that_is_well_is_found_well_and_the_cloud_was_heard(site: Site) -> None:
    site.wait_until_sent()
    for terminal in site.terminals:
        parts = examined(site, terminal)
        assert bad(parts) == set(), parts
        for part in ("configuration", "daemon", "reader gate", "door gate", "ledger", "broker", "cloud", "binding"):
            assert parts[part]["verdict"] == "good", parts[part]
        assert "connected, heard " in parts["cloud"]["found"]
        assert parts["tables"]["verdict"] == "good"


def test_a_serial_reader_that_is_unplugged_is_named_with_its_port(site: Site) -> None:
    south = site.terminal("gate-south")
    assert south._serial is not None
    south._serial.unplug()
    until(lambda: not south.status()["readers"]["gate"]["there"], what="the reader is lost")
    parts = examined(site, south)
    assert bad(parts) == {"reader gate"}
    assert "is not there" in parts["reader gate"]["found"]
    assert "look at plug and cable" in parts["reader gate"]["advice"]
    south.plug_reader()
    until(lambda: south.status()["readers"]["gate"]["there"], what="the reader is back")


def test_without_pcscd_the_reader_says_how_to_start_it(site: Site) -> None:
    north = site.terminal("gate-north")
    assert site.readers is not None
    site.readers.stop()
    until(lambda: not north.status()["readers"]["gate"]["there"], what="the reader is lost")
    parts = examined(site, north)
    assert bad(parts) == {"reader gate"}
    assert "pcscd does not answer" in parts["reader gate"]["found"]
    site.readers.start()
    until(lambda: north.status()["readers"]["gate"]["there"], 20, "the reader is back")


def test_a_broker_that_is_gone_is_told_from_a_cloud_that_is(site: Site) -> None:
    north = site.terminal("gate-north")
    site.broker.stop()
    until(lambda: not north.status()["link"]["online"], what="it knows that it is alone")
    parts = examined(site, north)
    assert bad(parts) == {"broker", "cloud"}
    assert "does not answer: Connection refused" in parts["broker"]["found"]
    site.broker.start()
    until(lambda: north.status()["link"]["online"], 20, "it is online")
    assert examined(site, north)["broker"]["verdict"] == "good"
