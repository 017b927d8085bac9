"""Every text of the portal is there in every language, nothing is kept that nobody says, and pages say which it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from fastapi import FastAPI
from fastapi.testclient import TestClient

import cloud
from cloud.portal import words
from cloud.portal.languages import FOLDER, OWN_NAMES, Language, preferred
from cloud.portal.visits import NOTES, Note
from protocol.cards import CardKind
from protocol.clock import ClockQuality
from protocol.decision import AntiPassback, CardAuthentication, ClockPolicy, Direction, Proof, Reason
from tests.support.visitor import Visitor

CODE = Path(cloud.__file__).parent
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "gettext": None, "ngettext": (1, 2), "msgid": None}
KEYWORDS |= {"msgids": (1, 2)}
Key = str | tuple[str, ...]


def said() -> dict[Key, str]:
    """Every text in templates and code, and where."""
    found = extract_from_dir(
        CODE,
        method_map=[("**/templates/**.html", "jinja2"), ("**.py", "python")],
        options_map={"**/templates/**.html": {"newstyle_gettext": "true"}},
        keywords=KEYWORDS,
    )
    return {text: f"{file}:{line}" for file, line, text, _comments, _context in found}


def catalogue(language: Language) -> Catalog:
    """The file of a language."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language.value)


def texts_of(language: Language) -> dict[Key, tuple[str, ...]]:
    """What a file has: one translation, or one for each plural."""
    found: dict[Key, tuple[str, ...]] = {}
    for message in catalogue(language):
        key = message.id if isinstance(message.id, str) else tuple(message.id)
        if key and message.string:
            found[key] = (message.string,) if isinstance(message.string, str) else tuple(message.string)
    return found


def test_the_walk_over_templates_and_code_finds_texts_of_both() -> None:
    places = " ".join(said().values())
    assert "portal/templates/_taps.html" in places
    assert "units/schemas.py" in places


@pytest.mark.parametrize("language", Language)
def test_every_text_is_there_in_every_language_and_no_other(language: Language) -> None:
    texts = texts_of(language)
    missing = {text: place for text, place in said().items() if not all(texts.get(text, [""]))}
    assert not missing
    assert not texts.keys() - said().keys(), "nobody says this any more"


@pytest.mark.parametrize("language", Language)
def test_a_translation_is_no_guess_and_has_the_same_places_to_fill_in(language: Language) -> None:
    for message in catalogue(language):
        assert not message.fuzzy or not message.id
        for error in message.check(catalogue(language)):
            raise AssertionError(f"{message.id}: {error}")
    for text, strings in texts_of(language).items():
        first = text if isinstance(text, str) else text[0]
        expected = sorted(re.findall(r"%\(\w+\)s", first))
        assert all(sorted(re.findall(r"%\(\w+\)s", string)) == expected for string in strings), text


def test_english_says_what_the_templates_say() -> None:
    for text, strings in texts_of(Language.ENGLISH).items():
        assert strings == ((text,) if isinstance(text, str) else text)


def test_everything_that_is_stored_as_a_code_has_words() -> None:
    assert words.REFUSALS.keys() == words.REMARKS.keys() == set(Reason)
    assert words.ANTI_PASSBACK.keys() == set(AntiPassback)
    assert words.CLOCK_POLICIES.keys() == set(ClockPolicy)
    assert words.CARD_AUTHENTICATION.keys() == set(CardAuthentication)
    assert words.CARD_KINDS.keys() == set(CardKind)
    assert words.PROOFS.keys() == set(Proof)
    assert words.DIRECTIONS.keys() == set(Direction)
    assert words.CLOCKS.keys() == set(ClockQuality)
    assert NOTES.keys() == set(Note)
    assert OWN_NAMES.keys() == set(Language)


def bare_texts(template: str) -> Iterator[str]:
    """Words of a template that no translation goes through."""
    without_code = re.sub(r"{[{%#].*?[}%#]}", "", template, flags=re.DOTALL)
    for text in re.findall(r">([^<>]+)<", without_code):
        if re.search(r"[A-Za-zåäöÅÄÖ]{2,}", text):
            yield text.strip()
    yield from re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]+)"', without_code)


def test_no_template_says_anything_untranslated_but_our_name() -> None:
    found = {
        text
        for path in (CODE / "portal/templates").glob("*.html")
        for text in bare_texts(path.read_text(encoding="utf-8"))
    }
    assert {text.replace("–", "").strip() for text in found} <= {"Grindvakt"}


def test_no_text_of_the_code_reaches_a_page_without_a_mark() -> None:
    """What routes hand to pages comes from `msgid`: a literal sentence there would stay English."""
    for path in CODE.glob("*/routes.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"say", "page"}
            ):
                assert not [arg for arg in node.args if is_sentence(arg)], f"{path}:{node.lineno}"


def is_sentence(node: ast.expr) -> bool:
    """Whether it is a literal with a blank in it."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


@pytest.mark.parametrize(
    ("chosen", "asked", "expected"),
    [
        (None, "", Language.SWEDISH),
        (None, "de-DE,fr;q=0.5", Language.SWEDISH),
        (None, "en-GB,en;q=0.9", Language.ENGLISH),
        (None, "sv;q=0.1,en;q=0.9", Language.ENGLISH),
        (None, "nb,sv-FI;q=0.8,en;q=0.5", Language.SWEDISH),
        (None, "en;q=nonsense,,;;q=,*", Language.SWEDISH),
        ("en", "sv", Language.ENGLISH),
        ("sv", "en", Language.SWEDISH),
        ("nl", "en", Language.ENGLISH),
        ("<script>", "", Language.SWEDISH),
    ],
)
def test_a_visitor_reads_what_was_chosen_else_what_the_browser_asks_for_else_swedish(
    chosen: str | None, asked: str, expected: Language
) -> None:
    assert preferred(chosen, asked) is expected


@pytest.mark.parametrize("language", Language)
def test_a_page_says_which_language_it_is_and_links_to_the_other(visitor: Visitor, language: Language) -> None:
    visitor.get(f"/language/{language}")
    page = visitor.get("/login?next=/terminals").text
    assert f'<html lang="{language}">' in page
    other = next(each for each in Language if each is not language)
    assert f'href="/language/{other}?next=/login%3Fnext%3D/terminals" lang="{other}" hreflang="{other}"' in page


def test_the_language_is_kept_with_the_account_for_other_browsers(web: FastAPI, karin: Visitor) -> None:
    answer = karin.get("/language/en?next=/terminals")
    assert answer.headers["location"] == "/terminals"
    elsewhere = Visitor(TestClient(web))
    elsewhere.log_in()
    assert '<html lang="en">' in elsewhere.get("/terminals").text


def test_a_language_chosen_before_the_login_holds_after_it(visitor: Visitor) -> None:
    visitor.get("/language/en")
    visitor.log_in()
    assert '<html lang="en">' in visitor.get("/").text


def test_choosing_a_language_leads_to_no_other_site_and_knows_no_other_language(visitor: Visitor) -> None:
    assert visitor.get("/language/en?next=//elsewhere.example").headers["location"] == "/"
    assert visitor.get("/language/tlh").status_code == 404
