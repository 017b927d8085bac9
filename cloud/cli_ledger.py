"""The command `grindvakt-cloud ledger import`: what a dead terminal's card still has, taken in."""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloud.app import open_database
from cloud.clock import SystemClock
from cloud.config import load
from cloud.log import configure
from cloud.scope import Scope
from cloud.sync.importing import Import, Imported, Progress

KEPT_ASIDE: Final = 3
"""The exit status where everything is here, and part of it stands aside as another branch."""


def import_ledger(chosen: argparse.Namespace, scope: Scope) -> int:
    """Take a file in and say what it brought; 0, or 3 where some of it is kept aside. Raises CloudError."""
    settings = load(chosen.config)
    configure(sys.stderr, logging.WARNING)
    database = open_database(settings)
    try:
        with _bar() as progress:
            found = Import(database, SystemClock(), scope, progress).run(chosen.file, dry=chosen.dry_run)
    finally:
        database.close()
    for line in _words(found, chosen.file, chosen.dry_run):
        print(line)
    return KEPT_ASIDE if found.aside else 0


def _words(found: Imported, path: Path, dry: bool) -> Iterator[str]:
    heading = found.heading
    yield f"{path}: ledger {heading.ledger.hex()} of terminal {heading.terminal}, up to entry {heading.last}"
    yield f"{found.new} {'would be new' if dry else 'new'}, {found.held} here already"
    if found.purged:
        yield f"{found.purged} have no payload in the file: the terminal forgot them after the cloud had them"
    if found.lost:
        yield f"{found.lost} were lost at the terminal"
    if found.aside:
        kept = "would be kept aside" if dry else "kept aside"
        yield f"{found.aside} {kept}: another branch of this ledger, as a copied card makes one; look at both"
    if dry:
        yield "nothing was changed (--dry-run)"


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on standard error where somebody is looking; gives what moves it."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
