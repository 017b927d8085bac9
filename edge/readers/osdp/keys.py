"""Keeps the keys of the OSDP readers in one file, encrypted and replaced as a whole; each reader has its own."""

import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.errors import ReaderKeysUnusable
from edge.storage import sync_folder
from protocol.errors import UNREADABLE

FILE_NAME: Final = "reader-keys"
SECRET_NAME: Final = "reader-keys.secret"  # noqa: S105  # the name of a file
CREDENTIAL: Final = "grindvakt-reader-keys"
"""The name of the systemd credential (systemd.exec(5), LoadCredential=) that the file's key is made of."""

KEY_BYTES: Final = 16
_MAGIC: Final = b"gv1 reader keys\0"
_NONCE: Final = 12
_LARGEST: Final = 64 * 1024
_LEAST: Final = 16  # bytes of a secret


class Keys(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one reader: the key it answers under, and one that it may have been given since."""

    current: Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)] | None = None
    pending: Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)] | None = None

    def __repr__(self) -> str:
        return f"Keys(current={_known(self.current)}, pending={_known(self.pending)})"

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every key that the reader may have, the likeliest first."""
        return tuple(key for key in (self.current, self.pending) if key is not None)


NO_KEYS: Final = Keys()
_Stored = Annotated[dict[Annotated[str, msgspec.Meta(max_length=40)], Keys], msgspec.Meta(max_length=256)]
_decoder: msgspec.msgpack.Decoder[dict[str, Keys]] = msgspec.msgpack.Decoder(_Stored)


@dataclass
class ReaderKeys:
    """The store in `folder`, for any thread. Everything raises ReaderKeysUnusable while it cannot be used.

    It is encrypted with a secret of systemd where the daemon was given one, else with one that lies beside it.
    """

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of(self, reader: str) -> Keys:
        """The reader's keys; none of one that was never given any."""
        with self._lock:
            return self._stored().get(reader, NO_KEYS)

    def put(self, reader: str, keys: Keys) -> None:
        """Keep these; they are on disk when this returns."""
        with self._lock:
            stored = self._stored() | {reader: keys}
            nonce = secrets.token_bytes(_NONCE)
            try:
                sealed = self._cipher(self._secret()).encrypt(nonce, msgspec.msgpack.encode(stored), _MAGIC)
                self._write(FILE_NAME, _MAGIC + nonce + sealed)
                if self._credential.exists():
                    (self.folder / SECRET_NAME).unlink(missing_ok=True)
            except OSError as exc:
                raise ReaderKeysUnusable(self.path, exc.strerror or str(exc)) from exc

    @property
    def path(self) -> Path:
        """Where they are."""
        return self.folder / FILE_NAME

    def _stored(self) -> dict[str, Keys]:
        try:
            if not self.path.exists():
                return {}
            with self.path.open("rb") as file:
                sealed = file.read(_LARGEST)
            return opened(sealed, [self._cipher(secret) for secret in self._secrets()])
        except OSError as exc:
            raise ReaderKeysUnusable(self.path, exc.strerror or str(exc)) from exc
        except (InvalidTag, *UNREADABLE) as exc:
            raise ReaderKeysUnusable(self.path, "it is damaged, or its secret is another one than it was") from exc

    @property
    def _credential(self) -> Path:
        return Path(self.environment.get("CREDENTIALS_DIRECTORY", "/nowhere")) / CREDENTIAL

    def _secrets(self) -> list[bytes]:
        """All there are: a file that was made before there was a credential is still read."""
        found = [path.read_bytes() for path in (self._credential, self.folder / SECRET_NAME) if path.exists()]
        return [secret for secret in found if len(secret) >= _LEAST]

    def _secret(self) -> bytes:
        """The one to encrypt with; made if there is none. Raises OSError too."""
        if not self._credential.exists() and not (self.folder / SECRET_NAME).exists():
            self._write(SECRET_NAME, secrets.token_bytes(32))
        found = self._secrets()
        if not found:
            raise ReaderKeysUnusable(self.path, f"its secret is shorter than {_LEAST} bytes")
        return found[0]

    def _cipher(self, secret: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, None, _MAGIC).derive(secret))

    def _write(self, name: str, content: bytes) -> None:
        """Write under a new name first: after a power cut the file is the old one or the new one. Raises OSError."""
        new = self.folder / f"{name}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self.folder / name)
        sync_folder(self.folder)


def opened(sealed: bytes, ciphers: list[AESGCM]) -> dict[str, Keys]:
    """What a file holds. Raises InvalidTag, and what msgspec raises for what is no store."""
    body = sealed.removeprefix(_MAGIC)
    for cipher in ciphers if len(body) < len(sealed) and len(body) > _NONCE else ():
        try:
            return _decoder.decode(cipher.decrypt(body[:_NONCE], body[_NONCE:], _MAGIC))
        except InvalidTag:
            continue
    raise InvalidTag


def _known(key: bytes | None) -> str:
    return "none" if key is None else "…"
