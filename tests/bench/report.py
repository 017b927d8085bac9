"""Shows figures as a table, and keeps them as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.bench.figures import Figure

COLUMNS: Final = ("figure", "measured", "bare", "unit", "ratio", "target", "")
LEFT: Final = {"figure", "unit", ""}


@dataclass
class Report:
    """Everything of one run; `failures` are the measurements that could not be made, with the reason."""

    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def show(self, console: Console) -> None:
        """A row for each figure, and below it what it is made of."""
        table = Table(title="Ratios are measured over bare, in the same run; lower is better unless the target says ≥")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in LEFT else "right")
        for figure in self.figures:
            table.add_row(*_cells(figure))
            for name, value in figure.parts.items():
                table.add_row(f"[dim]  {name}", f"[dim]{_number(value)}", "", f"[dim]{figure.unit}")
        for name, why in self.failures.items():
            table.add_row(name, "", "", "", "", "", f"[red]not measured: {escape(why)}")
        console.print(table)

    def save(self, path: Path) -> None:
        """Write it down, with what kind of machine it was."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        """The content of build/bench/latest.json."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kind": platform.machine()},
            "load": list(os.getloadavg()),
            "figures": [figure.as_json() for figure in self.figures],
            "failures": self.failures,
        }


def _cells(figure: Figure) -> Sequence[str]:
    bare = "–" if figure.bare is None else _number(figure.bare)
    ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}"
    target = "–" if figure.target is None else figure.target.words
    met = {True: "[green]met", False: "[bold red]missed", None: ""}[figure.is_met]
    return figure.name, _number(figure.measured), bare, figure.unit, ratio, target, met


def _number(value: float) -> str:
    """Three significant digits, and thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
