"""The pages of cards that nobody is known behind: the list, as cards are held somewhere, and the form to give one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Response

from cloud.people import queries
from cloud.people.giving import Giving, give
from cloud.people.schemas import Choices, GivingForm, Party, UnknownLine, opened
from cloud.portal.forms import Posted
from cloud.portal.live import live
from cloud.portal.visits import Note, Reading, Visit, Watching, Writing
from cloud.units.queries import projects_to_bind
from cloud.wakeups import Topic

MOST: Final = 100
CONFLICTS_SHOWN: Final = timedelta(days=30)
"""For how long after it was read last a number that two cards claim is shown."""

router = APIRouter(include_in_schema=False)


@router.get("/cards")
def cards_page(visit: Reading) -> Response:
    """All cards that nobody is known behind; the stream takes over from there (A37)."""
    return visit.page("cards.html", _all(visit))


@router.get("/live/cards")
def cards_stream(visit: Watching) -> Response:
    """The same list, whenever an entry came in."""
    return live(visit, "_cards.html", _all, Topic.ENTRIES)


@router.get("/cards/{card}")
def card_page(visit: Reading, card: str) -> Response:
    """One of them, with the form that gives it to somebody. Raises NotFound."""
    found = queries.unknown_card(visit.rows, visit.account.scope, card)
    choices = _choices(visit, found)
    return _with_form(visit, found, choices, opened(found, choices.projects), {})


@router.post("/cards/{card}")
def give_card(visit: Writing, card: str) -> Response:
    """Give the card as the form says, or show the form again with what is wrong in it. Raises NotFound, Conflict."""
    found = queries.unknown_card(visit.rows, visit.account.scope, card)
    choices, fields = _choices(visit, found), visit.form
    form = GivingForm(_party(fields, "person"), _party(fields, "company"), tuple(fields.texts("projects")))
    mistakes = form.mistakes(choices)
    if mistakes:
        return _with_form(visit, found, choices, form, mistakes, 400)
    giving = Giving(form.person.given, form.company.given, form.projects)
    give(visit.rows, visit.account.scope, visit.now, card, giving)
    return visit.go("/cards", Note.CARD_GIVEN)


def _all(visit: Visit) -> dict[str, object]:
    scope = visit.account.scope
    return {
        "cards": queries.unknown_cards(visit.rows, scope, MOST),
        "conflicts": queries.conflicts(visit.rows, scope, visit.now - CONFLICTS_SHOWN),
    }


def _choices(visit: Visit, card: UnknownLine) -> Choices:
    rows, scope = visit.rows, visit.account.scope
    return Choices(
        queries.people_to_choose(rows, scope, card.customer),
        queries.companies_to_choose(rows, scope, card.customer),
        projects_to_bind(rows, scope, card.customer),
    )


def _party(fields: Posted, name: str) -> Party:
    """What the form says of the person or the company, with single spaces."""
    texts = (fields.text(name), fields.text(f"{name}_name"), fields.text(f"{name}_number"))
    return Party(*(" ".join(text.split()) for text in texts))


def _with_form(
    visit: Visit, card: UnknownLine, choices: Choices, form: GivingForm, mistakes: Mapping[str, str], status: int = 200
) -> Response:
    return visit.page("card.html", {"card": card, "choices": choices, "form": form, "mistakes": mistakes}, status)
