"""What is done with projects: begun, regulated, and ended."""

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import available_timezones

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import Action, record
from cloud.errors import Conflict, FieldInvalid, NotAllowed, NotFound
from cloud.projects.models import Project, ProjectPerson
from cloud.projects.policies import Policies
from cloud.scope import Scope
from cloud.sync.tables import head_of
from cloud.units.service import renew_bindings
from cloud.wakeups import Topic, announce
from protocol.decision import Mode
from protocol.tables import Table

SITE_ID: Final = re.compile(r"[A-Z0-9]{13}", re.ASCII)
RESET: Final = re.compile(r"[0-2]\d:[0-5]\d", re.ASCII)
LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class ProjectDraft:
    """What a project begins with. `closed` admits only enrolled people, and is for our staff to set (A04)."""

    customer_id: str
    name: str
    site_id: str
    zone: str = "Europe/Stockholm"
    mode: Mode = Mode.OPEN
    reset: str | None = "03:00"


def create(session: Session, scope: Scope, now: datetime, draft: ProjectDraft) -> Project:
    """Begin a project. Raises NotFound, NotAllowed, FieldInvalid."""
    if not scope.covers(draft.customer_id):
        raise NotFound("customer", draft.customer_id)
    if draft.mode is Mode.CLOSED and scope.customer is not None:
        raise NotAllowed("set the closed mode", "our staff")
    project = Project(
        customer_id=draft.customer_id,
        name=_checked_name(draft.name),
        site_id=_checked_site_id(draft.site_id),
        zone=_checked_zone(draft.zone),
        mode=draft.mode.value,
        reset=_checked_reset(draft.reset),
    )
    session.add(project)
    session.flush()
    for table in (Table.ROSTER, Table.PRESENCE, Table.PEOPLE):
        head_of(session, table, project.id)
    record(session, scope, now, Action.PROJECT_CREATED, project.id, {"name": project.name, "site_id": project.site_id})
    return project


def end(session: Session, scope: Scope, now: datetime, project_id: str) -> Project:
    """End a project: its terminals answer that it has ended. Raises NotFound, Conflict."""
    project = _locked(session, scope, project_id)
    if project.ended_at is not None:
        raise Conflict(f"project {project.name!r} has ended already; nothing is left to do")
    project.ended_at = now
    renew_bindings(session, project)
    record(session, scope, now, Action.PROJECT_ENDED, project.id, {})
    announce(session, Topic.UNITS)
    return project


def set_policies(session: Session, scope: Scope, now: datetime, project_id: str, policies: Policies) -> Project:
    """Say what counts on a project from now on; its terminals hear of it. Raises NotFound, FieldInvalid.

    A right that enrolled people have cannot go: they would stand outside the next morning.
    """
    project = _locked(session, scope, project_id)
    policies = policies.checked()
    missing = _rights_in_use(session, project) - {right.name for right in policies.rights}
    if missing:
        named = ", ".join(repr(name) for name in sorted(missing))
        raise FieldInvalid("rights", f"enrolled people have {named}; give them another right first")
    project.policies = policies.stored()
    session.flush()
    renew_bindings(session, project)
    record(session, scope, now, Action.PROJECT_REGULATED, project.id, dict(project.policies))
    announce(session, Topic.UNITS)
    return project


def _locked(session: Session, scope: Scope, project_id: str) -> Project:
    found = scope.narrow(select(Project).where(Project.id == project_id), Project.customer_id)
    project = session.scalar(found.with_for_update())
    if project is None:
        raise NotFound("project", project_id)
    return project


def _rights_in_use(session: Session, project: Project) -> set[str]:
    held = select(ProjectPerson.rights).where(ProjectPerson.project_id == project.id, ProjectPerson.rights.is_not(None))
    return {name for names in session.scalars(held) for name in names or ()}


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FieldInvalid("name", f"write a name of at most {LONGEST_NAME} characters")
    return name


def _checked_site_id(site_id: str) -> str:
    site_id = site_id.strip().upper()
    if not SITE_ID.fullmatch(site_id):
        raise FieldInvalid("site_id", "write the 13 letters and digits from the tax agency's registration of the site")
    return site_id


def _checked_zone(zone: str) -> str:
    if zone not in available_timezones():
        raise FieldInvalid("zone", "write a time zone such as Europe/Stockholm")
    return zone


def _checked_reset(reset: str | None) -> str | None:
    if reset is None:
        return None
    try:
        time.fromisoformat(reset)
        well_formed = RESET.fullmatch(reset) is not None
    except ValueError:
        well_formed = False
    if not well_formed:
        raise FieldInvalid("reset", "write a time of day as HH:MM, or nothing")
    return reset
