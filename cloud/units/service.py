"""What is done with terminals: taken into the inventory, bound to a project, released again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.audit.service import Action, record
from cloud.customers.models import Customer
from cloud.errors import Conflict, FieldInvalid, NotFound
from cloud.projects.models import Project
from cloud.projects.policies import Policies
from cloud.scope import Scope
from cloud.sync.recipients import Recipient
from cloud.sync.tables import drop, head_of, put
from cloud.units.models import Unit
from cloud.wakeups import Topic, announce
from protocol.decision import Binding, Mode, TableName
from protocol.errors import TerminalId, TopicInvalid
from protocol.tables import EVERYBODY, LARGEST_ROW, Table, encode_value
from protocol.topics import AUDIENCE_ALL, terminal_id

THE_CLOUD: Final = "cloud"
RESERVED: Final = frozenset({THE_CLOUD, AUDIENCE_ALL})
LONGEST_PLACE: Final = 120
MOST_DOORS: Final = 16
THE_ROW: Final = b""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a terminal is to work: the project, the place in it, and the terminal's doors that a tap opens."""

    project_id: str
    place: str
    doors: tuple[str, ...]


def new_terminal_id(text: str) -> TerminalId:
    """An id a terminal may have. Raises FieldInvalid for one that is malformed or that means somebody else."""
    try:
        terminal = terminal_id(text)
    except TopicInvalid as exc:
        raise FieldInvalid("id", exc.reason) from exc
    if terminal in RESERVED:
        raise FieldInvalid("id", f"{terminal!r} means somebody else on the wire; choose another")
    return terminal


def create(session: Session, scope: Scope, now: datetime, terminal: str, name: str, customer_id: str) -> Unit:
    """Take a terminal into a customer's inventory, unbound. Raises NotFound, FieldInvalid, Conflict."""
    key = new_terminal_id(terminal)
    if not scope.covers(customer_id):
        raise NotFound("customer", customer_id)
    if session.get(Unit, key) is not None:
        raise Conflict(f"there is a terminal {key!r} already; give this one another id")
    unit = Unit(id=key, customer_id=customer_id, name=name.strip() or key)
    session.add(unit)
    session.flush()
    head_of(session, Table.BINDING, key)
    record(session, scope, now, Action.UNIT_CREATED, key, {"name": unit.name})
    announce(session, Topic.UNITS)
    return unit


def bind(session: Session, scope: Scope, now: datetime, unit_id: str, placement: Placement) -> Unit:
    """Bind a terminal to a project of its customer, or bind it anew. Raises NotFound, Conflict, FieldInvalid."""
    project = session.get(Project, placement.project_id, with_for_update={"read": True})  # locked first, as elsewhere
    unit = _locked(session, scope, unit_id)
    if project is None or project.customer_id != unit.customer_id:
        raise NotFound("project", placement.project_id)
    if project.ended_at is not None:
        raise Conflict(f"project {project.name!r} has ended; choose one that runs")
    unit.project_id, unit.bound_at = project.id, now
    unit.place, unit.doors = _checked_place(placement.place), _checked_doors(placement.doors)
    _put_binding(session, unit, project)
    details: dict[str, object] = {"project": project.id, "place": unit.place, "doors": unit.doors}
    record(session, scope, now, Action.UNIT_BOUND, unit.id, details)
    announce(session, Topic.UNITS)
    return unit


def unbind(session: Session, scope: Scope, now: datetime, unit_id: str) -> Unit:
    """Release a terminal: it blinks red only, and its tables go. Raises NotFound."""
    unit = _locked(session, scope, unit_id)
    if unit.project_id is None:
        return unit
    record(session, scope, now, Action.UNIT_UNBOUND, unit.id, {"project": unit.project_id, "place": unit.place})
    unit.project_id, unit.bound_at, unit.place, unit.doors = None, None, "", []
    drop(session, Table.BINDING, unit.id, [THE_ROW])
    announce(session, Topic.UNITS)
    return unit


