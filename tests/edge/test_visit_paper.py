"""Pages, tables and objects have what the screen has: read back by programs that are not ours."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from edge.errors import FontMissing, ReportTooLong
from edge.visit.asking import Asked, View
from edge.visit.files import Json, Sheet
from edge.visit.paper import Paper
from edge.visit.rows import Mark, Row
from edge.visit.screen import Screen
from protocol.clock import MICROSECONDS
from protocol.tables import Named
from tests.support.visited import ANNA, BORIS, BYGG, EL, IN, OUT, Visited, at, denied, history, tap, unseen

NOW = at("2026-06-12 12:00:00")
MARK = Mark("2026:06:10", "07:00:00", "2026:06:10 07:00:00", "2", 0)
ROW = Row("pass", "Anna", "190905271474", "Bygg", "5560160680", MARK, MARK, "", "uid:04A1", "kort", "", ())


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    found = Visited(tmp_path)
    found.bind()
    return found


def text_of(pdf: Path) -> list[str]:
    """The words of each page, as poppler reads them, spaces made one."""
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], check=True, capture_output=True, text=True)
    return [" ".join(page.split()) for page in done.stdout.split("\f")[:-1]]


def two_weeks(visited: Visited) -> None:
    begins = at("2026-06-01 07:00:00")
    taps = []
    for hours in range(0, 14 * 24, 3):
        when = begins + hours * 3600 * MICROSECONDS
        taps += [tap(ANNA, BYGG, IN, when), tap(BORIS, EL, IN, when + 1), tap(ANNA, BYGG, OUT, when + 7_200_000_000)]
        taps.append(tap(BORIS, EL, OUT, when + 7_200_000_001))
    visited.record(*taps)


def test_pages_have_every_row_a_head_and_a_number(visited: Visited, tmp_path: Path) -> None:
    two_weeks(visited)
    done = visited.inspect("history", "--pdf", str(tmp_path / "ledger.pdf"))
    assert (done.returncode, done.stderr) == (0, "")
    pages = text_of(tmp_path / "ledger.pdf")
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"Sida {number} av {len(pages)}" in page
        assert "Personalliggare: historik" in page
        assert "A1B2C3D4E5F67 · Kvarnen" in page
    words = " ".join(pages)
    for name in (
        "Anna Åkesson",
        "Boris Łukaszewicz",
        "Elektryczność Sp. z o.o.",
        "190901219931",
        "Byggherren Östra AB",
    ):
        assert name in words
    rows = visited.rows(history(), NOW)
    assert words.count("Boris Łukaszewicz") + words.count("Anna Åkesson") == len(rows)
    for row in rows:
        assert row.began is not None
        assert f"in {row.began.recorded}, post {row.began.entry}" in words


def test_letters_of_europe_are_the_same_when_read_back(visited: Visited, tmp_path: Path) -> None:
    names = [
        "Žydrūnas Šešėlis",
        "Īrisa Ņikolajeva",
        "Gökçe İpekçioğlu",
        "Zażółć Gęśląjaźń",
        "Ștefan Țîrlea",
        "Øyvind Ærøe",
    ]
    keys = [f"00000000000000{number:02x}" for number in range(len(names))]
    visited.name({key: Named(name, "") for key, name in zip(keys, names, strict=True)})
    visited.record(*(denied(key, BYGG, at("2026-06-10 07:00:00")) for key in keys))
    visited.inspect("history", "--all", "--pdf", str(tmp_path / "names.pdf"))
    words = " ".join(text_of(tmp_path / "names.pdf"))
    assert [name for name in names if name not in words] == []


def test_a_long_name_or_card_stays_in_its_column(tmp_path: Path) -> None:
    row = Row("pass", "W" * 120, "1" * 40, "Å" * 200, "", MARK, None, "saknas", "piv:" + "A" * 200, "kort", "", ())
    path = tmp_path / "long.pdf"
    paper = Paper(path.write_bytes)
    paper.begin("Titel", [("Urval", "ord " * 200)])
    paper.section("Arbetspass")
    paper.add(row)
    paper.end([])
    boxes = subprocess.run(["pdftotext", "-bbox", str(path), "-"], check=True, capture_output=True, text=True).stdout
    rights = [float(part.split('"')[1]) for part in boxes.split("xMax=")[1:]]
    assert max(rights) <= 842 - 30


def test_a_file_that_is_there_is_not_written_over_unless_asked(visited: Visited, tmp_path: Path) -> None:
    visited.record()
    path = tmp_path / "ledger.pdf"
    path.write_text("mine")
    assert visited.inspect("--pdf", str(path)).returncode == 1
    assert path.read_text() == "mine"
    assert visited.inspect("--pdf", str(path), "--force").returncode == 0
    assert path.read_bytes().startswith(b"%PDF-")
    assert list(tmp_path.glob("*.part")) == []


def test_a_typeface_that_is_not_there_is_said_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(FontMissing, match="installera fonts-dejavu-core"):
        Paper(io.BytesIO().write, fonts=tmp_path)


def test_more_rows_than_pages_can_take_are_refused_or_said(tmp_path: Path) -> None:
    paper = Paper(io.BytesIO().write, most=2)
    paper.begin("Titel", [])
    paper.section("Arbetspass")
    paper.add(ROW)
    paper.add(ROW)
    with pytest.raises(ReportTooLong, match="högst 2 rader"):
        paper.add(ROW)

    path = tmp_path / "short.pdf"
    paper = Paper(path.write_bytes, most=2, whole=False)
    paper.begin("Titel", [])
    paper.section("Arbetspass")
    for _ in range(5):
        paper.add(ROW)
    paper.end([])
    assert "de första 2 raderna av 5; alla finns i CSV-filen" in text_of(path)[0]


def test_the_table_has_every_cell_and_none_is_a_formula(visited: Visited) -> None:
    visited.name({ANNA: Named("=1+1", "190905271474")})
    visited.record(tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")), tap(ANNA, BYGG, OUT, at("2026-06-10 15:00:00")))
    written = bytearray()
    report = visited.report(history(), NOW)
    report.write([Sheet(written.extend)], unseen)
    report.told.close()
    report.sources.close()
    assert written.startswith(b"\xef\xbb\xbf")
    (line,) = csv.DictReader(io.StringIO(written.decode("utf-8-sig")), delimiter=";")
    assert line["person"] == "'=1+1"
    assert (line["identifikationsnummer"], line["organisationsnummer"]) == ("A1B2C3D4E5F67", "5560160680")
    assert (line["in datum"], line["in tid"], line["ut tid"]) == ("2026:06:10", "07:00:00", "15:00:00")
    assert (line["in registrerat"], line["in post"], line["ut post"]) == ("2026:06:10 07:00:00", "2", "3")


def test_an_object_for_programs_is_whole_or_does_not_say_so() -> None:
    written = bytearray()
    output = Json(written.extend)
    output.begin("Titel", [("Liggare", "a"), ("Liggare", "b")])
    for title in ("ett", "två"):
        output.section(title)
        output.add(ROW)
        output.add(ROW)
    output.section("tre")
    output.end(["klart"])
    read = json.loads(written)
    assert [len(section["rows"]) for section in read["sections"]] == [2, 2, 0]
    assert (read["notes"], read["complete"]) == (["klart"], True)
    assert read["heading"] == [["Liggare", "a"], ["Liggare", "b"]]
    with pytest.raises(json.JSONDecodeError):
        json.loads(written[:-40])


@pytest.mark.parametrize("width", [20, 80, 100, 400])
def test_no_line_is_wider_than_the_screen(visited: Visited, width: int) -> None:
    visited.name({ANNA: Named("Anna-Margareta " * 8, "190905271474")})
    visited.record(tap(ANNA, BYGG, IN, at("2026-06-10 07:00:00")), denied(BORIS, EL, at("2026-06-10 07:00:00")))
    lines: list[str] = []
    report = visited.report(Asked(View.HISTORY, denied=True), NOW)
    report.write([Screen(lines.append, width)], unseen)
    report.told.close()
    report.sources.close()
    assert max(map(len, lines)) <= max(width, 80)
    assert "Boris Łukaszewicz" in "\n".join(lines)
