"""The commands that show signals: on the lights of the running daemon, and drawn in the terminal."""

import difflib
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edge.cli.ask import console, print_json
from edge.errors import PatternUnknown
from edge.local import FILE_NAME, AskSignal, ask
from edge.settings import Settings
from edge.signals.patterns import PATTERNS, Pattern, Sequence, Step
from edge.signals.resting import PRIORITY
from edge.words import _

if TYPE_CHECKING:
    from rich.text import Text

COLUMN: Final = 60
"""Milliseconds that a character of a drawn timeline stands for."""

DRAWN: Final = 4000
"""Milliseconds that are drawn of a pattern that is played for ever."""


def pattern(text: str) -> Pattern:
    """A pattern by its name. Raises PatternUnknown with the names that are nearest."""
    try:
        return Pattern(text.strip().lower().replace("-", "_"))
    except ValueError:
        near = difflib.get_close_matches(text.lower().replace("-", "_"), list(Pattern), 3, 0.6)
        raise PatternUnknown(text, near) from None


def signal_show(settings: Settings, name: str, seconds: float, *, as_json: bool) -> int:
    """Show a pattern on the lights of the running daemon, until it is over or somebody taps. Raises PatternUnknown."""
    shown = pattern(name)
    answer = ask(settings.terminal.runtime_dir / FILE_NAME, AskSignal(shown, seconds))
    if as_json:
        print_json(answer)
        return 0
    said = _("{pattern}, for {seconds:g} s or until somebody taps: {says}")
    sequence = PATTERNS[shown]
    print(said.format(pattern=shown, seconds=seconds, says=_(sequence.says)))
    for line in timeline(sequence, is_rest=shown in PRIORITY):
        console().print("  ", line, sep="")
    return 0


def signal_list(*, as_json: bool) -> int:
    """Draw every pattern that there is."""
    if as_json:
        print_json([_plain(each) for each in Pattern])
        return 0
    out = console()
    legend = _("R red, G green, · dark, ♪ buzzer; a character is {ms} ms, … goes on for ever")
    out.print(legend.format(ms=COLUMN))
    for each in Pattern:
        sequence = PATTERNS[each]
        out.print()
        out.print(each.value, style="bold", end="  ")
        out.print(_(sequence.says))
        for line in timeline(sequence, is_rest=each in {*PRIORITY, Pattern.READY}):
            out.print("  ", line, sep="")
        out.print(f"  {_(sequence.words)}", style="dim")
    return 0


def timeline(sequence: Sequence, *, is_rest: bool) -> "list[Text]":
    """A line of the lights and, where there is any, one of the buzzer; the letters alone say the colours."""
    from rich.text import Text

    lights, sounds, end = Text(), Text(), 0
    for step in drawn(sequence, is_rest=is_rest):
        begin, end = end, end + step.ms
        columns = round(end / COLUMN) - round(begin / COLUMN)
        letter, style = ("G", "black on green") if step.green else ("R", "white on red") if step.red else ("·", "dim")
        lights.append(letter * columns, style)
        sounds.append(("♪" if step.buzzer and (sequence.sounds_at_rest or not is_rest) else " ") * columns)
    if is_rest:
        lights.append(" …")
    sounds.rstrip()
    return [lights, sounds] if sounds.plain else [lights]


def drawn(sequence: Sequence, *, is_rest: bool) -> list[Step]:
    """The steps as they are drawn: an answer once as it is played, and of what goes on for ever a few seconds."""
    if not sequence.ms:
        return [Step(DRAWN)]
    if not is_rest:
        return list(sequence.steps * sequence.times)
    steps: list[Step] = []
    left = DRAWN
    for step in itertools.cycle(sequence.steps):
        steps.append(replace(step, ms=min(step.ms, left)))
        left -= step.ms
        if left <= 0:
            break
    return steps


def _plain(each: Pattern) -> dict[str, object]:
    """A pattern for programs."""
    sequence, is_rest = PATTERNS[each], each in PRIORITY
    steps = [{"ms": s.ms, "red": s.red, "green": s.green, "buzzer": s.buzzer} for s in sequence.steps]
    told = {"pattern": each, "says": sequence.says, "looks": sequence.words, "times": sequence.times}
    return {**told, "at_rest": is_rest, "sounds_at_rest": sequence.sounds_at_rest, "steps": steps}
