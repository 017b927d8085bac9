"""The house rules about what is, and what is not, in the repository."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.house.repository import ROOT, repository_texts

REQUIREMENTS: Final = sorted((ROOT / "requirements").glob("*.txt"))
PINNED: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)")
ADDRESS: Final = re.compile(r"https?://|file:|--index|--extra-index|--find-links")

# in pieces, or this file would break its own rule
REGISTRIES: Final = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js", "deb.deb" + "ian.org")
PLACES: Final = ("/wo" + "rk/main", "/wo" + "rk/shared", "/ro" + "ot/.", ".py" + "env/")


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    """What is checked out elsewhere, or installed from a mirror, must not depend on this machine."""
    words = [*REGISTRIES, *PLACES, f"{ROOT}/"]
    wrong = [f"{name}: {word}" for name, text in repository_texts() for word in words if word in text]
    assert not wrong


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_pinned_package_carries_hashes_and_no_address(path: Path) -> None:
    entries = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert PINNED.match(entry), entry
        assert "--hash=sha256:" in entry, entry
        assert not ADDRESS.search(entry), entry


def test_all_requirement_files_pin_the_same_versions() -> None:
    """Otherwise what is tested is not what is installed."""
    pinned: dict[str, set[str]] = {}
    for path in REQUIREMENTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := PINNED.match(line):
                pinned.setdefault(found[1], set()).add(found[2])
    assert {name: versions for name, versions in pinned.items() if len(versions) > 1} == {}


def test_the_requirement_files_hold_every_direct_dependency() -> None:
    """A dependency added to pyproject.toml without `make lock` is found here, not at a customer's."""
    pinned = {
        found[1] for line in (ROOT / "requirements/dev.txt").read_text().splitlines() if (found := PINNED.match(line))
    }
    assert python_dependencies() <= pinned


def test_package_lock_has_checksums_and_no_addresses() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    libraries = {name: package for name, package in packages.items() if name}
    assert libraries
    assert all("resolved" not in package and package["integrity"] for package in libraries.values())


def test_front_end_libraries_are_pinned_exactly() -> None:
    wanted = package_json()["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values()), wanted


def test_dependencies_document_has_a_line_for_each_dependency_and_no_other() -> None:
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(lines) == sorted({*python_dependencies(), *package_json()["dependencies"]})


def test_make_prints_every_public_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    public = {target for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE) for target in line.split()}
    printed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert public == set(re.findall(r"^ +make ([a-z-]+)", printed, re.MULTILINE))


def test_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def python_dependencies() -> set[str]:
    """The normalised names of everything that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    return {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in asked}


def package_json() -> Any:
    """What the portal asks npm for."""
    return json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
