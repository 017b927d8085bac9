"""The units of both programs are hardened, and systemd understands every line of them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from edge.doctor.accounts import GIVEN_BY_THE_UNIT, USUAL
from tests.house.repository import ROOT

UNITS: Final = sorted((ROOT / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_exposes_at_most_a_quarter(unit: Path) -> None:
    """systemd's own measure: an exposure of 2.5 out of 10, given to it as 25."""
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", str(unit)]
    answer = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line_of_the_unit(unit: Path, tmp_path: Path) -> None:
    """Unknown keys leave the exit status at 0, so what it prints counts; the programs need not be installed here."""
    copy = tmp_path / unit.name
    copy.write_text(
        re.sub(r"^(Exec\w+=[-+!]*)\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    answer = subprocess.run(["systemd-analyze", "verify", str(copy)], check=False, capture_output=True, text=True)
    complaints = [line for line in answer.stderr.splitlines() if unit.name in line]
    assert (answer.returncode, complaints) == (0, [])


def test_both_programs_have_a_unit() -> None:
    assert [unit.name for unit in UNITS] == ["grindvakt-cloud.service", "grindvakt.service"]


@pytest.mark.feature("F16")
def test_the_terminal_may_ask_whether_its_clock_is_synchronised_and_not_set_it() -> None:
    """adjtimex(2) reads and sets; systemd's group @clock, which @privileged holds and ProtectClock= forbids, has it."""
    lines = (ROOT / "systemd/grindvakt.service").read_text(encoding="utf-8").splitlines()
    filters = [line.removeprefix("SystemCallFilter=") for line in lines if line.startswith("SystemCallFilter=")]
    forbidden = next(number for number, line in enumerate(filters) if line.startswith("~") and "@privileged" in line)
    assert "ProtectClock=yes" not in lines
    assert {"adjtimex", "clock_adjtime"} <= {call for line in filters[forbidden + 1 :] for call in line.split()}
    assert "CapabilityBoundingSet=" in lines, "without CAP_SYS_TIME the kernel lets nobody set it"


def settings(unit: str, key: str) -> list[str]:
    """Every value that a unit gives a key."""
    lines = (ROOT / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]


def test_the_terminal_reaches_every_kind_of_reader_and_the_doctor_reckons_with_the_same_groups() -> None:
    """Ports belong to dialout and lines to gpio on Raspberry Pi OS; pcscd is reached by its socket alone."""
    unit = "grindvakt.service"
    allowed = {each.split()[0].removeprefix("char-") for each in settings(unit, "DeviceAllow")}
    assert allowed == {"gpiochip", "ttyUSB", "ttyACM", "ttyAMA", "ttyS"}
    assert all(each.endswith(" rw") for each in settings(unit, "DeviceAllow"))
    assert settings(unit, "SupplementaryGroups") == [" ".join(GIVEN_BY_THE_UNIT)]
    assert settings(unit, "User") == settings(unit, "Group") == [USUAL]
    assert settings(unit, "Wants") == ["pcscd.socket"]
    assert "AF_UNIX" in settings(unit, "RestrictAddressFamilies")[0].split()
    assert settings(unit, "RuntimeDirectoryMode") == ["0750"], "members of the group ask the daemon"


POLKIT: Final = """
let rule;
const polkit = { Result: { YES: "yes" }, addRule: (given) => { rule = given; } };
%s
const asked = (action, group) => rule({ id: action }, { isInGroup: (name) => name === group }) ?? "no opinion";
const pcsc = "org.debian.pcsc-lite.";
console.log(JSON.stringify([
    asked(pcsc + "access_pcsc", "grindvakt"), asked(pcsc + "access_card", "grindvakt"),
    asked(pcsc + "access_pcsc", "users"), asked("org.freedesktop.login1.reboot", "grindvakt"),
]));
"""


def test_pcscd_lets_in_the_daemon_s_group_and_the_rule_has_no_opinion_on_all_else() -> None:
    rule = (ROOT / "systemd/50-grindvakt.rules").read_text(encoding="utf-8")
    answer = subprocess.run(["node", "-e", POLKIT % rule], check=True, capture_output=True, text=True)
    assert json.loads(answer.stdout) == ["yes", "yes", "no opinion", "no opinion"]
