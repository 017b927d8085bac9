"""The demonstration's PIV cards: made by the terminal's own command, kept in folders, issued by nobody outside."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cloud.demo import cast
from cloud.demo.programs import Program
from cloud.errors import ProgramFailed

ISSUER: Final = "Demonstration issuer"
COPY: Final = "copy"
ALGORITHMS: Final = ("p256", "rsa2048", "p384")


class DemoCards:
    """A folder for each card, named by its GUID; the copy is called `copy`."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = folder
        self._logs = logs

    @property
    def issuer(self) -> Path:
        """The certificate that vouches for them all."""
        return self._folder / ISSUER / "certificate.pem"

    def folder(self, kept: str) -> Path:
        """Where a card lies."""
        return self._folder / kept

    def make(self) -> None:
        """Issue a card to each person who has one, with each kind of key, and copy one. Raises ProgramFailed."""
        for command in self._commands():
            making = Program("cards", [sys.executable, "-m", "edge.piv", *command], self._logs)
            making.run()
            if making.status != 0:
                raise ProgramFailed(making.name, "a card could not be made", making.last_words())

    def _commands(self) -> Iterator[list[str | Path]]:
        for number, person in enumerate(person for person in (*cast.PEOPLE, cast.COPIED_PERSON) if person.guid):
            kind = ALGORITHMS[number % len(ALGORITHMS)]
            named = ["--guid", person.guid, "--uid", person.uid, "--algorithm", kind]
            yield ["issue", self.folder(person.guid), "--issuer", self._folder / ISSUER, *named]
        yield ["copy", self.folder(cast.COPIED_PERSON.guid), self.folder(COPY)]