def renew_bindings(session: Session, project: Project) -> None:
    """Tell a project's terminals what it is now: called by who changed the project, in the same transaction."""
    bound = select(Unit).where(Unit.project_id == project.id).order_by(Unit.id).with_for_update()
    for unit in session.scalars(bound):
        _put_binding(session, unit, project)


def renew_every_binding(session: Session) -> None:
    """After an upgrade: terminals hear what this program says and the last one did not; what is the same stays."""
    bound = select(Unit.project_id).where(Unit.project_id.is_not(None))
    for project in session.scalars(select(Project).where(Project.id.in_(bound)).order_by(Project.id)):
        renew_bindings(session, project)


def keep_certificate(session: Session, terminal: TerminalId, certificate: bytes) -> None:
    """Note a certificate that was checked: from now on names are sealed to its key, and the binding names them."""
    unit = session.get(Unit, terminal, with_for_update=True, populate_existing=True)
    if unit is None or unit.certificate == certificate:
        return
    unit.certificate = certificate
    project = session.get(Project, unit.project_id) if unit.project_id is not None else None
    if project is not None:
        _put_binding(session, unit, project)


def _locked(session: Session, scope: Scope, unit_id: str) -> Unit:
    found = scope.narrow(select(Unit).where(Unit.id == unit_id), Unit.customer_id)
    unit = session.scalar(found.with_for_update())
    if unit is None:
        raise NotFound("terminal", unit_id)
    return unit


def _put_binding(session: Session, unit: Unit, project: Project) -> None:
    policies = Policies.load(project.policies)
    developer = session.get_one(Customer, project.customer_id)
    binding = Binding(
        project=project.id,
        project_name=project.name,
        place=unit.place,
        zone=project.zone,
        mode=Mode(project.mode),
        ended=project.ended_at is not None,
        reset=project.reset,
        doors=tuple(unit.doors),
        tables=tuple(_counting(session, unit, project)),
        rights=policies.rights,
        holidays=policies.holidays,
        anti_passback=policies.anti_passback,
        anti_passback_minutes=policies.anti_passback_minutes,
        occupancy_limit=policies.occupancy_limit,
        doors_expire_after_offline=policies.doors_expire_after_offline,
        clock_untrusted=policies.clock_untrusted,
        card_authentication=policies.card_authentication,
        site_id=project.site_id,
        developer=developer.name,
        developer_number=developer.org_number or "",
    )
    value = encode_value(binding)
    if len(value) > LARGEST_ROW:
        raise FieldInvalid(
            "rights", f"all rights and holidays together take more than {LARGEST_ROW} bytes; shorten them"
        )
    put(session, Table.BINDING, unit.id, {THE_ROW: value})


def _counting(session: Session, unit: Unit, project: Project) -> Iterator[TableName]:
    """The tables that count with a binding; names only where it is known to whom they are sealed."""
    for table, scope in ((Table.BLOCKLIST, EVERYBODY), (Table.ROSTER, project.id), (Table.PRESENCE, project.id)):
        head = head_of(session, table, scope)
        yield TableName(table.value, scope, head.epoch)
    if unit.certificate is not None:
        head = head_of(session, Table.PEOPLE, project.id)
        yield TableName(Table.PEOPLE.value, project.id, Recipient.of(unit.certificate).epoch(head))


def _checked_place(place: str) -> str:
    place = place.strip()
    if not place or len(place) > LONGEST_PLACE or not place.isprintable():
        raise FieldInvalid("place", f"write where it is mounted, in at most {LONGEST_PLACE} characters")
    return place


def _checked_doors(doors: tuple[str, ...]) -> list[str]:
    named = list(dict.fromkeys(door.strip() for door in doors if door.strip()))
    if len(named) > MOST_DOORS or any(len(door) > LONGEST_PLACE or not door.isprintable() for door in named):
        raise FieldInvalid("doors", f"name at most {MOST_DOORS} doors of this terminal")
    return named
