"""What the doctor says of one part of a terminal: a verdict, what was found, and what to do next."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """How a part is, in rising order of trouble; the names are for programs and never change."""

    GOOD = "good"
    UNKNOWN = "unknown"
    """It could not be looked at; why, and who can, stands in the finding."""
    DOUBTFUL = "doubtful"
    """It works now, and something about it will cost trouble later."""
    BAD = "bad"
    """It does not do what it is for."""


WORST_FIRST: Final = tuple(reversed(Verdict))


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `found` and `advice` are sentences for a person, in his language; good parts need no advice."""

    part: str
    verdict: Verdict
    found: str
    advice: str = ""


def good(part: str, found: str, advice: str = "") -> Finding:
    """It is as it should be."""
    return Finding(part, Verdict.GOOD, found, advice)


def doubtful(part: str, found: str, advice: str) -> Finding:
    """It works, and will cost trouble."""
    return Finding(part, Verdict.DOUBTFUL, found, advice)


def bad(part: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(part, Verdict.BAD, found, advice)


def unknown(part: str, found: str, advice: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(part, Verdict.UNKNOWN, found, advice)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict among them; good where there are none."""
    verdicts = {finding.verdict for finding in findings}
    return next((each for each in WORST_FIRST if each in verdicts), Verdict.GOOD)
