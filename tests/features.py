"""The pytest plugin behind `make features`: which rows of docs/features.md a real run of the tests has proved."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

FEATURES: Final = Path(__file__).parent.parent / "docs" / "features.md"
ROW: Final = re.compile(r"^\| ([A-Z]\d\d) \|", re.MULTILINE)


def feature_rows(text: str) -> list[str]:
    """The ids of all rows, in the order of the document."""
    return ROW.findall(text)


def ids_of(mark: pytest.Mark) -> tuple[str, ...]:
    """The ids that one `@pytest.mark.feature("A05", "A06")` names."""
    return tuple(str(named) for named in mark.args)


@dataclass(slots=True)
class Phases:
    """What became of the set-up, call and tear-down of one test case; a phase that never ran is missing."""

    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.outcomes == {"setup": "passed", "call": "passed", "teardown": "passed"}

    @property
    def failed(self) -> bool:
        return "failed" in self.outcomes.values()


class FeatureReport:
    """A row is proved when a marked test passed in all of its cases, and failed when any marked case failed."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows
        self._cases: dict[str, Phases] = {}
        self._claims: dict[str, dict[str, list[str]]] = {row: {} for row in rows}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Notes every claim before anything is deselected: a case that then does not run leaves its test unproved."""
        for item in items:
            for mark in item.iter_markers("feature"):
                for row in ids_of(mark):
                    if row not in self._claims:
                        raise pytest.UsageError(f"{item.nodeid}: docs/features.md has no row {row}")
                    cases = self._claims[row].setdefault(item.nodeid.partition("[")[0], [])
                    if item.nodeid not in cases:
                        cases.append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what really happened; an expected failure reports itself as skipped and proves nothing."""
        outcome = "unexpected" if hasattr(report, "wasxfail") else report.outcome
        self._cases.setdefault(report.nodeid, Phases()).outcomes[report.when] = outcome

    def pytest_unconfigure(self) -> None:
        """Prints a line per row, after pytest's own closing line, and the counts last."""
        for line in self._lines():
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _lines(self) -> Iterator[str]:
        counts = {"proved": 0, "open": 0, "failed": 0}
        for row in self._rows:
            verdict, tests = self._verdict(row)
            counts[verdict] += 1
            yield " ".join([row, verdict, *tests])
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        yield f"{counts['proved']} proved, {counts['open']} open{failed} of {len(self._rows)}"

    def _verdict(self, row: str) -> tuple[str, list[str]]:
        claims = self._claims[row]
        failed = [test for test, cases in claims.items() if any(self._case(case).failed for case in cases)]
        if failed:
            return "failed", failed
        proved = [test for test, cases in claims.items() if all(self._case(case).passed for case in cases)]
        return ("proved", proved) if proved else ("open", [])

    def _case(self, case: str) -> Phases:
        return self._cases.get(case, Phases())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --features."""
    parser.addoption("--features", action="store_true", help="print which rows of docs/features.md were proved")


def pytest_configure(config: pytest.Config) -> None:
    """Starts the report when it is asked for."""
    if config.getoption("--features"):
        config.pluginmanager.register(FeatureReport(feature_rows(FEATURES.read_text(encoding="utf-8"))))
