"""Cards that no reader should meet, and settings with mistakes: each is named, and nothing else suffers."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.journeys.conftest import Build
from tests.support.site import Site
from tests.support.site_terminal import Feed, Plan, script
from tests.support.waiting import until

EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits.h: systemd does not try again


@pytest.fixture(scope="module")
def site(build: Build) -> Site:
    """A gate with a PC/SC reader."""
    return build([Plan("gate-pcsc", Feed.PCSC)])


@pytest.mark.parametrize("length", [0, 3, 11])
def test_a_card_with_a_serial_number_that_no_card_has_is_unread(site: Site, length: int) -> None:
    gate = site.terminals[0]
    recorded, seen = len(gate.copy().rows), len(gate.events)
    gate.present(bytes(range(1, length + 1)))
    unread = until(lambda: [event for event in gate.events[seen:] if event.get("event") == "card.unread"])[0]
    assert f"{length} bytes" in unread["why"]
    assert len(gate.copy().rows) == recorded
    gate.withdraw()

    greens = len(gate.lights)
    gate.present(bytes.fromhex(site.cards[length].value))
    until(lambda: len(gate.lights) > greens, what="the next card is green")
    gate.withdraw()
    gate.wait_until_sent()
    assert not site.faults()


RUN, CHECK, STATUS = ("grindvakt", "run", "--simulate"), ("grindvakt", "check-config"), ("grindvakt", "status")
SERVE = ("grindvakt-cloud", "serve")
NO_STRING, TWICE, NO_NUMBER = "[{}]\nhost = gate\n", '[{0}]\nhost = "a"\nhost = "b"\n', '[{}]\nport = "soon"\n'
MISTAKES: Final = (
    (RUN, NO_STRING, "line 2"),
    (RUN, NO_NUMBER, "link.port"),
    (CHECK, TWICE, "line 3"),
    (CHECK, NO_NUMBER, "link.port"),
    (STATUS, TWICE, "line 3"),
    (SERVE, NO_STRING, "line 2"),
    (SERVE, NO_NUMBER, "broker.port"),
)


@pytest.mark.parametrize(("command", "settings", "place"), MISTAKES)
def test_settings_with_a_mistake_are_refused_with_file_and_place(
    tmp_path: Path, command: tuple[str, ...], settings: str, place: str
) -> None:
    """Nothing is started and nothing is made; the exit status tells systemd not to try again."""
    program, *arguments = command
    file = tmp_path / "settings.toml"
    file.write_text(settings.format("broker" if command == SERVE else "link"), encoding="utf-8")
    done = subprocess.run(
        [script(program), *arguments, "--config", str(file)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == EXIT_CONFIG
    assert str(file) in done.stdout + done.stderr
    assert place in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]
