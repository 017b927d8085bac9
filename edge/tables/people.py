"""Opens names and numbers of people and companies for a command, beside the daemon, which itself cannot read them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm

from edge.errors import NamesUnreadable
from edge.storage import to_look_at
from edge.words import _
from protocol.errors import MessageFromFuture, ProtocolError, SealForeign
from protocol.sealing import Opener, row_context
from protocol.tables import Holder, Named, Table, decode_holder, decode_named

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

T = TypeVar("T")

LARGEST_KEY_FILE: Final = 64 * 1024
WAIT_FOR_WRITER: Final = 5.0

# one look: the scope that a row is sealed for is the one that it lies there with
_ROW: Final = """
    SELECT coalesce(cast(people.value AS BLOB), x''), coalesce(cast(held.scope AS BLOB), x'') FROM people, held
    WHERE people.key = ? AND held.name = 'people'"""
_ANY: Final = "SELECT 1 FROM people LIMIT 1"


class People:
    """The names that the cloud sent sealed to this terminal's key. Raises NamesUnreadable where that key is not here.

    Each question opens the file and closes it, so that a daemon beside it is never held up.
    """

    def __init__(self, tables_path: Path, key_path: Path) -> None:
        self._path = tables_path
        self._key_path = key_path
        self._opener = Opener(_key_in(key_path))

    def named(self, key: str) -> Named | None:
        """The name and number of a person or company by its id; None for one whom the cloud has not told of.

        Raises NamesUnreadable.
        """
        return self._opened_row(key, decode_named)

    def holder(self, card: str) -> Holder | None:
        """Who holds a card that was seen here without being enrolled, where the cloud knows. Raises NamesUnreadable."""
        return self._opened_row(card, decode_holder)

    def _opened_row(self, key: str, decode: Callable[[bytes], T]) -> T | None:
        found = self._look(_ROW, key.encode())
        if found is None:
            return None
        value, scope = found
        try:
            context = row_context(Table.PEOPLE, scope.decode(), key.encode())
            return decode(self._opener.open(value, context))
        except SealForeign as exc:
            raise NamesUnreadable(
                _("they are sealed to another key than the one in {key}").format(key=self._key_path),
                _("let the daemon connect with this key: the cloud then sends them again"),
            ) from exc
        except MessageFromFuture as exc:
            raise NamesUnreadable(_("a newer program sealed them"), _("upgrade this terminal")) from exc
        except (ProtocolError, UnicodeDecodeError) as exc:
            raise NamesUnreadable(
                _("{file} is damaged").format(file=self._path),
                _("stop the daemon, remove that file and start it again: the cloud sends everything anew"),
            ) from exc

    def are_there(self) -> bool:
        """Whether the cloud has told of anybody yet. Raises NamesUnreadable."""
        return self._look(_ANY) is not None

    def _look(self, statement: str, *values: bytes) -> Any:
        try:
            with closing(self._opened()) as connection:
                return connection.execute(statement, values).fetchone()
        except (sqlite3.Error, UnicodeDecodeError, MemoryError) as exc:
            raise NamesUnreadable(
                f"{self._path}: {_said(exc)}", _("look whether the daemon runs: `grindvakt status`")
            ) from exc

    def _opened(self) -> sqlite3.Connection:
        """A connection that changes nothing."""
        return sqlite3.connect(to_look_at(self._path), uri=True, timeout=WAIT_FOR_WRITER)


def _key_in(path: Path) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    advice = _("run this as root, and compare `key` in section [link] with the files that are there")
    try:
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(LARGEST_KEY_FILE), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        reason = _("the key {key} cannot be used: {why}").format(key=path, why=_said(exc))
        raise NamesUnreadable(reason, advice) from exc
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        reason = _("the key {key} is not one that names are sealed to").format(key=path)
        raise NamesUnreadable(reason, advice)
    return key


def _said(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
