"""Reads what the cloud told this terminal, beside a running daemon and changing nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.storage import READING_FAILED, to_look_at
from edge.tables.silence import Silence
from protocol.decision import Binding, Enrolment
from protocol.errors import ProtocolError
from protocol.tables import Presence, decode_binding, decode_enrolment, decode_presence

WAIT_FOR_WRITER: Final = 5.0

_BINDING: Final = "SELECT cast(value AS BLOB) FROM binding WHERE key = x''"
_HOLDER: Final = "SELECT cast(value AS BLOB) FROM roster WHERE key = ?"
_PRESENCE: Final = "SELECT cast(value AS BLOB) FROM presence WHERE key = ?"
_CAME_IN: Final = """
    SELECT cast(key AS BLOB), cast(value AS BLOB) FROM presence WHERE came_in IS NOT NULL ORDER BY came_in"""
_SILENCE: Final = "SELECT value FROM silence"


class Told:
    """The tables as they lie there; what cannot be read is not known, and `trouble` says why."""

    def __init__(self, path: Path) -> None:
        self.trouble: str | None = None
        self._connection: sqlite3.Connection | None = None
        self.binding: Binding | None = None
        if not path.is_file():
            return
        try:
            self._connection = sqlite3.connect(to_look_at(path), uri=True, timeout=WAIT_FOR_WRITER)
        except sqlite3.Error as exc:
            self.trouble = str(exc)
        row = self._one(_BINDING)
        try:
            self.binding = None if row is None else decode_binding(row[0])
        except ProtocolError as exc:
            self.trouble = str(exc)

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()

    def holder(self, cards: tuple[str, ...]) -> Enrolment | None:
        """Who is known by now to hold a card, by any of its identities."""
        for card in cards:
            row = self._one(_HOLDER, card.encode())
            with suppress(ProtocolError):
                if row is not None:
                    return decode_enrolment(row[0])
        return None

    def presence(self, key: bytes) -> Presence | None:
        """Where the cloud last saw whoever a key of presence names, as far as it has told."""
        row = self._one(_PRESENCE, key)
        with suppress(ProtocolError):
            return None if row is None else decode_presence(row[0])
        return None

    def came_in(self) -> Iterator[tuple[bytes, Presence]]:
        """Everybody whom the cloud last saw come in, by key of presence."""
        for key, value in self._all(_CAME_IN):
            with suppress(ProtocolError):
                yield key, decode_presence(value)

    def silence(self) -> Silence | None:
        """Since when the cloud is silent, as far as that was put down; it is, where doors expire by it."""
        row = self._one(_SILENCE)
        with suppress(msgspec.MsgspecError):
            return None if row is None else msgspec.msgpack.decode(row[0], type=Silence)
        return None

    def _one(self, statement: str, *values: bytes) -> Any:
        return next(iter(self._all(statement, *values)), None)

    def _all(self, statement: str, *values: bytes) -> list[Any]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except READING_FAILED as exc:
            self.trouble = str(exc) or type(exc).__name__
            return []
