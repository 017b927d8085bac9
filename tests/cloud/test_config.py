"""Settings are read once and completely, all mistakes are answered together, and the page about them is true."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cloud.config import Broker, Listen, Settings, load
from cloud.errors import ConfigInvalid
from tests.house.repository import ROOT


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own variables are no part of a test."""
    for name in [name for name in os.environ if name.startswith("GRINDVAKT_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    path = folder / "cloud.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(folder, text))
    assert str(folder / "cloud.toml") in str(caught.value)
    return caught.value.problems


def test_an_empty_file_gives_the_embedded_default(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ""))
    assert settings.database_url == "sqlite:////var/lib/grindvakt-cloud/cloud.db"
    assert (settings.broker, settings.broker_port, settings.broker_host) == (None, 8883, "127.0.0.1")
    assert settings.base_url == "http://127.0.0.1:8080"


def test_all_that_can_be_set_is_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path, EVERYTHING))
    assert settings.state_dir == tmp_path / "state"
    assert settings.database_url == "postgresql+psycopg://grind:secret@db.example/grind"
    assert settings.base_url == "https://portal.example"
    assert settings.session_minutes == 15
    assert settings.node_modules == tmp_path / "node_modules"
    assert settings.signing_key == Path("/etc/grindvakt/signing.key")
    assert settings.listen == Listen(host="::1", port=8443)
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    assert settings.broker == Broker(host="broker.example", port=8884, **files)


EVERYTHING = """
state_dir = "state"
database_url = "postgresql://grind:secret@db.example/grind"
base_url = "https://portal.example/"
session_minutes = 15
node_modules = "node_modules"
signing_key = "/etc/grindvakt/signing.key"
broker_host = "0.0.0.0"
broker_port = 8885
broker_names = ["grind.example", "192.0.2.7"]
[listen]
host = "::1"
port = 8443
[broker]
host = "broker.example"
port = 8884
ca = "ca.pem"
certificate = "certificate.pem"
key = "key.pem"
"""


def test_all_mistakes_are_answered_together_each_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRINDVAKT_BASEURL", "x")
    monkeypatch.setenv("GRINDVAKT_LINK__HOST", "the terminal's own")
    found = problems(
        tmp_path,
        'databse_url = "x"\nsession_minutes = 0\nbase_url = "portal"\n'
        '[listen]\nprot = 3\nport = 70000\n[broker]\nhost = "b"\n',
    )
    assert sorted(found) == sorted(
        (
            "databse_url is no setting; did you mean database_url?",
            "session_minutes: Input should be greater than or equal to 1, but it is 0",
            "base_url: it begins with http:// or https:// and names a host, but it is 'portal'",
            "listen.prot is no setting; did you mean port?",
            "listen.port: Input should be less than or equal to 65535, but it is 70000",
            "broker.ca is missing",
            "broker.certificate is missing",
            "broker.key is missing",
            "environment GRINDVAKT_BASEURL overrides nothing; did you mean GRINDVAKT_BASE_URL?",
        )
    )


def test_a_wrong_database_address_is_named_without_its_password(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'database_url = "mysql://me:secret@db.example/x"')
    assert problem == "database_url: only a file of SQLite and PostgreSQL are supported"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"listen = [", "it is not TOML: Invalid value (at end of document)"),
        (b"a = 'x'\nb = '\xff'", "it is not UTF-8 text: line 2"),
        (b"#" * 300_000, "it is larger than 262144 bytes, so it is hardly the right file"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "cloud.toml").write_bytes(content)
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path / "cloud.toml")
    assert caught.value.problems == (problem,)


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="No such file"):
        load(tmp_path / "cloud.toml")


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRINDVAKT_LISTEN__PORT", "9999")
    monkeypatch.setenv("GRINDVAKT_SESSION_MINUTES", "7")
    settings = load(written(tmp_path, EVERYTHING))
    assert (settings.listen.host, settings.listen.port, settings.session_minutes) == ("::1", 9999, 7)


def test_the_page_about_settings_lists_each_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs/configuration-cloud.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [*of(Settings), *of(Listen), *of(Broker)]


def of(model: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Name, default and meaning of each setting, as the page has them."""
    return [
        (name, shown(field.get_default()), field.description or "")
        for name, field in model.model_fields.items()
        if not isinstance(field.get_default(), BaseModel) and name != "broker"
    ]


def shown(default: Any) -> str:
    match default:
        case str() | Path():
            return f"`{default}`" if str(default) else "-"
        case tuple():
            return f"`{list(default)}`".replace("'", '"')
        case int():
            return f"`{default}`"
        case _:
            return "-"
