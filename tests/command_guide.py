"""Writes docs/commands.md from the command line's own parser: `make commands` writes it, a test compares it."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.cli.parser import EPILOG, parser
from tests.house.repository import ROOT

GUIDE: Final = Path("docs/commands.md")

TEXT: Final = """\
# Commands of the terminal

What `grindvakt` can be told. This page is written from its command line (`make commands`); `grindvakt COMMAND --help`
says the same at the terminal, in Swedish where the environment asks for it (`LANG=sv_SE.UTF-8`).
Which settings there are stands in [configuration](configuration.md), what to do on the first day in
[hardware](hardware.md).

Every command takes `--help`; what nearly all of them take besides stands here once:

| Option | What for |
|---|---|
{shared}

Questions to the daemon are answered for root and for the members of the group `grindvakt`.

## Exit statuses

| Status | Means |
|---|---|
{statuses}

## What each command does

{commands}"""

MEANS: Final = {
    "run": (0, 70, 75, 78),
    "status": (0, 1, 69, 78),
    "check-config": (0, 78),
    "doctor": (0, 1),
    "tap": (0, 1, 69, 78),
    "signal list": (0,),
    "signal show": (0, 1, 69, 78),
    "reader list": (0, 1, 69, 78),
    "reader watch": (0, 1, 69, 78),
    "reader provision": (0, 1, 69, 78),
    "door open": (0, 1, 69, 78),
    "door test": (0, 1, 69, 78, 130),
    "door lock": (0, 1, 75, 78),
    "door act": (0, 1, 69, 78),
    "ledger tail": (0, 1, 78),
    "ledger verify": (0, 1, 78),
    "ledger export": (0, 1, 78),
    "inspect": (0, 1, 78),
    "completion": (0,),
}
"""With which statuses each ends; 2 stands for every wrong command line, and 130 for every one that is cut short."""


def page() -> str:
    """The whole page."""
    top = parser()
    shared = "\n".join(f"| {_option(each)} | {each.help} |" for each in _shared(top))
    rows = re.findall(r"^  (\d+) +(.+)$", EPILOG, re.MULTILINE)
    statuses = "\n".join(f"| {number} | {means} |" for number, means in rows)
    return TEXT.format(shared=shared, statuses=statuses, commands="\n".join(map(_section, leaves(top))))


def leaves(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command that does something, in the order of the help."""
    nested = [each for each in top._actions if isinstance(each, argparse._SubParsersAction)]
    if not nested:
        yield top
    for each in nested:
        for command in each.choices.values():
            yield from leaves(command)


def name(command: argparse.ArgumentParser) -> str:
    """What is typed after `grindvakt`."""
    return command.prog.removeprefix("grindvakt ")


def _section(command: argparse.ArgumentParser) -> str:
    own = [each for each in command._actions if each.dest not in {"help", "config", "json"}]
    lines = [f"### grindvakt {name(command)}", "", f"{_sentence(command.description or '')}", ""]
    lines += ["```", *_usage(command, own), "```", ""]
    if own:
        lines += ["| Option | What for |", "|---|---|"]
        lines += [f"| {_option(each)} | {_words(each)} |" for each in own]
        lines.append("")
    if command.epilog:
        lines += [_sentence(command.epilog), ""]
    lines += [f"Exit status: {', '.join(map(str, MEANS[name(command)]))}.", ""]
    return "\n".join(lines)


def _usage(command: argparse.ArgumentParser, own: list[argparse.Action]) -> Iterator[str]:
    """Without what all take, on one line."""
    optional = [f"[{_typed(each)}]" if not each.required else _typed(each) for each in own if each.option_strings]
    placed = [_typed(each) for each in own if not each.option_strings]
    yield " ".join(["grindvakt", name(command), *placed, *optional])


def _typed(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"[{value}]" if action.nargs == "?" else value
    flag = action.option_strings[-1]
    if action.nargs == 0:
        return flag
    return f"{flag} [{value}]" if action.nargs == "?" else f"{flag} {value}"


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    shown = action.metavar if isinstance(action.metavar, str) else action.dest
    return shown.upper()


def _option(action: argparse.Action) -> str:
    flags = ", ".join(f"`{each}`" for each in action.option_strings[:-1])
    return f"{flags}, `{_typed(action)}`" if flags else f"`{_typed(action)}`"


def _words(action: argparse.Action) -> str:
    return (action.help or "").replace("|", "\\|")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _shared(top: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options that the first command has, and all the others with it."""
    for each in next(leaves(top))._actions:
        if each.dest in {"config", "json"}:
            yield each


def main(root: Path = ROOT) -> int:
    """Write the page."""
    (root / GUIDE).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
