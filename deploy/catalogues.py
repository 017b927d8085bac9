"""Compiles the translations of the commands while the package is built or linked: gettext reads only compiled ones."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface[Any]):
    """Makes `LANGUAGE/LC_MESSAGES/grindvakt.mo` of each `LANGUAGE.po`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling calls this before it gathers the files."""
        for source in Path(self.root, "edge", "translations").glob("*.po"):
            compiled = source.with_suffix("") / "LC_MESSAGES" / "grindvakt.mo"
            compiled.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as written, compiled.open("wb") as file:
                write_mo(file, read_po(written, locale=source.stem, abort_invalid=True))
