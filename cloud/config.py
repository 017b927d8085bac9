"""Reads the cloud's settings once, completely: TOML, then the environment, all mistakes answered together."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from cloud.database import checked_url
from cloud.errors import ConfigInvalid, DatabaseUnusable

DEFAULT_PATH: Final = Path("/etc/grindvakt/cloud.toml")
EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits.h: systemd does not try again
PREFIX: Final = "GRINDVAKT_"
LARGEST_FILE: Final = 256 * 1024

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


class Listen(BaseModel):
    """Where the portal is served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1", description="address the portal listens on; a proxy with TLS stands in front"
    )
    port: Port = Field(default=8080, description="its port")


class Broker(BaseModel):
    """A broker of your own; without this section the cloud runs one itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(description="name or address of the broker, as its certificate has it")
    port: Port = Field(default=8883, description="its port with TLS")
    ca: Path = Field(
        description="file with the certificate authority that signed the broker's certificate and the terminals'"
    )
    certificate: Path = Field(description="file with the cloud's certificate there; its common name is `cloud`")
    key: Path = Field(description="file with the key of that certificate")


class Settings(BaseSettings):
    """All settings of the cloud, checked. Paths that are not absolute are relative to the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    state_dir: Path = Field(
        default=Path("/var/lib/grindvakt-cloud"), description="folder for database, keys and broker"
    )
    database_url: str = Field(
        default="", description="`postgresql://user@host/name` or `sqlite:///file`; a file in `state_dir`"
    )
    base_url: str = Field(default="", description="address that people type for the portal; unset, where it listens")
    session_minutes: int = Field(
        default=30, ge=1, le=24 * 60, description="minutes without activity until a login ends"
    )
    node_modules: Path = Field(
        default=Path("node_modules"),
        description="folder where npm put the portal's libraries; unset, the one of the working folder",
    )
    signing_key: Path | None = Field(
        default=None,
        description="file with the key that signs what goes to terminals; made in `state_dir` where none is named",
    )
    broker_host: str = Field(
        default="127.0.0.1", description="address the embedded broker listens on; `0.0.0.0` for all"
    )
    broker_port: Port = Field(default=8883, description="port of the embedded broker")
    broker_names: tuple[Name, ...] = Field(
        default=("localhost", "127.0.0.1"),
        description="names and addresses by which terminals reach the embedded broker",
    )
    listen: Listen = Field(default=Listen(host="127.0.0.1", port=8080), description="where the portal is served")
    broker: Broker | None = Field(
        default=None, description="a broker of your own; without it the cloud runs one itself"
    )

    @field_validator("database_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            return url and checked_url(url).render_as_string(hide_password=False)
        except DatabaseUnusable as exc:
            raise ValueError(exc.reason) from exc

    @field_validator("base_url")
    @classmethod
    def _is_of_the_web(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", url):
            raise ValueError("it begins with http:// or https:// and names a host")
        return url.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the file, which is handed over as arguments."""
        return env_settings, init_settings


def load(path: Path | None = None) -> Settings:
    """Read the file, and what the environment overrides. Raises ConfigInvalid with every mistake there is.

    Without a path the usual file is read where it exists; else all settings have their defaults.
    """
    chosen = path or DEFAULT_PATH
    document = _document(chosen) if path is not None or chosen.exists() else {}
    problems = list(_stray_variables())
    try:
        settings = Settings(**document)
    except ValidationError as exc:
        raise ConfigInvalid(chosen, [*map(_sentence, exc.errors()), *problems]) from exc
    except SettingsError as exc:
        raise ConfigInvalid(chosen, [f"environment: {exc}", *problems]) from exc
    if problems:
        raise ConfigInvalid(chosen, problems)
    return _anchored(settings, chosen.absolute().parent)


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise ConfigInvalid(path, [f"it is larger than {LARGEST_FILE} bytes, so it is hardly the right file"])
        return tomllib.loads(raw.decode())
    except OSError as exc:
        raise ConfigInvalid(path, [f"it cannot be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise ConfigInvalid(path, [f"it is not UTF-8 text: line {raw[: exc.start].count(10) + 1}"]) from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigInvalid(path, [f"it is not TOML: {exc}"]) from exc


def _stray_variables() -> Iterator[str]:
    """Variables that look like ours but override nothing; the terminal's stand in the same environment, and pass."""
    for name in sorted(os.environ):
        word = name.removeprefix(PREFIX).lower().partition("__")[0]
        if name.startswith(PREFIX) and word not in Settings.model_fields:
            nearest = difflib.get_close_matches(word, Settings.model_fields, 1, 0.8)
            if nearest:
                yield f"environment {name} overrides nothing; did you mean {PREFIX}{nearest[0].upper()}?"


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where} is no setting{_nearest(error['loc'])}"
    if error["type"] == "missing":
        return f"{where} is missing"
    shown = "" if where == "database_url" else f", but it is {error['input']!r}"  # an address may hold a password
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{shown}"


def _nearest(where: tuple[int | str, ...]) -> str:
    sections: dict[str, type[BaseModel]] = {"listen": Listen, "broker": Broker}
    known = sections.get(str(where[0]), Settings) if len(where) > 1 else Settings
    found = difflib.get_close_matches(str(where[-1]), known.model_fields, 1)
    return f"; did you mean {found[0]}?" if found else ""


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Paths relative to the file's folder, and a database where none is named."""
    state_dir = folder / settings.state_dir.expanduser()
    changed: dict[str, Any] = {"state_dir": state_dir, "node_modules": settings.node_modules.absolute()}
    if "node_modules" in settings.model_fields_set:
        changed["node_modules"] = folder / settings.node_modules.expanduser()
    if settings.signing_key is not None:
        changed["signing_key"] = folder / settings.signing_key.expanduser()
    if settings.broker is not None:
        paths = {name: folder / getattr(settings.broker, name).expanduser() for name in ("ca", "certificate", "key")}
        changed["broker"] = settings.broker.model_copy(update=paths)
    if not settings.base_url:
        changed["base_url"] = f"http://{settings.listen.host}:{settings.listen.port}"
    if not settings.database_url:
        changed["database_url"] = f"sqlite:///{state_dir / 'cloud.db'}"
    return settings.model_copy(update=changed)
