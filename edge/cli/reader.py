"""The commands about card readers: which there are, and what they see."""

import argparse
from collections.abc import Mapping

from edge.config import load


def reader(asked: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Do what was asked; the exit status. Raises TerminalError."""
    settings = load(asked.config, environment)
    match asked.reader:
        case "list":
            from edge.cli.reader_list import reader_list

            return reader_list(settings, as_json=asked.json)
        case "provision":
            from edge.cli.provision import provision

            return provision(settings, asked.name, as_json=asked.json)
        case _:
            from edge.cli.reader_watch import reader_watch

            return reader_watch(settings, asked.seconds, as_json=asked.json)
