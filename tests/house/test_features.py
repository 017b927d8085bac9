"""The marks of tests and the rows of docs/features.md agree, and `make features` believes only what ran and passed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features import FEATURES, feature_rows
from tests.house.repository import ROOT, modules

CASES = """
import pytest

@pytest.mark.feature("A01")
def test_passes(): pass

@pytest.mark.feature("A02")
def test_fails(): assert False

@pytest.mark.feature("A03")
@pytest.mark.skip(reason="not now")
def test_is_skipped(): pass

@pytest.mark.feature("A04")
@pytest.mark.parametrize("n", [1, 2])
def test_passes_in_all_cases(n): pass

@pytest.mark.feature("A05")
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.skip)])
def test_passes_in_some_cases(n): pass

@pytest.mark.feature("A06")
@pytest.mark.xfail(strict=False)
def test_is_expected_to_fail(): pass

@pytest.fixture
def falls(): yield; raise OSError

@pytest.mark.feature("A07")
def test_falls_over_afterwards(falls): pass

@pytest.mark.feature("A01", "A08")
def test_is_deselected(): pass
"""


def test_every_mark_names_rows_that_exist() -> None:
    rows = set(feature_rows(FEATURES.read_text(encoding="utf-8")))
    unknown = [f"{name}:{line}: {row}" for name, line, row in marks() if row not in rows]
    assert not unknown


def test_no_row_is_listed_twice() -> None:
    rows = feature_rows(FEATURES.read_text(encoding="utf-8"))
    assert len(rows) == len(set(rows))


def marks() -> Iterator[tuple[Path, int, str]]:
    """Every id in a `pytest.mark.feature(...)` of the tests, without running or importing them."""
    for name, tree in modules("tests"):
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="feature", value=ast.Attribute(attr="mark"))):
                    for argument in node.args:
                        yield name, node.lineno, str(ast.literal_eval(argument))


def report(folder: Path, text: str, *options: str) -> tuple[int, list[str]]:
    """Exit status and printed lines of a real run over this test file, with the plugin."""
    (folder / "test_cases.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = feature(*ids): rows\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.features", "--features", "--rootdir", str(folder)]
    command += ["-p", "no:cacheprovider", "-c", str(folder / "pytest.ini"), *options, str(folder)]
    answer = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return answer.returncode, (answer.stdout + answer.stderr).splitlines()


def test_a_row_is_proved_only_by_a_test_that_ran_and_passed_in_all_cases(tmp_path: Path) -> None:
    status, lines = report(tmp_path, CASES, "-k", "not deselected")
    rows = {line[:3]: line for line in lines if line[3:4] == " "}
    total = len(feature_rows(FEATURES.read_text(encoding="utf-8")))
    assert status == 1
    assert rows["A01"] == "A01 proved test_cases.py::test_passes"
    assert rows["A02"] == "A02 failed test_cases.py::test_fails"
    assert rows["A04"] == "A04 proved test_cases.py::test_passes_in_all_cases"
    assert rows["A07"] == "A07 failed test_cases.py::test_falls_over_afterwards"
    assert [rows[row] for row in ("A03", "A05", "A06", "A08")] == ["A03 open", "A05 open", "A06 open", "A08 open"]
    assert lines[-1] == f"2 proved, {total - 4} open, 2 failed of {total}"


@pytest.mark.parametrize("row", ["Z99", "a05", ""])
def test_a_mark_with_an_unknown_row_stops_the_run(tmp_path: Path, row: str) -> None:
    text = f"import pytest\n@pytest.mark.feature({row!r})\ndef test_it(): pass\n"
    status, lines = report(tmp_path, text)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert any("has no row" in line for line in lines)
