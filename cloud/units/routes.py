"""The pages of terminals: how each is, and the form that binds one to a project."""

from collections.abc import Mapping

from fastapi import APIRouter, Response

from cloud.attendance.facts import damages
from cloud.portal.live import live
from cloud.portal.visits import Note, Reading, Visit, Watching, Writing
from cloud.units import queries, service
from cloud.units.schemas import BindingForm, TerminalLine
from cloud.wakeups import Topic

router = APIRouter(include_in_schema=False)


@router.get("/terminals")
def terminals_page(visit: Reading) -> Response:
    """All terminals of the account."""
    return visit.page("terminals.html", _all(visit))


@router.get("/live/terminals")
def terminals_stream(visit: Watching) -> Response:
    """The same list, whenever a terminal says something or is bound."""
    return live(visit, "_terminals.html", _all, Topic.UNITS)


@router.get("/terminals/{key}")
def terminal_page(visit: Reading, key: str) -> Response:
    """One terminal, with what it is bound to. Raises NotFound."""
    found = _one(visit, key)
    return _with_form(visit, found, BindingForm.of(found), {})


@router.get("/live/terminals/{key}")
def terminal_stream(visit: Watching, key: str) -> Response:
    """How one terminal is, whenever that changes. Raises NotFound."""
    _one(visit, key)
    return live(visit, "_terminal.html", lambda now: {"terminal": _one(now, key)}, Topic.UNITS)


@router.post("/terminals/{key}")
def bind_terminal(visit: Writing, key: str) -> Response:
    """Bind a terminal as the form says, or show the form again with what is wrong in it (A06). Raises NotFound."""
    found = _one(visit, key)
    fields = visit.form
    form = BindingForm.of(found).filled(fields.text("project"), fields.text("place"), fields.texts("doors"))
    mistakes = form.mistakes(queries.projects_to_bind(visit.rows, visit.account.scope, found.customer))
    if mistakes:
        return _with_form(visit, found, form, mistakes, 400)
    placement = service.Placement(form.project, form.place, form.doors)
    service.bind(visit.rows, visit.account.scope, visit.now, key, placement)
    return visit.go(f"/terminals/{key}", Note.BOUND)


@router.get("/terminals/{key}/unbind")
def unbind_page(visit: Reading, key: str) -> Response:
    """Ask before a terminal is unbound. Raises NotFound."""
    found = _one(visit, key)
    if found.project is None:
        return visit.go(f"/terminals/{key}")
    return visit.page("unbind.html", {"terminal": found})


@router.post("/terminals/{key}/unbind")
def unbind_terminal(visit: Writing, key: str) -> Response:
    """Release a terminal from its project. Raises NotFound."""
    service.unbind(visit.rows, visit.account.scope, visit.now, _one(visit, key).id)
    return visit.go(f"/terminals/{key}", Note.UNBOUND)


def _all(visit: Visit) -> dict[str, object]:
    return {"terminals": queries.terminals(visit.rows, visit.account.scope, visit.now)}


def _one(visit: Visit, key: str) -> TerminalLine:
    return queries.terminal(visit.rows, visit.account.scope, key, visit.now)


def _with_form(
    visit: Visit, terminal: TerminalLine, form: BindingForm, mistakes: Mapping[str, str], status: int = 200
) -> Response:
    projects = queries.projects_to_bind(visit.rows, visit.account.scope, terminal.customer)
    given = {
        "terminal": terminal,
        "damages": damages(visit.rows, visit.account.scope, terminal.id),
        "projects": projects,
        "form": form,
        "mistakes": mistakes,
    }
    return visit.page("terminal.html", given, status)
