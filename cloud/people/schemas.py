"""Cards that nobody is known behind as the pages show them, and the form that gives one to somebody."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cloud.people.service import Identity
from cloud.portal.languages import msgid
from cloud.units.schemas import ProjectChoice
from protocol.cards import CardId
from protocol.tables import LONGEST_NAME, LONGEST_NUMBER

NEITHER: Final = msgid("Choose from the list, or write a name.")
BOTH: Final = msgid("Choose from the list or write a new name, not both.")
GONE: Final = msgid("This choice is no longer there. Choose again.")
LONG: Final = msgid("At most 200 characters for the name and 60 for the number, please.")
PLAIN: Final = msgid("Write it with ordinary characters.")


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """A card that nobody is known behind: what readers see of it, and where it was last.

    `zone` and `project` are those of the project there, None where there is none.
    """

    id: str
    customer: str
    identities: tuple[CardId, ...]
    seen_at: datetime
    terminal: str
    reader: str
    project_id: str | None
    project: str | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """A number that was read of one card and belongs to another; each by its person and company."""

    identity: CardId
    person: str
    company: str
    other_person: str
    other_company: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody, or a company, that is known already; `number` tells two of the same name apart."""

    id: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form offers."""

    people: Sequence[Choice]
    companies: Sequence[Choice]
    projects: Sequence[ProjectChoice]


@dataclass(frozen=True, slots=True)
class Party:
    """One half of the form: who is chosen, or the name and number of who is new."""

    chosen: str = ""
    name: str = ""
    number: str = ""

    @property
    def given(self) -> str | Identity:
        """The id of who is chosen, else what is written of who is new."""
        return self.chosen or Identity(self.name, self.number)

    def mistake(self, choices: Sequence[Choice]) -> str | None:
        """What is wrong, as a text to be translated."""
        if self.chosen:
            if self.name:
                return BOTH
            return None if self.chosen in {choice.id for choice in choices} else GONE
        if not self.name:
            return NEITHER
        if len(self.name) > LONGEST_NAME or len(self.number) > LONGEST_NUMBER:
            return LONG
        return None if self.name.isprintable() and self.number.isprintable() else PLAIN


@dataclass(frozen=True, slots=True)
class GivingForm:
    """Who gets the card, for which company, and the ids of the projects in which it is enrolled."""

    person: Party = field(default_factory=Party)
    company: Party = field(default_factory=Party)
    projects: tuple[str, ...] = ()

    def mistakes(self, choices: Choices) -> dict[str, str]:
        """What is wrong, by field, each with a text to be translated; empty when all is right."""
        found = {
            "person": self.person.mistake(choices.people),
            "company": self.company.mistake(choices.companies),
            "projects": _unless(set(self.projects) <= {project.id for project in choices.projects}, GONE),
        }
        return {name: text for name, text in found.items() if text is not None}


def opened(card: UnknownLine, projects: Collection[ProjectChoice]) -> GivingForm:
    """The form as it is opened: the project on which the card was seen is ticked."""
    return GivingForm(projects=tuple(project.id for project in projects if project.id == card.project_id))


def _unless(right: bool, text: str) -> str | None:
    return None if right else text
