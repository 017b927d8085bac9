"""A report on the screen: readable at 80 columns, and as plain text where it is piped."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Final

from edge.visit.rows import Mark, Row

NARROWEST: Final = 80
WIDEST: Final = 132
MOMENT: Final = 19  # characters of a date and a time
LABELS: Final = 22

Say = Callable[[str], object]


class Screen:
    """An output; `say` prints a line. A row is said as soon as it is known."""

    def __init__(self, say: Say, columns: int) -> None:
        self._say = say
        self._columns = min(max(columns, NARROWEST), WIDEST)
        names = self._columns - 2 * (MOMENT + 2)
        self._widths = (names // 2 - 2, names - names // 2 - 2, MOMENT, MOMENT)

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        """The heading."""
        self._say(title)
        self._say("=" * len(title))
        for label, value in lines:
            self._say_in_columns((label, value), (LABELS, self._columns - LABELS - 2))

    def section(self, title: str) -> None:
        """Its title, and what stands where."""
        self._say("")
        self._say(title)
        self._say_in_columns(("Person", "Företag", "In", "Ut"), self._widths)
        self._say("-" * self._columns)

    def add(self, row: Row) -> None:
        """Two lines for who and when, and what else the ledger has."""
        began, ended = row.began, row.ended
        names = (f"{row.person}\n{row.person_number}", f"{row.company}\n{row.company_number}")
        ends = row.end if ended is None else ended.moment
        self._say_in_columns((*names, "saknas" if began is None else began.moment, ends), self._widths)
        recorded = [_recorded(mark, way) for mark, way in ((began, "in"), (ended, "ut")) if mark is not None]
        self._say_below(f"registrerat {'; '.join(recorded)}")
        parts = [row.card and f"kort {row.card}", f"källa {row.source}", row.project and f"projekt {row.project}"]
        self._say_below(", ".join(part for part in parts if part))
        for remark in row.remarks:
            self._say_below(f"obs: {remark}")

    def end(self, notes: list[str]) -> None:
        """What has to be said of all of it."""
        self._say("-" * self._columns)
        for note in notes:
            for line in textwrap.wrap(note, self._columns):
                self._say(line)

    def _say_below(self, text: str) -> None:
        if len(text) + 2 <= self._columns:
            self._say(f"  {text}")
            return
        for line in textwrap.wrap(text, self._columns, initial_indent="  ", subsequent_indent="    "):
            self._say(line)

    def _say_in_columns(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            line = "  ".join(f"{part:{width}}" for part, width in zip(parts, widths, strict=True))
            self._say(line.rstrip())


def columns() -> int:
    """How wide the screen is; as narrow as any where it is a pipe."""
    return shutil.get_terminal_size((NARROWEST, 24)).columns


def _recorded(mark: Mark, way: str) -> str:
    return f"{way} {mark.recorded}" + (f" (post {mark.entry})" if mark.entry else "")


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for part in text.split("\n"):
        lines += [part] * bool(part) if len(part) <= width else textwrap.wrap(part, width)
    return lines
