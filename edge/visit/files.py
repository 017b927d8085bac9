"""The same report as a table for spreadsheets, and as JSON for programs, row by row."""

import json
from collections.abc import Callable
from typing import Final

from edge.ledger.export import csv_row
from edge.visit.rows import Mark, Row

Write = Callable[[bytes], object]

COLUMNS: Final = (
    "identifikationsnummer",
    "typ",
    "person",
    "personnummer",
    "företag",
    "organisationsnummer",
    "in datum",
    "in tid",
    "ut datum",
    "ut tid",
    "slut",
    "in registrerat",
    "ut registrerat",
    "in post",
    "ut post",
    "kort",
    "källa",
    "projekt",
    "anmärkningar",
)


class Sheet:
    """CSV as a Swedish Excel opens it by itself: UTF-8 with a mark, semicolons, no cell a formula."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._site = ""

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        """The names of the columns; what else is said of the report does not fit in a table."""
        self._site = dict(lines).get("Identifikationsnummer", "")
        self._write(b"\xef\xbb\xbf" + csv_row(COLUMNS))

    def section(self, title: str) -> None:
        """Each row says by itself what it is."""

    def add(self, row: Row) -> None:
        """A line."""
        began, ended = _cells(row.began), _cells(row.ended)
        cells = (
            *(self._site, row.kind, row.person, row.person_number, row.company, row.company_number),
            *(began[0], began[1], ended[0], ended[1], row.end, began[2], ended[2], began[3], ended[3]),
            *(row.card, row.source, row.project, "; ".join(row.remarks)),
        )
        self._write(csv_row(cells))

    def end(self, notes: list[str]) -> None:
        """A table ends with its last row."""


class Json:
    """One object: title, heading, sections with their rows, notes; and in the end that it was not cut off."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._sections, self._rows = 0, 0

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        """The heading, as pairs: a report has a label twice where there are several ledgers."""
        self._say(f'{{"title": {_text(title)}, "heading": {_text(lines)}, "sections": [')

    def section(self, title: str) -> None:
        """A list of rows follows."""
        self._say("]}, " if self._sections else "")
        self._sections, self._rows = self._sections + 1, 0
        self._say(f'{{"title": {_text(title)}, "rows": [')

    def add(self, row: Row) -> None:
        """A row."""
        self._say((",\n" if self._rows else "\n") + _text(row.as_json()))
        self._rows += 1

    def end(self, notes: list[str]) -> None:
        """What has to be said of it."""
        self._say(("]}" if self._sections else "") + f'], "notes": {_text(notes)}, "complete": true}}\n')

    def _say(self, text: str) -> None:
        self._write(text.encode())


def _cells(mark: Mark | None) -> tuple[str, str, str, str]:
    return ("", "", "", "") if mark is None else (mark.date, mark.time, mark.recorded, mark.entry)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
