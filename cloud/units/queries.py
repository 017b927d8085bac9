"""What the pages ask about terminals; every question takes the account's scope."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.orm import Session

from cloud.errors import NotFound
from cloud.portal.moments import from_microseconds
from cloud.projects.models import Project
from cloud.projects.policies import Policies
from cloud.scope import Scope
from cloud.sync.statuses import is_online
from cloud.units.models import TERMINAL, Unit, UnitStatus
from cloud.units.schemas import ProjectChoice, TerminalLine
from protocol.clock import ClockQuality
from protocol.errors import TopicInvalid
from protocol.topics import terminal_id


def terminals(rows: Session, scope: Scope, now: datetime) -> list[TerminalLine]:
    """All terminals by name; one query."""
    statement = scope.narrow(_terminals(), Unit.customer_id).order_by(Unit.name, Unit.id)
    return [_line(row, now) for row in rows.execute(statement)]


def terminal(rows: Session, scope: Scope, key: str, now: datetime) -> TerminalLine:
    """One terminal. Raises NotFound, also for another customer's and for what can be no terminal's id."""
    try:
        statement = _terminals().where(Unit.id == terminal_id(key))
    except TopicInvalid as exc:
        raise NotFound("terminal", key) from exc
    row = rows.execute(scope.narrow(statement, Unit.customer_id)).one_or_none()
    if row is None:
        raise NotFound("terminal", key)
    return _line(row, now)


def projects_to_bind(rows: Session, scope: Scope, customer: str) -> list[ProjectChoice]:
    """The active projects of the terminal's customer, by name; one query."""
    statement = select(Project.id, Project.name, Project.site_id).where(
        Project.customer_id == customer, Project.ended_at.is_(None)
    )
    found = rows.execute(scope.narrow(statement, Project.customer_id).order_by(Project.name, Project.id))
    return [ProjectChoice(row.id, row.name, row.site_id) for row in found]


def _terminals() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Unit.id,
            Unit.customer_id,
            Unit.name,
            Unit.place,
            Unit.doors.label("bound_doors"),
            Project.id.label("project_id"),
            Project.name.label("project"),
            Project.ended_at,
            Project.zone,
            Project.policies,
            UnitStatus.online,
            UnitStatus.seen_at,
            UnitStatus.queue_depth,
            UnitStatus.oldest_unsent,
            UnitStatus.clock_quality,
            UnitStatus.clock_offset_ms,
            UnitStatus.software,
            UnitStatus.readers,
            UnitStatus.doors,
            UnitStatus.conditions,
        )
        .outerjoin(Project, and_(Project.id == Unit.project_id, Project.customer_id == Unit.customer_id))
        .outerjoin(UnitStatus, UnitStatus.unit_id == Unit.id)
        .where(Unit.kind == TERMINAL)
    )


def _line(row: Row[*tuple[Any, ...]], now: datetime) -> TerminalLine:
    heard = row.seen_at is not None
    return TerminalLine(
        id=row.id,
        customer=row.customer_id,
        name=row.name,
        project_id=row.project_id,
        project=row.project,
        project_ended=row.ended_at is not None,
        zone=row.zone,
        place=row.place,
        bound_doors=tuple(row.bound_doors),
        online=is_online(row.online, row.seen_at, now),
        seen_at=row.seen_at,
        queue_depth=row.queue_depth or 0,
        oldest_unsent=None if row.oldest_unsent is None else from_microseconds(row.oldest_unsent),
        clock_quality=ClockQuality(row.clock_quality) if heard else None,
        clock_offset_ms=row.clock_offset_ms,
        software=row.software or "",
        readers=row.readers or {},
        doors=row.doors or {},
        conditions=tuple(row.conditions or ()),
        policies=Policies.load(row.policies or {}),
    )
