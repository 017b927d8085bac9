"""The command that looks at every part and says what to do: for an installer at the gate, and support on the phone."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge.cli.ask import console, print_json
from edge.doctor import WORST_FIRST, Finding, Verdict, worst
from edge.doctor.checkup import check_up
from edge.doctor.examination import Progress
from edge.words import _, msgid

EXIT_BAD: Final = 1
COLOURS: Final = {Verdict.BAD: "bold red", Verdict.DOUBTFUL: "yellow", Verdict.UNKNOWN: "dim", Verdict.GOOD: "green"}

PARTS: Final = (
    msgid("configuration"),
    msgid("daemon"),
    msgid("reader"),
    msgid("readers"),
    msgid("gpio"),
    msgid("signals"),
    msgid("door"),
    msgid("doors"),
    msgid("clock"),
    msgid("disk"),
    msgid("ledger"),
    msgid("certificate"),
    msgid("broker"),
    msgid("cloud"),
    msgid("binding"),
    msgid("tables"),
    msgid("power"),
    msgid("temperature"),
)
"""The first word of each part, as programs get it."""


def doctor(path: Path, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Say how each part is, the worst nearest to the prompt; 1 where something is bad."""
    with _waiting() as tell:
        findings = check_up(path, environment, tell)
    if as_json:
        print_json(
            {
                "verdict": worst(findings),
                "findings": [
                    {"part": each.part, "verdict": each.verdict, "found": each.found, "advice": each.advice}
                    for each in findings
                ],
            }
        )
    else:
        _show(findings)
        console().print(summary(findings))
    return EXIT_BAD if worst(findings) is Verdict.BAD else 0


def summary(findings: Sequence[Finding]) -> str:
    """One line: how many are how, the worst first and by name; the good ones only counted."""
    told = []
    for verdict in WORST_FIRST:
        parts = [named(each.part) for each in findings if each.verdict is verdict]
        if parts:
            names = "" if verdict is Verdict.GOOD else f" ({', '.join(dict.fromkeys(parts))})"
            told.append(f"{len(parts)} {word(verdict)}{names}")
    return ", ".join(told)


def named(part: str) -> str:
    """A part in the reader's language; what the installer calls it stays."""
    kind, space, name = part.partition(" ")
    return f"{_(kind)}{space}{name}"


def word(verdict: Verdict) -> str:
    """A verdict in the reader's language."""
    match verdict:
        case Verdict.BAD:
            return _("bad")
        case Verdict.DOUBTFUL:
            return _("doubtful")
        case Verdict.UNKNOWN:
            return _("unknown")
        case Verdict.GOOD:
            return _("good")


def _show(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for each in sorted(findings, key=lambda finding: -WORST_FIRST.index(finding.verdict)):
        said = Text(each.found)
        if each.advice:
            said.append(f"\n→ {each.advice}")
        table.add_row(Text(word(each.verdict), style=COLOURS[each.verdict]), named(each.part), said)
    console().print(table)


@contextmanager
def _waiting() -> Iterator[Progress]:
    """On a screen: what is being looked at still, on standard error, and gone afterwards."""
    from rich.console import Console

    screen = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _parts: None
        return
    with screen.status("") as status:
        yield lambda parts: status.update(_("looking at {parts} …").format(parts=", ".join(map(named, parts))))
