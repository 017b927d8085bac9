"""Draws the guide to the signals from edge/signals/patterns.py: `make signals` writes it, a test compares it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from edge.cli.signal import drawn
from edge.signals.patterns import PATTERNS, Pattern, Step
from edge.signals.resting import PRIORITY
from tests.house.repository import ROOT

GUIDE: Final = Path("docs/signals.md")
PICTURES: Final = Path("docs/pictures/signals")

LEFT: Final = 10
SECOND: Final = 110  # pixels
END: Final = LEFT + 4 * SECOND
WIDTH: Final = END + 2 * LEFT
HEIGHT: Final = 62
LAMP: Final = (8, 22)  # top and height of what the lights do
SOUND: Final = 40  # where notes stand

RED: Final = "#b3261e"
GREEN: Final = "#14794a"
INK: Final = "#1d2329"
GREY: Final = "#69727d"

TEXT: Final = """\
# Lights and buzzer

What a terminal shows. This page and its pictures are drawn from `edge/signals/patterns.py` (`make signals`).

Every pattern has a rhythm of its own: a test measures that any two can be told apart without seeing colours, also what
is shown at rest from what answers a tap. Two rules make it easier still:

- **What is recorded begins with a long light, what is refused with a short one.** The first flash is the answer.
- **Green means that the tap is on disk.** Nothing else ever lights it.

In the pictures a solid bar with **G** is green, a hatched bar with **R** is red, and ♪ is the buzzer. Short is 0.12 s,
long 0.6 s or more. `grindvakt signal list` draws the same in a terminal, and `grindvakt signal show PATTERN` plays a
pattern on the lights themselves, until its time is over or somebody taps.

## Recorded

{recorded}
## Refused, or not read

{refused}
## At rest

What holds while nobody taps, the worst first: of several things that are wrong the topmost is shown, `grindvakt status`
and the portal name them all, with what to do. After an answer the terminal returns to this. The buzzer is silent here
but for what somebody has to come for. A fault that taps survive flashes a number to be counted.

{rest}"""


def pages() -> dict[Path, str]:
    """Every file of the guide, by its path in the repository."""
    files = {PICTURES / f"{pattern}.svg": picture(pattern) for pattern in Pattern}
    answers = [each for each in Pattern if each not in {*PRIORITY, Pattern.READY}]
    recorded = [each for each in answers if any(step.green for step in PATTERNS[each].steps)]
    refused = [each for each in (*answers, Pattern.UNBOUND) if each not in recorded]
    files[GUIDE] = TEXT.format(recorded=table(recorded), refused=table(refused), rest=table([*PRIORITY, Pattern.READY]))
    return files


def table(patterns: Iterable[Pattern]) -> str:
    """Their names, what they say, their pictures and how they look in words."""
    lines = ["| Pattern | Says | Looks |", "|---|---|---|"]
    for each in patterns:
        sequence, path = PATTERNS[each], (PICTURES / f"{each}.svg").relative_to(GUIDE.parent)
        lines.append(f"| `{each}` | {sequence.says} | ![{sequence.words}]({path})<br>{sequence.words} |")
    return "\n".join(lines) + "\n"


def picture(pattern: Pattern) -> str:
    """A timeline as SVG: the lights above, the buzzer below, and a scale in seconds."""
    sequence, is_rest = PATTERNS[pattern], pattern in {*PRIORITY, Pattern.READY}
    steps = drawn(sequence, is_rest=is_rest)
    sounds = sequence.sounds_at_rest or not is_rest
    marks = [*_scale(), *_lamps(steps), *(_notes(steps) if sounds else ())]
    if is_rest:
        marks.append(f'<text x="{END + 4}" y="21" font-size="13" font-weight="bold" fill="{INK}">…</text>')
    body = "\n".join(f"  {mark}" for mark in marks)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" \
font-family="sans-serif" role="img">
  <title>{escape(sequence.words)}</title>
  <defs>
    <pattern id="red" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect width="6" height="6" fill="{RED}"/><rect width="1.5" height="6" fill="#fff" opacity="0.55"/>
    </pattern>
  </defs>
  <rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#f4f5f7"/>
{body}
</svg>
"""


def _lamps(steps: Sequence[Step]) -> Iterator[str]:
    top, height = LAMP
    middle = top + height / 2
    yield f'<line x1="{LEFT}" y1="{middle:g}" x2="{END}" y2="{middle:g}" stroke="#c3c9d0" stroke-width="2"/>'
    for colour, begin, ms in _stretches(steps, lambda step: "G" if step.green else "R" if step.red else ""):
        if not colour:
            continue
        x, width = _at(begin), ms * SECOND / 1000
        fill = GREEN if colour == "G" else "url(#red)"
        yield f'<rect x="{x:g}" y="{top}" width="{width:g}" height="{height}" rx="2" fill="{fill}"/>'
        centre = x + width / 2
        if colour == "R":
            yield f'<rect x="{centre - 4.5:g}" y="{middle - 6:g}" width="9" height="12" rx="2" fill="{RED}"/>'
        letter = f'font-size="10" font-weight="bold" text-anchor="middle" fill="#fff">{colour}'
        yield f'<text x="{centre:g}" y="{middle + 3.6:g}" {letter}</text>'


def _notes(steps: Sequence[Step]) -> Iterator[str]:
    """A note where the buzzer begins, and a line for as long as it sounds."""
    for sounds, begin, ms in _stretches(steps, lambda step: "♪" if step.buzzer else ""):
        if sounds:
            x, end = _at(begin), _at(begin + ms)
            yield f'<line x1="{x:g}" y1="{SOUND + 4}" x2="{end:g}" y2="{SOUND + 4}" stroke="{INK}" stroke-width="2"/>'
            yield f'<ellipse cx="{x + 3:g}" cy="{SOUND}" rx="3" ry="2.2" fill="{INK}"/>'
            yield f'<path d="M{x + 5.5:g} {SOUND}v-7q1 2.5 3.5 3" fill="none" stroke="{INK}" stroke-width="1.2"/>'


def _scale() -> Iterator[str]:
    for half in range(9):
        x, is_whole = LEFT + half * SECOND / 2, half % 2 == 0
        yield f'<line x1="{x:g}" y1="48" x2="{x:g}" y2="{52 if is_whole else 50}" stroke="{GREY}"/>'
        if is_whole and half:
            yield f'<text x="{x:g}" y="60" text-anchor="middle" font-size="8.5" fill="{GREY}">{half // 2} s</text>'


def _stretches(steps: Sequence[Step], told: Callable[[Step], str]) -> Iterator[tuple[str, int, int]]:
    """What, from when and for how long, in milliseconds."""
    begin = 0
    for what, group in groupby(steps, key=told):
        ms = sum(step.ms for step in group)
        yield what, begin, ms
        begin += ms


def _at(ms: int) -> float:
    return LEFT + ms * SECOND / 1000


def main(root: Path = ROOT) -> int:
    """Write the guide; pictures of patterns that are no more are removed."""
    files = pages()
    (root / PICTURES).mkdir(parents=True, exist_ok=True)
    for old in (root / PICTURES).glob("*.svg"):
        if PICTURES / old.name not in files:
            old.unlink()
    for path, text in files.items():
        (root / path).write_text(text, encoding="utf-8")
    print(f"{GUIDE} and {len(files) - 1} pictures written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
