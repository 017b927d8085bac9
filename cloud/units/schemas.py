"""A terminal as the pages show it, and the form that binds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cloud.portal.languages import msgid
from cloud.projects.policies import Policies
from protocol.clock import ClockQuality

LONGEST_PLACE: Final = 120


@dataclass(frozen=True, slots=True)
class TerminalLine:
    """A terminal, what it is bound to, and how it is; until it was heard for the first time `seen_at` is None."""

    id: str
    customer: str
    name: str
    project_id: str | None
    project: str | None
    project_ended: bool
    zone: str | None
    place: str
    bound_doors: tuple[str, ...]
    online: bool
    seen_at: datetime | None
    queue_depth: int
    oldest_unsent: datetime | None
    clock_quality: ClockQuality | None
    clock_offset_ms: int | None
    software: str
    readers: Mapping[str, bool]
    doors: Mapping[str, str]
    conditions: tuple[str, ...]
    policies: Policies


@dataclass(frozen=True, slots=True)
class ProjectChoice:
    """A project that a terminal can be bound to."""

    id: str
    name: str
    site_id: str


@dataclass(frozen=True, slots=True)
class BindingForm:
    """What stands in the form: the project's id, the place, and which of the doors in `choices` are ticked."""

    project: str
    place: str
    doors: tuple[str, ...]
    choices: tuple[str, ...]

    @classmethod
    def of(cls, terminal: TerminalLine) -> "BindingForm":
        """The form as it is opened: today's binding, or every reported door ticked where there is none."""
        if terminal.project_id is None:
            reported = tuple(terminal.doors)
            return cls("", "", reported, reported)
        gone = tuple(door for door in terminal.bound_doors if door not in terminal.doors)
        return cls(terminal.project_id, terminal.place, terminal.bound_doors, (*terminal.doors, *gone))

    def filled(self, project: str, place: str, doors: Sequence[str]) -> "BindingForm":
        """The form as it came back."""
        return replace(self, project=project, place=" ".join(place.split()), doors=tuple(doors))

    def mistakes(self, projects: Sequence[ProjectChoice]) -> dict[str, str]:
        """What is wrong, by field, each with a text to be translated; empty when all is right."""
        found = {}
        if not self.project:
            found["project"] = msgid("Choose the project that the terminal stands on.")
        elif self.project not in {project.id for project in projects}:
            found["project"] = msgid("This project has ended or is not yours. Choose another.")
        if not self.place:
            found["place"] = msgid("Say where on the project the terminal is mounted.")
        elif len(self.place) > LONGEST_PLACE:
            found["place"] = msgid("At most 120 characters, please.")
        elif not self.place.isprintable():
            found["place"] = msgid("Write the place with ordinary characters.")
        if not set(self.doors) <= set(self.choices):
            found["doors"] = msgid("The terminal no longer has one of these doors. Tick again.")
        return found
