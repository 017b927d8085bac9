"""The command that writes what a shell needs to complete the others at the tabulator key."""

import argparse
from collections.abc import Iterator
from pathlib import Path


def completion(shell: str) -> int:
    """Print the script of this shell; it is made of the command line as it is now."""
    import shtab

    from edge.cli.parser import parser
    from edge.signals.patterns import Pattern

    top = parser()
    for action in _actions(top):
        if action.type is Path or action.dest == "output":
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
        if action.dest == "pattern":
            action.choices = [each.value for each in Pattern]
    print(shtab.complete(top, shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)
