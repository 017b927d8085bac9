"""A row of a report, with everything said in words: screen, paper and files show the same."""

from dataclasses import dataclass
from typing import Any, Final

MISSING: Final = "saknas"
ONGOING: Final = "pågår"


@dataclass(frozen=True, slots=True)
class Mark:
    """One end of a pass: when it was, when that was recorded, both as the ledger has them or as they are now known.

    `utc`: microseconds. `entry`: the number of the entry in its ledger; "" where it lies at another gate.
    """

    date: str
    time: str
    recorded: str
    entry: str
    utc: int

    @property
    def moment(self) -> str:
        """Date and time."""
        return f"{self.date} {self.time}"


@dataclass(frozen=True, slots=True)
class Row:
    """A pass of somebody for a company, or with `kind` "nekad" a tap that was denied and is no pass.

    `end`: what is said where there is no `ended`. Empty text is what nobody knows.
    """

    kind: str
    person: str
    person_number: str
    company: str
    company_number: str
    began: Mark | None
    ended: Mark | None
    end: str
    card: str
    source: str
    project: str
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind,
            "person": {"name": self.person, "number": self.person_number},
            "company": {"name": self.company, "number": self.company_number},
            "began": _mark(self.began),
            "ended": _mark(self.ended),
            "end": self.end,
            "card": self.card,
            "source": self.source,
            "project": self.project,
            "remarks": list(self.remarks),
        }


def _mark(mark: Mark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    return {
        "date": mark.date,
        "time": mark.time,
        "recorded": mark.recorded,
        "entry": mark.entry,
        "utc_microseconds": mark.utc,
    }
