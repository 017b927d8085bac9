"""Lays a report out on pages for printing, as PDF with the letters of every European language."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Final, cast

from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

from edge.errors import FontMissing, ReportTooLong
from edge.visit.rows import Mark, Row

FONTS: Final = Path("/usr/share/fonts/truetype/dejavu")  # of Debian's fonts-dejavu-core
MOST_ROWS: Final = 20_000
"""Of one file: some 1,500 pages, which the library keeps in memory until the end."""

_WIDE, _HIGH = landscape(A4)
_EDGE: Final = 12 * mm
_PLAIN, _BOLD = "DejaVu", "DejaVu-Bold"
_SIZE: Final = 7.5
_LINE: Final = 9.5
_BOTTOM: Final = 17 * mm
_LABELS: Final = 42 * mm
_TOTAL: Final = "pages"

_COLUMNS: Final = (
    ("Person", 45 * mm),
    ("Företag", 45 * mm),
    ("In", 33 * mm),
    ("Ut", 33 * mm),
    ("Registrerat i liggaren", 56 * mm),
    ("Kort, källa, anmärkningar", 61 * mm),
)
_GAP: Final = 2 * mm
_AIR: Final = 5  # points between the last line of a row and the first of the next

Write = Callable[[bytes], object]


class Paper:
    """An output: pages in memory, written at the end. Raises FontMissing at once, ReportTooLong where it is `whole`.

    Where not, pages end after `most` rows and say so: another file beside them has all.
    """

    def __init__(self, write: Write, *, fonts: Path = FONTS, most: int = MOST_ROWS, whole: bool = True) -> None:
        _load_fonts(fonts)
        self._canvas = Canvas(
            cast("IO[bytes]", _Written(write)), pagesize=(_WIDE, _HIGH), pageCompression=1, lang="sv-SE"
        )
        self._most, self._whole = most, whole
        self._rows = 0
        self._page = 0
        self._at = 0.0
        self._title, self._short = "", ""
        self._section = ""

    def begin(self, title: str, lines: list[tuple[str, str]]) -> None:
        """The first page, with everything that is said of the report."""
        self._title = title
        told = dict(lines)
        parts = (told.get("Identifikationsnummer"), told.get("Projekt"), told.get("Terminal"), told.get("Visad"))
        self._short = "   ·   ".join(part for part in parts if part)
        self._canvas.setTitle(title)
        self._canvas.setAuthor("Grindvakt")
        self._canvas.setSubject(self._short)
        self._new_page()
        for label, value in lines:
            self._need(_LINE)
            self._text(_EDGE, label, _BOLD)
            for line in _wrapped(value, _WIDE - 2 * _EDGE - _LABELS, _PLAIN):
                self._text(_EDGE + _LABELS, line)
                self._at -= _LINE

    def section(self, title: str) -> None:
        """Its title and the names of the columns, which every further page has again."""
        self._section = title
        self._at -= _LINE
        self._need(6 * _LINE)
        self._headings()

    def add(self, row: Row) -> None:
        """A row, on one page. Raises ReportTooLong."""
        self._rows += 1
        if self._rows > self._most:
            if self._whole:
                raise ReportTooLong(self._most)
            return
        cells = [_wrapped(text, width - _GAP, _PLAIN) for text, (_, width) in zip(_cells(row), _COLUMNS, strict=True)]
        high = max(map(len, cells)) * _LINE + _AIR
        if self._need(high):
            self._headings()
        left = _EDGE
        for lines, (_, width) in zip(cells, _COLUMNS, strict=True):
            for number, line in enumerate(lines):
                self._canvas.drawString(left, self._at - number * _LINE, line)
            left += width
        self._at -= high
        self._rule(0.25)

    def end(self, notes: list[str]) -> None:
        """What has to be said; then the pages are written."""
        if self._rows > self._most:
            left_out = (
                f"De här sidorna har de första {self._most} raderna av {self._rows}; alla finns i CSV-filen bredvid."
            )
            notes = [left_out, *notes]
        self._at -= _LINE
        for note in notes:
            lines = _wrapped(note, _WIDE - 2 * _EDGE, _PLAIN)
            self._need(len(lines) * _LINE)
            for line in lines:
                self._text(_EDGE, line)
                self._at -= _LINE
        self._canvas.showPage()
        self._canvas.beginForm(_TOTAL)
        self._canvas.setFont(_PLAIN, _SIZE)
        self._canvas.drawString(0, 0, f"av {self._page}")
        self._canvas.endForm()
        self._canvas.save()

    def _new_page(self) -> None:
        """The head and foot that every page has."""
        if self._page:
            self._canvas.showPage()
        self._page += 1
        canvas = self._canvas
        canvas.setFont(_BOLD, 12 if self._page == 1 else 9)
        canvas.drawString(_EDGE, _HIGH - 14 * mm, self._title)
        canvas.setFont(_PLAIN, _SIZE)
        if self._page > 1:
            canvas.drawRightString(_WIDE - _EDGE, _HIGH - 14 * mm, self._short)
        canvas.drawString(_EDGE, 9 * mm, self._short if self._page == 1 else "")
        canvas.drawRightString(_WIDE - _EDGE - 14 * mm, 9 * mm, f"Sida {self._page}")
        canvas.saveState()
        canvas.translate(_WIDE - _EDGE - 13 * mm, 9 * mm)
        canvas.doForm(_TOTAL)
        canvas.restoreState()
        self._at = _HIGH - 22 * mm

    def _headings(self) -> None:
        self._text(_EDGE, self._section, _BOLD)
        self._at -= 1.4 * _LINE
        left = _EDGE
        for name, width in _COLUMNS:
            self._text(left, name, _BOLD)
            left += width
        self._at -= _LINE + 2
        self._rule(0.8)

    def _need(self, high: float) -> bool:
        """Whether a new page was needed for so much."""
        if self._at - high > _BOTTOM:
            return False
        self._new_page()
        return True

    def _text(self, left: float, text: str, font: str = _PLAIN) -> None:
        self._canvas.setFont(font, _SIZE)
        self._canvas.drawString(left, self._at, text)
        self._canvas.setFont(_PLAIN, _SIZE)

    def _rule(self, thick: float) -> None:
        self._canvas.setLineWidth(thick)
        level = self._at + _LINE - 0.5
        self._canvas.line(_EDGE, level, _WIDE - _EDGE, level)


class _Written:
    """What the library wants a file for."""

    def __init__(self, write: Write) -> None:
        self.write = write


def _cells(row: Row) -> tuple[str, ...]:
    began, ended = row.began, row.ended
    recorded = [_recorded("in", began)] * (began is not None) + [_recorded("ut", ended)] * (ended is not None)
    last = [f"{row.card} ({row.source})" if row.card else row.source, *row.remarks]
    if row.project:
        last.insert(0, f"projekt {row.project}")
    return (
        f"{row.person}\n{row.person_number}",
        f"{row.company}\n{row.company_number}",
        "saknas" if began is None else began.moment,
        row.end if ended is None else ended.moment,
        "\n".join(recorded),
        "\n".join(last),
    )


def _recorded(way: str, mark: Mark | None) -> str:
    if mark is None:
        return ""
    return f"{way} {mark.recorded}" + (f", post {mark.entry}" if mark.entry else "")


def _wrapped(text: str, width: float, font: str) -> list[str]:
    """Lines that are no wider than this; a word that is, is broken."""
    lines = []
    for part in text.split("\n"):
        line = ""
        for word in part.split():
            longer = f"{line} {word}" if line else word
            if _width(longer, font) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while _width(word, font) > width:
                cut = max(next((n for n in range(len(word), 0, -1) if _width(word[:n], font) <= width), 1), 1)
                lines.append(word[:cut])
                word = word[cut:]  # noqa: PLW2901 - what is left of it
            line = word
        lines.append(line)
    return [line for line in lines if line] or [""]


def _width(text: str, font: str) -> float:
    return pdfmetrics.stringWidth(text, font, _SIZE)


@cache
def _load_fonts(folder: Path) -> None:
    for name, file in ((_PLAIN, "DejaVuSans.ttf"), (_BOLD, "DejaVuSans-Bold.ttf")):
        try:
            pdfmetrics.registerFont(TTFont(name, str(folder / file)))
        except (TTFError, OSError) as exc:
            raise FontMissing(folder / file) from exc
